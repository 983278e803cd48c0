"""``vigilo doctor``, run as a command."""

from __future__ import annotations

import json
import os
import re

import pytest
from tests.exporter.clickhouse.server import clickhouse_server, free_port  # noqa: F401 - a fixture

from vigilo_exporter.clickhouse.http import HttpDatabase
from vigilo_exporter.clickhouse.migrate import migrate, schema_files
from vigilo_exporter.shipping.lock import ShipLock
from vigilo_exporter.spool import Spool


@pytest.fixture
def doctor(vigilo_command):
    """Runs it; gives the exit code and the findings by name."""

    def run(**environ):
        done = vigilo_command("doctor", "--format", "json", environ=environ)
        assert done.stderr == ""
        return done.returncode, {found["name"]: found for found in json.loads(done.stdout)["findings"]}

    return run


def test_a_sound_installation(doctor, home):
    code, found = doctor()
    assert code == 0
    assert found["openai"]["state"] == "ok"
    assert found["traces go to"]["detail"] == "vigilo's store (default)"
    assert found["content"]["detail"] == "masked (default)"
    assert found["home"]["detail"] == str(home)
    assert found["database"]["detail"] == "none yet: it is made with the first report"
    assert not home.exists(), "a doctor changes nothing"


def test_the_store_is_told_of(doctor, write_segments, call, vigilo_command, home):
    write_segments([call("gpt-5")])
    vigilo_command("report")
    write_segments([call("gpt-5")], [call("gpt-5")])
    code, found = doctor()
    assert code == 0
    assert found["database"]["detail"].startswith("1 call, the latest at 20")
    assert found["spool"]["detail"].startswith("2 segments of ")
    assert len(Spool(home).segments()) == 2


def test_what_is_off_says_why(doctor):
    code, found = doctor(
        OTEL_SDK_DISABLED="true",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="vigilo_openai, requests",
        VIGILO_CONTENT="off",
    )
    assert code == 0
    assert found["OTEL_SDK_DISABLED"]["state"] == "off"
    assert found["traces go to"] | {"part": ""} == {
        "part": "",
        "name": "traces go to",
        "state": "off",
        "detail": "nowhere: OTEL_TRACES_EXPORTER is none",
    }
    assert found["metrics go to"]["state"] == "note"
    assert found["vigilo_openai"]["state"] == "off"
    assert (found["content"]["state"], found["content"]["detail"]) == ("off", "off (VIGILO_CONTENT)")


def test_a_setting_of_the_file_names_the_file(doctor, tmp_path):
    path = tmp_path / "vigilo.toml"
    path.write_text('user_ids = "plain"\n')
    assert doctor(VIGILO_CONFIG=str(path))[1]["user_ids"]["detail"] == f"plain ({path})"


def test_a_wrong_setting_is_broken(doctor):
    code, found = doctor(VIGILO_CONTENT="loud")
    assert code == 1
    assert found["settings"]["state"] == "broken"
    assert "`VIGILO_CONTENT` is 'loud'" in found["settings"]["detail"]


def test_a_home_that_is_a_file_is_broken(vigilo_command, tmp_path):
    path = tmp_path / "file"
    path.touch()
    done = vigilo_command("doctor", "--home", path)
    assert done.returncode == 1
    assert f"{path} is not a folder: set `VIGILO_HOME` to another" in done.stdout


def test_a_key_that_others_can_read_is_noted(doctor, home):
    home.mkdir()
    key = home / "user_id.key"
    key.write_text("k")
    key.chmod(0o644)
    assert doctor()[1]["user id key"]["detail"] == f"others can read it (mode 644): chmod 600 {key}"
    key.chmod(0o600)
    assert doctor()[1]["user id key"]["state"] == "ok"


def test_the_price_table_is_told_with_its_age(doctor, home):
    _, found = doctor()
    assert re.fullmatch(r"\S+ \(\d{4}-\d\d-\d\d\), \d+ days? old(: prices may .*)?", found["price table"]["detail"])


def test_an_old_price_table_is_noted(python, home):
    code = """
from datetime import date
from vigilo.policy import live_prices, price_table
packaged = price_table.packaged_table()
live_prices.packaged_table = lambda: price_table.PriceTable(packaged.providers, "0.0.1", date(2025, 1, 31))
from vigilo_exporter.cli import main
main()
"""
    done = python("-c", code, "doctor", "--format", "json", "--home", home)
    (found,) = [each for each in json.loads(done.stdout)["findings"] if each["name"] == "price table"]
    assert found["state"] == "note"
    assert found["detail"].startswith("0.0.1 (2025-01-31), ")
    assert done.stderr == ""
    assert "prices may have changed since; pip install -U genai-prices" in found["detail"]


