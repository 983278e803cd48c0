"""What is over: holds that nobody settles, and what nobody asks about any more. A bounded piece of work at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vigilo.state import ledger
from vigilo.state.ledger import LOST_KEPT_S, SECOND_NS
from vigilo.state.owner import is_dead
from vigilo.state.sqlite_rows import load_counters, save_counters, shares_of_text

if TYPE_CHECKING:
    import sqlite3

MAX_HOLDS: Final = 500
"""Holds that expire in one sweep."""
_MAX_FORGOTTEN: Final = 500
_LOOKED_THROUGH: Final = 1000
_MAX_PAGES: Final = 20


class Sweeper:
    """Sweeps, and knows where it was: tables of which little is over are looked through a piece at a time."""

    def __init__(self) -> None:
        self._after = {"ended": "", "rates": ""}

    def sweep(self, cursor: sqlite3.Cursor, now_unix_ns: int, own: str) -> int:
        """Charges up to :data:`MAX_HOLDS` expired holds; returns how many. ``own``: this process as an owner."""
        cursor.execute("UPDATE meta SET swept_unix_ns = ?", (now_unix_ns,))
        expired = _expire_holds(cursor, now_unix_ns, own)
        now_unix_s = now_unix_ns // SECOND_NS
        cursor.execute(
            "DELETE FROM counters WHERE rowid IN "
            "(SELECT rowid FROM counters WHERE forget_unix_s > 0 AND forget_unix_s < ? LIMIT ?)",
            (now_unix_s, _MAX_FORGOTTEN),
        )
        self._look_through(cursor, "ended", "id", "forget_unix_s", now_unix_s)
        self._look_through(cursor, "rates", "key", "max(full_unix_ns, not_before_unix_ns, seen_unix_ns)", now_unix_ns)
        return expired

    def _look_through(self, cursor: sqlite3.Cursor, table: str, key: str, over: str, now: int) -> None:
        """Goes on through a table for as long as much of it is over."""
        for _ in range(_MAX_PAGES):
            rows = cursor.execute(
                f"SELECT {key}, {over} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?",  # noqa: S608 - own names
                (self._after[table], _LOOKED_THROUGH),
            ).fetchall()
            past = [(name,) for name, over_at in rows if over_at < now]
            cursor.executemany(f"DELETE FROM {table} WHERE {key} = ?", past)  # noqa: S608 - own names
            self._after[table] = rows[-1][0] if len(rows) == _LOOKED_THROUGH else ""
            if 4 * len(past) < _LOOKED_THROUGH:
                return


def _expire_holds(cursor: sqlite3.Cursor, now_unix_ns: int, own: str) -> int:
    owners = [name for (name,) in cursor.execute("SELECT DISTINCT owner FROM holds") if name != own]
    dead = [name for name in owners if is_dead(name)][:MAX_HOLDS]
    marks = ", ".join("?" * len(dead))
    holds = cursor.execute(
        f"SELECT id, shares FROM holds WHERE expires_unix_ns <= ? OR owner IN ({marks}) LIMIT ?",  # noqa: S608 - marks
        (now_unix_ns, *dead, MAX_HOLDS),
    ).fetchall()
    if not holds:
        return 0
    shares = [(hold_id, text, shares_of_text(text)) for hold_id, text in holds]
    counters = load_counters(cursor, [key for _, _, some in shares for key, _, _ in some])
    for _, _, some in shares:
        ledger.expire(counters, some)
    save_counters(cursor, counters)
    cursor.executemany("DELETE FROM holds WHERE id = ?", [(hold_id,) for hold_id, _ in holds])
    forget_unix_s = now_unix_ns // SECOND_NS + LOST_KEPT_S
    cursor.executemany(
        "INSERT OR REPLACE INTO ended VALUES (?, ?, ?)", [(hold_id, forget_unix_s, text) for hold_id, text in holds]
    )
    return len(holds)
