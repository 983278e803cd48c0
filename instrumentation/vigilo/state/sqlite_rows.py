"""The ledger's values as rows of the file, in as few statements as can be."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vigilo.state.ledger import Counter, Rate

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from vigilo.state.ledger import Share
    from vigilo.state.store import Need, Slot

Keyed = TypeVar("Keyed", "Need", "Slot")

_MAX_KEYS: Final = 100
"""Keys in one statement; old versions of SQLite take 999 values, and 500 parts."""
_COUNTER, _RATE, _HOLD, _ENDED = range(4)
# One part a key: SQLite builds a table of its own for `IN`.
_LOAD_META: Final = "SELECT 4, '', rules_version, swept_unix_ns, '', 0 FROM meta"
_LOAD_COUNTER: Final = "SELECT 0, key, used, held, told, forget_unix_s FROM counters WHERE key = ?"
_LOAD_RATE: Final = "SELECT 1, key, full_unix_ns, not_before_unix_ns, seen_unix_ns, 0 FROM rates WHERE key = ?"
_LOAD_HOLD: Final = "SELECT 2, '', send_unix_ns, 0, shares, 0 FROM holds WHERE id = ?"
_LOAD_ENDED: Final = "SELECT 3, '', 0, 0, shares, 0 FROM ended WHERE id = ?"
_SAVE_COUNTERS: Final = (
    "INSERT INTO counters(key, used, held, told, forget_unix_s) VALUES {} ON CONFLICT(key) DO UPDATE "
    "SET used = excluded.used, held = excluded.held, told = excluded.told"
)
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode: Final = json.JSONDecoder().raw_decode


class Rows:
    """What the file has of some counters and rates, and of a hold."""

    __slots__ = ("counters", "ended", "hold", "rates", "rules_version", "swept_unix_ns")

    def __init__(self) -> None:
        self.counters: dict[str, Counter] = {}
        self.rates: dict[str, Rate] = {}
        self.hold: tuple[int, str] | None = None
        """When its call may be sent, and its shares; while it is open."""
        self.ended: str | None = None
        """Of a hold that has ended: what was charged as it expired, or nothing."""
        self.rules_version = self.swept_unix_ns = 0


def load(cursor: sqlite3.Cursor, counters: Sequence[str], rates: Sequence[str] = (), hold_id: str = "") -> Rows:
    """Reads what an operation works on, with one statement."""
    rows = Rows()
    sql = _load_sql(len(counters), len(rates), bool(hold_id))
    values = (*counters, *rates, hold_id, hold_id) if hold_id else (*counters, *rates)
    for kind, key, first, second, third, fourth in cursor.execute(sql, values):
        if kind == _COUNTER:
            told = tuple(map(int, third.split(","))) if third else ()
            rows.counters[key] = Counter(first, second, told, fourth)
        elif kind == _RATE:
            rows.rates[key] = Rate(first, second, third)
        elif kind == _HOLD:
            rows.hold = (first, third)
        elif kind == _ENDED:
            rows.ended = third
        else:
            rows.rules_version, rows.swept_unix_ns = first, second
    return rows


@lru_cache(maxsize=256)
def _load_sql(counters: int, rates: int, hold: bool) -> str:
    parts = [_LOAD_META, *[_LOAD_COUNTER] * counters, *[_LOAD_RATE] * rates]
    if hold:
        parts += [_LOAD_HOLD, _LOAD_ENDED]
    return " UNION ALL ".join(parts)


def load_counters(cursor: sqlite3.Cursor, keys: Collection[str]) -> dict[str, Counter]:
    """Any number of counters; those that there are."""
    counters: dict[str, Counter] = {}
    unread = list(dict.fromkeys(keys))
    while unread:
        counters.update(load(cursor, unread[:_MAX_KEYS]).counters)
        del unread[:_MAX_KEYS]
    return counters


def save_counters(cursor: sqlite3.Cursor, counters: dict[str, Counter]) -> None:
    """Writes counters, also new ones."""
    unwritten = list(counters.items())
    while unwritten:
        some = unwritten[:_MAX_KEYS]
        del unwritten[:_MAX_KEYS]
        values: list[Any] = []
        for key, counter in some:
            told = ",".join(map(str, counter.told)) if counter.told else ""
            values += (key, counter.used, counter.held, told, counter.forget_unix_s)
        cursor.execute(_save_counters_sql(len(some)), values)


@lru_cache(maxsize=256)
def _save_counters_sql(count: int) -> str:
    return _SAVE_COUNTERS.format(", ".join(["(?, ?, ?, ?, ?)"] * count))


def save_rates(cursor: sqlite3.Cursor, rates: dict[str, Rate], before: dict[str, Rate]) -> None:
    """Writes the rates that are not as before."""
    for key, rate in rates.items():
        if before.get(key) != rate:
            cursor.execute("INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?)", (key, *rate))


def storable(text: str) -> str:
    """The text, with half characters written out: SQLite's texts have none."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def storable_keys(values: Sequence[Keyed]) -> Sequence[Keyed]:
    """Needs or slots with keys that can be kept; most often as they are."""
    if all(value.key.isascii() for value in values):
        return values
    return [value._replace(key=storable(value.key)) for value in values]


def shares_text(needs: Sequence[Need]) -> str:
    """``[["tokens|day|global|2026-11-21",120,80]]``: key, amount and charge if lost, as a :class:`Share` has them."""
    return _encode([(need[0], need[1], need[3]) for need in needs])


def shares_of_text(text: str) -> list[Share]:
    """Reads what :func:`shares_text` wrote; lists, which are cheaper to have."""
    shares: list[Share] = _decode(text)[0]
    return shares
