"""The status card: what it shows, and when it changes."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from tests.instrumentation.notebook.kernel import wait_until

from vigilo.notebook.card import Card, card_html
from vigilo.notebook.status_line import Fact, duration, facts, size, status_line, status_text

KNOWN = {
    "session": {
        "platform": {"name": "kaggle", "variant": "interactive", "source": "KAGGLE_KERNEL_RUN_TYPE"},
        "session": {"uptime_s": 3600.0, "limit_s": 32400.0, "remaining_s": 28800.0, "source": "reported"},
        "idle": {"busy": True, "idle_s": 0.0, "limit_s": 2400.0, "cell_s": 75.0},
        "quota": [
            {
                "accelerator": "gpu",
                "used_s": 36000.0,
                "limit_s": 108000.0,
                "remaining_s": 72000.0,
                "source": "ledger",
                "limit_source": "reported",
                "resets_at_s": 1.0,
            }
        ],
        "storage": [
            {"area": "output", "path": "/kaggle/working", "used_bytes": 5 << 30, "limit_bytes": 20 << 30, "source": "x"}
        ],
        "drive": {"state": "dead", "mounted": False, "path": None, "last_timeout": None},
        "internet": {"up": False},
        "accelerator": {"type": "gpu", "devices": ["Tesla T4", "Tesla T4"], "changes": 0, "previous": None},
        "restarts": {"count": 1, "last": {"kind": "kernel", "lost_s": 12.0, "memory_ran_out": True}},
        "warnings": [
            {"kind": "quota", "level": "watch", "message": "older", "at_s": 1.0},
            {"kind": "quota", "level": "warn", "message": "<b>2 h</b> of quota left", "at_s": 2.0},
        ],
    },
    "devices": [
        {
            "id": "GPU-1",
            "name": "Tesla T4",
            "state": "ok",
            "memory_used_bytes": 12 << 30,
            "memory_limit_bytes": 15 << 30,
            "utilization": 0.5,
        },
        {
            "id": "GPU-2",
            "name": "Tesla T4",
            "state": "failed",
            "memory_used_bytes": None,
            "memory_limit_bytes": None,
            "utilization": None,
        },
    ],
    "host": {"memory_used_bytes": 3 << 30, "memory_limit_bytes": 12 << 30},
    "forecasts": [{"name": "memory of Tesla T4", "level": "warn", "time_to_exhaustion_s": 200.0, "confidence": 0.9}],
    "tasks": [
        {"name": "<train>", "state": "running", "done": 250, "total": 1000, "elapsed_s": 60.0, "remaining_s": 185.0},
        {"name": "eval", "state": "failed", "done": 2, "total": None, "elapsed_s": 61.0, "remaining_s": None},
    ],
    "checkpoint": {
        "registered": ["model"],
        "last": {"step": 1200, "reason": "period", "size_bytes": 3 << 20, "created_unix_s": 940.0},
    },
}


def test_the_facts_tell_all_there_is():
    told = {(fact.label, fact.text): fact for fact in facts(KNOWN, now_s=1000.0)}
    assert [label for label, _ in told] == [
        "warning",
        "warning",
        "platform",
        "session",
        "cell",
        "GPU quota",
        "Drive",
        "internet",
        "restarts",
        "Tesla T4",
        "Tesla T4",
        "memory",
        "output",
        "<train>",
        "eval",
        "checkpoint",
    ]
    assert told["session", "8 h 00 min left of about 9 h 00 min (reported)"].share == pytest.approx(1 / 9)
    assert told["GPU quota", "20 h 00 min left of about 30 h 00 min a week (ledger, reported)"].share == pytest.approx(
        1 / 3
    )
    assert told["Tesla T4", "12.0 GiB of 15.0 GiB, 50% busy"].share == 0.8
    assert told["Tesla T4", "failed, memory not told"].level == "critical"
    assert told["<train>", "250 of 1,000, 3 min left"].share == 0.25
    assert told["eval", "2, failed after 1 min"].level == "warn"
    assert ("checkpoint", "step 1,200, 1 min ago (period), 3.0 MiB") in told


def test_nothing_known_is_told_as_such():
    assert status_line({}) == "vigilo on this machine · `%vigilo status` shows more"
    assert [fact.label for fact in facts({})] == ["platform"]


def test_the_status_line_is_one_line():
    assert status_line(KNOWN) == (
        "vigilo on Kaggle (interactive) · 2 x Tesla T4 · session: 8 h 00 min left of about 9 h 00 min · "
        "GPU quota: 20 h 00 min left of about 30 h 00 min a week · "
        "the kernel was restarted as memory ran out: `vigilo.checkpoint.resume()` loads what was saved · "
        "`%vigilo status` shows more"
    )


def test_the_text_has_a_line_for_each_fact():
    lines = status_text(KNOWN).splitlines()
    assert len(lines) == 16
    assert lines[0].endswith("the memory of Tesla T4 is full in about 3 min (warn)")
    assert lines[1].endswith("<b>2 h</b> of quota left (warn)")
    assert "[################....] 12.0 GiB" in lines[9]


def test_the_card_shows_what_it_is_told_as_text():
    html = card_html([Fact("<script>", "a & <b>", share=7.0, level="critical")])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; &lt;b&gt;" in html
    assert "width:100%" in html


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "59 min"), (3900, "1 h 05 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(None, "0 B"), (999, "999 B"), (5000, "5 KiB"), (15 << 30, "15.0 GiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes(count, text):
    assert size(count) == text


class Notebook:
    """What a card sends, and when."""

    def __init__(self, interval_s=0.05):
        self.sent = []
        self.rendered = 0
        self.card = Card(self.publish, self.render, interval_s)

    def render(self):
        self.rendered += 1
        return {"text/plain": f"{self.rendered}"}

    def publish(self, bundle, update):
        self.sent.append((bundle["text/plain"], update, threading.current_thread().name, time.monotonic()))


@pytest.fixture
def notebook():
    made = Notebook()
    yield made
    made.card.close()


def test_a_card_changes_while_a_cell_runs_and_once_after(notebook):
    notebook.card.show()
    notebook.card.cell_began()
    assert wait_until(lambda: len(notebook.sent) >= 4)
    notebook.card.cell_ended()
    assert wait_until(lambda: not notebook.card._is_stale.is_set())
    time.sleep(0.2)
    count = len(notebook.sent)
    time.sleep(0.3)
    assert len(notebook.sent) == count, "an idle kernel is left alone"
    assert [update for _, update, _, _ in notebook.sent] == [False] + [True] * (count - 1)
    assert {thread for _, _, thread, _ in notebook.sent[1:]} == {"vigilo-card"}
    times = [at for _, _, _, at in notebook.sent]
    assert all(later - earlier >= 0.045 for earlier, later in itertools.pairwise(times))


def test_many_short_cells_are_few_changes():
    notebook = Notebook(interval_s=0.5)
    notebook.card.show()
    for _ in range(100):
        notebook.card.cell_began()
        notebook.card.cell_ended()
    assert wait_until(lambda: not notebook.card._is_stale.is_set())
    notebook.card.close()
    assert len(notebook.sent) <= 3


def test_what_is_the_same_is_not_sent_again(notebook):
    notebook.render = dict
    notebook.card._render = lambda: {"text/plain": "same"}
    notebook.card.show()
    notebook.card.cell_began()
    time.sleep(0.3)
    assert len(notebook.sent) == 1


def test_a_card_that_cannot_change_has_no_thread(notebook):
    notebook.card.show(live=False)
    notebook.card.cell_began()
    assert notebook.card._thread is None
    assert len(notebook.sent) == 1


def test_a_closed_card_stays_as_it_is(notebook):
    notebook.card.show()
    notebook.card.cell_began()
    thread = notebook.card._thread
    notebook.card.close()
    assert not thread.is_alive()