def test_rivals_are_named(python, home, tmp_path):
    metadata = tmp_path / "site" / "rival-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[opentelemetry_distro]\nrival = rival:Distro\n[opentelemetry_instrumentor]\nopenai = rival:Instrumentor\n"
    )
    run = f"import sys; sys.path.insert(0, {str(metadata.parent)!r}); from vigilo_exporter.cli import main; main()"
    arguments = ("-c", run, "doctor", "--format", "json", "--home", home)
    found = {each["name"]: each for each in json.loads(python(*arguments).stdout)["findings"]}
    assert found["openai"]["detail"].startswith("rival records the same calls: uninstall it, or name openai in OTEL_")
    assert found["distro"]["state"] == "note"
    assert "rival" in found["distro"]["detail"]
    theirs = json.loads(python(*arguments, environ={"OTEL_PYTHON_DISTRO": "rival"}).stdout)["findings"]
    (traces,) = [each for each in theirs if each["name"] == "traces go to"]
    assert traces["state"] == "note"
    assert traces["detail"].startswith("where rival sends them: set OTEL_TRACES_EXPORTER=vigilo_clickhouse")
    chosen = {"OTEL_PYTHON_DISTRO": "vigilo", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai"}
    document = json.loads(python(*arguments, environ=chosen).stdout)
    assert "records the same calls" not in json.dumps(document)
    assert "rival is loaded" not in json.dumps(document)


def test_what_was_set_aside_or_lost_says_what_to_do(doctor, write_segments, call, home):
    (path,) = write_segments([call("gpt-5")])
    Spool(home).set_aside(path.name, "it is strange")
    (home / "spool" / "dropped.jsonl").write_text(
        '{"at": "2026-11-01T00:00:00+00:00", "table": "otel_traces", "segments": 2, "rows": 1500, "bytes": 9, '
        '"reason": "more than spool_max_bytes (5)"}\n'
    )
    _, found = doctor()
    assert found["quarantine"]["state"] == found["dropped"]["state"] == "note"
    assert found["quarantine"]["detail"].startswith(
        "1 pieces could not be stored, the last because: it is strange. `vig"
    )
    assert found["dropped"]["detail"].startswith("1,500 rows in 2 segments are lost, the last at 2026-11-01T00:00:00")


def test_a_server_is_told_of_with_its_schema_and_who_sends(doctor, clickhouse_server, home):  # noqa: F811
    code, found = doctor(**clickhouse_server.environ)
    assert code == 0
    assert found["server"]["detail"].startswith("ClickHouse 2")
    assert found["server"]["detail"].endswith(clickhouse_server.url)
    assert found["schema"]["detail"] == "none yet: the first app that sends makes it, or `vigilo migrate`"
    assert found["shipping"]["detail"].startswith("no app runs that sends")
    assert "database" not in found
    code, found = doctor(**clickhouse_server.environ, VIGILO_CREATE_SCHEMA="off")
    assert code == 1
    assert found["schema"]["detail"].startswith("none; this vigilo writes version ")
    assert found["schema"]["detail"].endswith("Nothing is sent before you run `vigilo migrate`")
    with_schema = HttpDatabase(clickhouse_server.url_with_user, database=clickhouse_server.database)
    migrate(with_schema)
    lock = ShipLock(home)
    assert lock.acquire()
    code, found = doctor(**clickhouse_server.environ)
    assert code == 0
    assert found["schema"]["detail"] == f"version {schema_files()[-1].version}"
    assert found["shipping"]["detail"] == f"process {os.getpid()} sends for all"
    lock.tell("no network")
    assert "cannot send: no network. It tries again" in doctor(**clickhouse_server.environ)[1]["shipping"]["detail"]
    lock.release()
    with_schema.execute("INSERT INTO schema_version (Version, Name) SELECT 999, 'to come'")
    assert doctor(**clickhouse_server.environ)[1]["schema"]["detail"].startswith("version 999; this vigilo knows up to")
    code, found = doctor(**{**clickhouse_server.environ, "VIGILO_CLICKHOUSE_PASSWORD": "wr0ng"})
    assert code == 1
    assert "see `clickhouse_user`, `clickhouse_password`" in found["server"]["detail"]
    assert "wr0ng" not in json.dumps(found)


def test_a_server_that_cannot_be_reached_is_broken(doctor, home):
    url = f"http://user:s3cret@127.0.0.1:{free_port()}"
    code, found = doctor(VIGILO_CLICKHOUSE_URL=url)
    assert code == 1
    assert found["server"]["state"] == "broken"
    assert found["server"]["detail"].startswith("cannot reach http://127.0.0.1:")
    assert "waits in the spool" in found["server"]["detail"]
    assert "s3cret" not in json.dumps(found)


def test_text_names_each_part(vigilo_command):
    done = vigilo_command("doctor")
    assert done.returncode == 0
    assert [
        line.rstrip() for line in done.stdout.splitlines() if line and line[0] != " " and len(line.split()) == 1
    ] == [
        "installed",
        "wiring",
        "destinations",
        "settings",
        "prices",
        "quotas",
        "store",
    ]
