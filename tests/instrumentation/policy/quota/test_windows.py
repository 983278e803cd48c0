import sys
import zoneinfo
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vigilo.policy.quota.windows import window_at, zone

HOUR = 3600
KINDS = ("minute", "hour", "day", "week", "month")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "America/Toronto",
    "Africa/Cairo",
    "Africa/Monrovia",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Antarctica/Troll",
)


def at(text: str) -> float:
    """Unix time of an ISO time with its offset."""
    return datetime.fromisoformat(text).timestamp()


@given(st.integers(0, 4_000_000_000), st.sampled_from(KINDS), st.sampled_from(ZONES))
@example(int(at("2011-12-30T10:00:00+00:00")), "day", "Pacific/Apia")  # a day that there was not
@example(int(at("2011-12-30T09:59:59+00:00")), "day", "Pacific/Apia")
@example(int(at("2006-10-29T02:30:00+00:00")), "day", "America/St_Johns")  # put back at 00:01, to the day before
@example(int(at("2026-04-04T15:10:00+00:00")), "hour", "Australia/Lord_Howe")  # put back by half an hour
def test_windows_tile_time(unix_s, kind, name):
    window = window_at(kind, unix_s, name)

    assert window.begins_unix_s <= unix_s < window.ends_unix_s
    assert window_at(kind, window.begins_unix_s, name) == window
    assert window_at(kind, window.ends_unix_s - 1, name) == window
    following = window_at(kind, window.ends_unix_s, name)
    assert following.begins_unix_s == window.ends_unix_s
    assert following.label != window.label
    assert window_at(kind, window.begins_unix_s - 1, name).ends_unix_s == window.begins_unix_s


@given(st.integers(0, 4_000_000_000), st.sampled_from(ZONES), st.data())
def test_a_window_is_the_same_whichever_was_asked_for_before(unix_s, name, data):
    kind = data.draw(st.sampled_from(KINDS))
    first = window_at(kind, unix_s, name)
    window_at(kind, data.draw(st.integers(0, 4_000_000_000)), name)

    assert window_at(kind, unix_s, name) == first


