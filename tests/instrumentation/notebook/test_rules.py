from __future__ import annotations

from pathlib import Path

import pytest

from vigilo.notebook import rules
from vigilo.notebook.drive import Drive
from vigilo.notebook.heartbeat import Restart
from vigilo.notebook.limits import Limit
from vigilo.notebook.storage import Area

GB = 10**9
TWELVE_HOURS = Limit(43_200, "documented")


@pytest.mark.parametrize(
    ("remaining_s", "level"),
    [(1801, ""), (1800, "watch"), (601, "watch"), (600, "warn"), (180, "critical"), (0, "critical")],
)
def test_session(remaining_s, level):
    assert rules.session(remaining_s, TWELVE_HOURS).level == level


def test_session_without_a_limit():
    assert rules.session(None, Limit()).level == ""


def test_session_leads_grow_with_the_time_that_a_checkpoint_takes():
    assert rules.session(3601, TWELVE_HOURS, save_s=600).level == "watch"
    assert rules.session(3600, TWELVE_HOURS, save_s=600).level == "warn"
    assert rules.session(1800, TWELVE_HOURS, save_s=600).level == "critical"


def test_words_say_where_the_limit_comes_from():
    assert "at most 12 h" in rules.session(60, TWELVE_HOURS).message
    assert "about 9 h" in rules.session(60, Limit(32_400, "reported")).message
    assert "(it may last 1 h 30 min)" in rules.session(60, Limit(5400, "setting")).message
    assert "can end at any moment" in rules.session(0, TWELVE_HOURS).message


@pytest.mark.parametrize(("minutes", "level"), [(29, ""), (30, "watch"), (60, "warn"), (80, "critical")])
def test_idle(minutes, level):
    alert = rules.idle(minutes * 60, Limit(5400, "reported"))
    assert (alert.level, alert.save) == (level, level in ("warn", "critical"))


@pytest.mark.parametrize(
    ("left_s", "level"), [(7201, ""), (7200, "watch"), (1800, "warn"), (600, "critical"), (-5, "critical")]
)
def test_quota(left_s, level):
    assert rules.quota("gpu", 108_000 - left_s, Limit(108_000, "api")).level == level


@pytest.mark.parametrize(
    ("used", "level"), [(15.9, ""), (16, "watch"), (18, "warn"), (19.5, "critical"), (30, "critical")]
)
def test_output(used, level):
    area = Area("output", Path("/kaggle/working"), int(used * GB), Limit(20 * GB, "documented"))
    alert = rules.storage(area)
    assert (alert.kind, alert.level) == ("output", level)


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (26, 100, ""),
        (15, 100, "watch"),
        (9, 100, "warn"),
        (2.9, 100, "critical"),
        (30, 2000, ""),
        (3, 12, "watch"),
        (1, 12, "warn"),
        (0.5, 12, "critical"),
    ],
)
def test_disk(free, total, level):
    limit = Limit(total * GB, "measured")
    alert = rules.storage(Area("ephemeral", Path("/content"), 0, limit, int(free * GB)))
    assert (alert.kind, alert.level) == ("disk", level)


def test_room_in_drive_asks_for_no_checkpoint():
    alert = rules.storage(Area("drive", Path("/content/drive"), 0, Limit(15 * GB, "measured"), 0))
    assert (alert.kind, alert.level, alert.save) == ("drive_space", "critical", False)


def test_drive():
    mounted = Drive("mounted", Path("/content/drive/MyDrive"))
    assert rules.drive(Drive(), late=False, was_mounted=False).level == ""
    assert rules.drive(mounted, late=False, was_mounted=True).level == ""
    assert rules.drive(Drive(), late=False, was_mounted=True).level == "warn"
    assert rules.drive(mounted, late=True, was_mounted=True).level == "warn"
    assert rules.drive(Drive("dead"), late=True, was_mounted=False).level == "critical"


def test_internet():
    assert [rules.internet(up, was_up=True).level for up in (None, True, False)] == ["", "", "warn"]
    assert rules.internet(False, was_up=False).level == "watch"


def test_accelerator():
    alert = rules.accelerator_changed(["Tesla T4", "Tesla T4"], [])
    assert "was Tesla T4 and Tesla T4 and is now none" in alert.message


def test_restarts():
    assert rules.restarted(Restart("machine", 60)).level == "watch"
    assert rules.restarted(Restart("kernel", 60, expected=True)).level == "watch"
    assert rules.restarted(Restart("kernel", 60)).level == "warn"
    assert "memory ran out" in rules.restarted(Restart("kernel", 60, memory_ran_out=True)).message


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0 s"), (59.4, "59 s"), (95, "1 min 35 s"), (39_600, "11 h"), (39_660, "11 h 1 min")]
)
def test_in_words(seconds, words):
    assert rules.in_words(seconds) == words
