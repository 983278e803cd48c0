"""The embedded store keeps itself as small as the settings want it, without being asked or being in the way."""

from __future__ import annotations

import os
import time

RUN = """
import sys
from pathlib import Path
from vigilo.errors import StoreError
from vigilo.settings import load_settings
from vigilo_exporter.clickhouse.maintenance import Maintenance
from vigilo_exporter.clickhouse.store import open_store

class Refusing:
    def execute(self, statement):
        raise StoreError("refused")
    query = insert = execute

home = Path(sys.argv[1])
with open_store(home, ingest=False) as store:
    database = Refusing() if "refusing" in sys.argv else store.database
    maintenance = Maintenance(database, store.layout, home, load_settings())
    print(maintenance.run_due(), maintenance.run_due())
"""


def run(python, home, *arguments, **settings):
    done = python("-c", RUN, home, *arguments, environ={f"VIGILO_{name}": value for name, value in settings.items()})
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def calls(ask):
    return ask("SELECT count() AS calls FROM llm_calls")["answers"][0][0]["calls"]


def test_it_is_done_once_a_day_and_when_the_settings_change(home, python, write_segments, llm_span, ask):
    write_segments([llm_span(Timestamp="2026-01-05 10:00:00")])
    assert calls(ask) == 1
    assert run(python, home, RETENTION_DAYS="-1")[0] == ["False", "False"]  # opening the store has done it
    assert calls(ask) == 1
    assert run(python, home, RETENTION_DAYS="30")[0] == ["True", "False"]
    assert calls(ask) == 0
    assert run(python, home, RETENTION_DAYS="-1")[0] == ["False", "False"]  # asking has done it again
    yesterday = time.time() - 90_000
    os.utime(home / "cleaned", (yesterday, yesterday))
    assert run(python, home, RETENTION_DAYS="-1")[0] == ["True", "False"]


def test_what_is_refused_is_logged_once_and_does_not_fail(home, python):
    told, log = run(python, home, "refusing", RETENTION_DAYS="7")
    assert told == ["True", "False"]
    assert log.count("older than 7 days stays for now: refused") == 1


def test_personal_mode_keeps_a_week(home, python, write_segments, llm_span, vigilo_command, ask, monkeypatch):
    ten_days_ago = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 10 * 86_400))
    write_segments([llm_span(Timestamp=ten_days_ago)])
    monkeypatch.delenv("VIGILO_RETENTION_DAYS")
    done = vigilo_command("report", "--since", "30d")
    assert done.returncode == 0, done.stderr
    assert calls(ask) == 1
    done = vigilo_command("report", "--since", "30d", environ={"VIGILO_PERSONAL": "true"})
    assert done.returncode == 0, done.stderr
    assert calls(ask) == 0
