"""The windows that rules count in: which one an instant lies in, its label, and when it ends.

Windows of a kind tile time: each begins where the one before it ends. A day, a week and a month begin at the first
instant that has the date; an hour and a minute end where the clocks change, so that a repeated hour is two windows.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

UTC: Final = "UTC"
_SECONDS: Final = {"minute": 60, "hour": 3600}
_NEVER: Final = 2**53
"""Unix time, s, of what does not end."""


class Window(NamedTuple):
    """``label`` tells it from all others of its kind and zone, and goes into the keys of counters.

    ``ends_unix_s`` is the first second that is no longer in it; 0 for ``total``, which does not end.
    """

    label: str
    begins_unix_s: int
    ends_unix_s: int
    time_zone: str

    @property
    def resets_at(self) -> datetime | None:
        """When it ends, in its time zone; None for ``total``."""
        return datetime.fromtimestamp(self.ends_unix_s, zone(self.time_zone)) if self.ends_unix_s else None


TOTAL: Final = Window("", -_NEVER, 0, UTC)
_current: Final[dict[tuple[str, str], Window]] = {}
"""The window asked for last, by kind and zone: rules name few of them, so this stays small."""


def window_at(kind: str, unix_s: float, time_zone: str = UTC) -> Window:
    """The window of a kind (``minute`` ... ``month``, ``total``) that an instant lies in.

    Raises:
        ValueError: there is no such time zone.
    """
    known = _current.get((kind, time_zone))
    if known is not None and known.begins_unix_s <= unix_s < known.ends_unix_s:
        return known
    if kind == "total":
        return TOTAL
    where = zone(time_zone)
    if kind in _SECONDS:
        window = _by_the_clock(_SECONDS[kind], int(unix_s // 1), where, time_zone)
    else:
        window = _by_the_date(kind, int(unix_s // 1), where, time_zone)
    _current[kind, time_zone] = window
    return window


@cache
def _zone(name: str) -> tzinfo:
    if name == UTC:
        return timezone.utc
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        if not available_timezones():
            raise ValueError("there is no database of time zones on this system: pip install tzdata") from None
        raise ValueError(f"{name!r} is no time zone; they are named like 'Europe/Berlin'") from None


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name.

    Raises:
        ValueError: there is none of that name, or the system has no database of them; says what to do.
    """
    return _zone(name)


def _by_the_clock(length_s: int, unix_s: int, where: tzinfo, time_zone: str) -> Window:
    """A minute or an hour: what has the same one on a clock that was not changed meanwhile."""
    offset_s = _offset_s(unix_s, where)
    begins = unix_s - (unix_s + offset_s) % length_s
    ends = begins + length_s
    if _offset_s(begins, where) != offset_s:
        begins = _first(begins, unix_s, lambda second: _offset_s(second, where) == offset_s)
    if _offset_s(ends - 1, where) != offset_s:
        ends = _first(unix_s, ends, lambda second: _offset_s(second, where) != offset_s)
    begun = datetime.fromtimestamp(begins, where)
    label = begun.isoformat(timespec="seconds" if begun.second else "minutes")
    return Window(label.removesuffix("+00:00") if time_zone == UTC else label, begins, ends, time_zone)


def _by_the_date(kind: str, unix_s: int, where: tzinfo, time_zone: str) -> Window:
    """A day, a week or a month. A date that comes back, where midnight is put back, has begun for good."""
    day = _begin(kind, datetime.fromtimestamp(unix_s, where).date())
    while _midnight(after := _next(kind, day), where) <= unix_s:
        day = after
    while (begins := _midnight(day, where)) > unix_s:
        day = _begin(kind, day - timedelta(days=1))
    label = day.isoformat()[:7] if kind == "month" else day.isoformat()
    suffix = "" if time_zone == UTC else f"@{time_zone}"
    return Window(label + suffix, begins, _midnight(_next(kind, day), where), time_zone)


def _begin(kind: str, day: date) -> date:
    if kind == "day":
        return day
    return day.replace(day=1) if kind == "month" else day - timedelta(days=day.weekday())


def _next(kind: str, day: date) -> date:
    if kind == "month":
        return (day + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=7 if kind == "week" else 1)


def _midnight(day: date, where: tzinfo) -> int:
    """The first second that has this date or a later one."""
    local = datetime(day.year, day.month, day.day, tzinfo=where)
    first, second = int(local.timestamp()), int(local.replace(fold=1).timestamp())
    if first <= second:
        return first  # of two midnights the earlier one
    # There is no midnight: the clocks are put forward over it, somewhere between what it would be before and after.
    return _first(second, first, lambda unix_s: datetime.fromtimestamp(unix_s, where).date() >= day)


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The first second after ``low`` for which it holds; it does for ``high``, and not for ``low``."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _offset_s(unix_s: int, where: tzinfo) -> int:
    offset = datetime.fromtimestamp(unix_s, where).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