@given(st.dates(date(1971, 1, 1), date(2090, 1, 1)), st.times(), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_a_day_has_its_date_and_a_month_its_first(day, time, name):
    unix_s = datetime.combine(day, time, ZoneInfo(name)).timestamp()
    today = datetime.fromtimestamp(unix_s, ZoneInfo(name)).date()

    assert window_at("day", unix_s, name).label.startswith(today.isoformat())
    assert window_at("month", unix_s, name).label.startswith(f"{today:%Y-%m}")
    monday = date.fromisoformat(window_at("week", unix_s, name).label[:10])
    assert monday.weekday() == 0
    assert timedelta(0) <= today - monday < timedelta(7)


@pytest.mark.parametrize(
    ("kind", "label", "resets_at"),
    [
        ("minute", "2026-11-21T23:59", "2026-11-22T00:00:00+00:00"),
        ("hour", "2026-11-21T23:00", "2026-11-22T00:00:00+00:00"),
        ("day", "2026-11-21", "2026-11-22T00:00:00+00:00"),
        ("week", "2026-11-16", "2026-11-23T00:00:00+00:00"),
        ("month", "2026-11", "2026-12-01T00:00:00+00:00"),
    ],
)
def test_utc_windows_are_labelled_with_their_start(kind, label, resets_at):
    window = window_at(kind, at("2026-11-21T23:59:59.999+00:00"))

    assert window.label == label
    assert window.resets_at is not None
    assert window.resets_at.isoformat() == resets_at


def test_a_total_never_ends():
    window = window_at("total", at("2026-11-21T12:00:00+00:00"), "Europe/Berlin")

    assert (window.label, window.ends_unix_s, window.resets_at) == ("", 0, None)
    assert window_at("total", 0) == window


@pytest.mark.parametrize(
    ("name", "instant", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00:00+02:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00+01:00", 25),
        ("Europe/Berlin", "2026-10-26T12:00:00+01:00", 24),
        ("America/Sao_Paulo", "2018-11-04T12:00:00-02:00", 23),  # 00:00 is 01:00
        ("America/Sao_Paulo", "2018-02-17T12:00:00-02:00", 25),  # 24:00 is 23:00
        ("Africa/Cairo", "2026-04-24T12:00:00+03:00", 23),
        ("Asia/Beirut", "2026-03-29T12:00:00+03:00", 23),
        ("America/Havana", "2026-11-01T12:00:00-05:00", 25),  # 00:00 comes twice
        ("Australia/Lord_Howe", "2026-04-05T12:00:00+10:30", 24.5),
    ],
)
def test_days_on_which_clocks_change(name, instant, hours):
    window = window_at("day", at(instant), name)

    assert (window.ends_unix_s - window.begins_unix_s) / HOUR == hours
    assert window.label == f"{instant[:10]}@{name}"


def test_a_day_without_a_midnight_begins_when_the_clocks_were_put_forward():
    window = window_at("day", at("2018-11-04T12:00:00-02:00"), "America/Sao_Paulo")

    assert window.begins_unix_s == at("2018-11-04T01:00:00-02:00") == at("2018-11-04T00:00:00-03:00")


def test_a_day_begins_at_the_change_where_that_is_before_midnight():
    # In 1919 Toronto's clocks were put forward at 23:30, over midnight.
    window = window_at("day", at("1919-03-31T12:00:00-04:00"), "America/Toronto")

    assert datetime.fromtimestamp(window.begins_unix_s, ZoneInfo("America/Toronto")).isoformat()[:16] in (
        "1919-03-31T00:30",
        "1919-03-31T00:00",
    )
    assert window_at("day", window.begins_unix_s - 1, "America/Toronto").label.startswith("1919-03-30")


def test_a_repeated_hour_is_two_windows():
    first = window_at("hour", at("2026-10-25T02:30:00+02:00"), "Europe/Berlin")
    second = window_at("hour", at("2026-10-25T02:30:00+01:00"), "Europe/Berlin")

    assert first.label == "2026-10-25T02:00+02:00"
    assert second.label == "2026-10-25T02:00+01:00"
    assert first.ends_unix_s == second.begins_unix_s


def test_hours_of_half_hour_zones_are_those_of_their_clocks():
    window = window_at("hour", at("2026-11-21T12:10:00+00:00"), "Asia/Kolkata")

    assert window.label == "2026-11-21T17:00+05:30"
    assert window.begins_unix_s == at("2026-11-21T17:00:00+05:30")


@pytest.mark.parametrize(
    ("instant", "days"), [("2024-02-10", 29), ("2026-02-10", 28), ("2026-12-31", 31), ("2100-02-28", 28)]
)
def test_months_have_their_days(instant, days):
    window = window_at("month", datetime.fromisoformat(f"{instant}T23:59:59+00:00").timestamp())

    assert window.ends_unix_s - window.begins_unix_s == days * 24 * HOUR


def test_a_clock_that_is_put_back_is_in_the_earlier_window_again():
    before = window_at("day", at("2026-11-21T23:59:59+00:00"))
    after = window_at("day", at("2026-11-22T00:00:01+00:00"))

    assert window_at("day", at("2026-11-21T23:59:58+00:00")) == before != after


def test_midnight_is_that_of_the_zone():
    window = window_at("day", at("2026-11-21T23:30:00+00:00"), "Europe/Berlin")

    assert window.label == "2026-11-22@Europe/Berlin"
    assert window.resets_at == datetime(2026, 11, 23, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "Europe", "\0"])
def test_an_unknown_zone_is_named(name):
    with pytest.raises(ValueError, match="is no time zone; they are named like 'Europe/Berlin'"):
        zone(name)


def test_a_system_without_a_database_of_zones_is_told_what_to_install(monkeypatch, tmp_path):
    for name in ("tzdata", "tzdata.zoneinfo", "tzdata.zoneinfo.Europe"):
        monkeypatch.setitem(sys.modules, name, None)
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        with pytest.raises(ValueError, match="pip install tzdata"):
            zone("Europe/Vaduz")
        assert zone("UTC") is timezone.utc
    finally:
        zoneinfo.reset_tzpath()
