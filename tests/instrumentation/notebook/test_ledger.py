from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest

from vigilo.notebook.ledger import WEEK_S, Ledger, week_began_s

SATURDAY = datetime(2026, 11, 21, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize("after_s", [0, 1, 86400, WEEK_S - 1])
def test_the_week_begins_on_saturday(after_s):
    assert week_began_s(SATURDAY + after_s) == SATURDAY
    assert week_began_s(SATURDAY - 1) == SATURDAY - WEEK_S


def test_the_last_line_of_a_session_counts(tmp_path):
    ledger = Ledger(tmp_path / "new" / "ledger.jsonl")
    assert ledger.used_s(SATURDAY) == {}
    for until in (300, 600, 900):
        ledger.append("a", "gpu", SATURDAY, SATURDAY + until)
    ledger.append("b", "gpu", SATURDAY + 100, SATURDAY + 200, closed=True)
    ledger.append("c", "tpu", SATURDAY + 100, SATURDAY + 250)
    assert ledger.used_s(SATURDAY + 1000) == {"gpu": 1000.0, "tpu": 150.0}
    assert ledger.used_s(SATURDAY + 1000, without="a") == {"gpu": 100.0, "tpu": 150.0}
    assert ledger.used_s(SATURDAY + 1000, only="a") == {"gpu": 900.0}
    assert len((tmp_path / "new" / "ledger.jsonl").read_text().splitlines()) == 5


def test_only_this_week_counts(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append("old", "gpu", SATURDAY - 9000, SATURDAY - 5000)
    ledger.append("over", "gpu", SATURDAY - 3600, SATURDAY + 600)
    assert ledger.used_s(SATURDAY + 600) == {"gpu": 600.0}
    assert ledger.used_s(SATURDAY - 1) == {"gpu": 4000.0 + 4200.0}


def test_a_line_that_was_cut_off_takes_no_other_along(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.append("a", "gpu", SATURDAY, SATURDAY + 100)
    path.write_bytes(path.read_bytes() + b'{"session": "b", "acc')
    ledger.append("c", "gpu", SATURDAY, SATURDAY + 10)
    path.write_bytes(path.read_bytes() + b'\xff\x00\n[]\n{"session": 1}\n')
    assert ledger.used_s(SATURDAY + 100) == {"gpu": 110.0}


def test_many_at_a_time(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    threads = [
        threading.Thread(target=lambda name: ledger.append(name, "gpu", SATURDAY, SATURDAY + 1), args=(str(at),))
        for at in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.used_s(SATURDAY + 1) == {"gpu": 20.0}


def test_only_the_end_of_a_long_one_is_read(tmp_path, monkeypatch):
    from vigilo.notebook import ledger as module

    monkeypatch.setattr(module, "_READ_BYTES", 300)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for at in range(50):
        ledger.append(f"s{at}", "gpu", SATURDAY, SATURDAY + 1)
    assert ledger.used_s(SATURDAY + 1) == {"gpu": 2.0}
