"""Shared state in a file: exact between the processes of one machine, without a server.

Each operation is one transaction that takes the write lock at its start.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from vigilo.state import ledger
from vigilo.state.ledger import NOTHING, SECOND_NS, SETTLED_KEPT_S, SWEEP_EVERY_S
from vigilo.state.owner import owner
from vigilo.state.sqlite_link import SqliteLink
from vigilo.state.sqlite_rows import (
    load,
    load_counters,
    save_counters,
    save_rates,
    shares_of_text,
    shares_text,
    storable,
    storable_keys,
)
from vigilo.state.sqlite_sweep import MAX_HOLDS, Sweeper
from vigilo.state.store import Count, Refused, Reserved, Settlement
from vigilo.tallies import EXPIRED_HOLDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from vigilo.state.store import Need, Slot

_MAX_KNOWN: Final = 1000
_SWEEP_EVERY_NS: Final = int(SWEEP_EVERY_S * SECOND_NS)
_HOLD: Final = (
    "INSERT OR IGNORE INTO holds SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM ended WHERE ended.id = ?)"
)


class SqliteStore(SqliteLink):
    """A :class:`vigilo.state.store.Store` in a file, made at the first write. One connection a process, on demand.

    Args:
        path: of the file; made for its owner only, with its folder.
        contention_s: how long to try while other processes keep the file locked.
        now_unix_ns: the clock.
    """

    def __init__(self, path: Path, contention_s: float = 1.0, *, now_unix_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(path, contention_s)
        self._now_unix_ns = now_unix_ns
        self.rules_version = 0
        self._sweeper = Sweeper()
        self._known: dict[str, Count] = {}
        """Counters as they were told last, for settlements that are put off."""

    def reserve(
        self, hold_id: str, needs: Sequence[Need], slots: Sequence[Slot] = (), *, hold_s: float = 0.0
    ) -> Reserved | Refused:
        needs, slots = storable_keys(needs), storable_keys(slots)
        keys = [need.key for need in needs]
        expired = 0

        def work(cursor: sqlite3.Cursor) -> Reserved | Refused:
            nonlocal expired
            now_ns = self._now_unix_ns()
            slot_keys = [slot.key for slot in slots]
            rows = load(cursor, keys, slot_keys)
            # A clock that was set back must not put sweeping off.
            if not 0 <= now_ns - rows.swept_unix_ns < _SWEEP_EVERY_NS:
                expired = self._sweeper.sweep(cursor, now_ns, owner())
                rows = load(cursor, keys, slot_keys)
            self.rules_version = rows.rules_version
            rates = dict(rows.rates)
            answer = ledger.reserve(rows.counters, rows.rates, needs, slots, now_ns)
            if keys:
                if not isinstance(answer, Reserved):
                    earlier = _earlier(cursor, hold_id, keys, now_ns)
                elif self._hold(cursor, hold_id, needs, now_ns, hold_s, answer.wait_ns):
                    save_counters(cursor, rows.counters)
                    earlier = None
                else:
                    earlier = _earlier(cursor, hold_id, keys, now_ns)
                if earlier is not None:
                    return earlier
            if slots:
                save_rates(cursor, rows.rates, rates)
            return answer

        answer = self._do(work)
        if expired:
            EXPIRED_HOLDS.add(expired)
        if isinstance(answer, Reserved):
            self._know(keys, answer.counts)
        return answer

    def _hold(
        self, cursor: sqlite3.Cursor, hold_id: str, needs: Sequence[Need], now_ns: int, hold_s: float, wait_ns: int
    ) -> bool:
        """Notes the hold; False where there is or was one of that id."""
        expires_ns = now_ns + int(hold_s * SECOND_NS)
        row = (hold_id, expires_ns, now_ns + wait_ns, owner(), shares_text(needs), hold_id)
        return cursor.execute(_HOLD, row).rowcount == 1

    def settle(self, hold_id: str, needs: Sequence[Need], amounts: Sequence[int]) -> Settlement:
        needs = storable_keys(needs)
        keys = [need.key for need in needs]

        def work(cursor: sqlite3.Cursor) -> Settlement:
            rows = load(cursor, keys, (), hold_id)
            self.rules_version = rows.rules_version
            counters = rows.counters
            if rows.hold is not None:
                shares = shares_of_text(rows.hold[1])
                _add_missing(cursor, counters, shares)
                ledger.take_back_held(counters, shares)
                cursor.execute("DELETE FROM holds WHERE id = ?", (hold_id,))
            elif rows.ended:
                shares = shares_of_text(rows.ended)
                _add_missing(cursor, counters, shares)
                ledger.take_back_charged(counters, shares)
            elif rows.ended is not None:
                return Settlement(tuple(_count(counters, key) for key in keys))
            now_ns = self._now_unix_ns()
            settled = ledger.settle(counters, needs, amounts, now_ns)
            forget_unix_s = now_ns // SECOND_NS + SETTLED_KEPT_S
            cursor.execute("INSERT OR REPLACE INTO ended VALUES (?, ?, '')", (hold_id, forget_unix_s))
            save_counters(cursor, counters)
            return settled

        if len(needs) != len(amounts):
            raise ValueError(f"{len(amounts)} amounts for {len(needs)} needs")
        if not needs:
            return Settlement(())
        try:
            settled = self._do_or_put_off(work)
        except Exception:
            if not sys.is_finalizing():
                raise
            settled = None  # the hold expires
        if settled is None:
            return Settlement(tuple(self._guess(need, amount) for need, amount in zip(needs, amounts, strict=True)))
        self._know(keys, settled.counts)
        return settled

    def sweep(self) -> int:
        total = 0
        while self._is_there():
            expired = self._do(lambda cursor: self._sweeper.sweep(cursor, self._now_unix_ns(), owner()))
            if expired:
                EXPIRED_HOLDS.add(expired)
            total += expired
            if expired < MAX_HOLDS:
                break
        return total

    def read(self, keys: Sequence[str]) -> list[Count]:
        if not self._is_there():
            return [NOTHING] * len(keys)
        keys = [storable(key) for key in keys]
        counters = self._do(lambda cursor: load_counters(cursor, keys), writes=False)
        return [_count(counters, key) for key in keys]

    def reset(self, keys: Sequence[str]) -> None:
        def work(cursor: sqlite3.Cursor) -> None:
            cursor.executemany(
                "UPDATE counters SET used = 0, told = '' WHERE key = ?", [(storable(key),) for key in keys]
            )

        if self._is_there():
            self._do_or_put_off(work)

    def push_back(self, slot_key: str, until_unix_ns: int) -> None:
        def work(cursor: sqlite3.Cursor) -> None:
            key = storable(slot_key)
            rates = load(cursor, (), [key]).rates
            before = dict(rates)
            ledger.push_back(rates, key, until_unix_ns, self._now_unix_ns())
            save_rates(cursor, rates, before)

        self._do_or_put_off(work)

    def rules(self) -> Mapping[str, str]:
        if not self._is_there():
            self.rules_version = 0
            return {}

        def work(cursor: sqlite3.Cursor) -> dict[str, str]:
            # One statement, so that the version is that of these rules.
            rows = cursor.execute("SELECT rules_version, name, rule FROM meta LEFT JOIN rules ORDER BY name")
            rules: dict[str, str] = {}
            for version, name, rule in rows:
                self.rules_version = version
                if name is not None:
                    rules[name] = rule
            return rules

        return self._do(work, writes=False)

    def put_rule(self, name: str, rule: str) -> None:
        def work(cursor: sqlite3.Cursor) -> None:
            cursor.execute("INSERT OR REPLACE INTO rules VALUES (?, ?)", (storable(name), storable(rule)))
            self._rules_changed(cursor)

        self._do(work)

    def drop_rule(self, name: str) -> bool:
        def work(cursor: sqlite3.Cursor) -> bool:
            if not cursor.execute("DELETE FROM rules WHERE name = ?", (storable(name),)).rowcount:
                return False
            self._rules_changed(cursor)
            return True

        return self._is_there() and self._do(work)

    def _rules_changed(self, cursor: sqlite3.Cursor) -> None:
        # By the clock, so that no version comes back in a file that is made anew.
        ((version,),) = cursor.execute("SELECT rules_version FROM meta").fetchall()
        self.rules_version = max(version + 1, self._now_unix_ns() // 1_000_000)
        cursor.execute("UPDATE meta SET rules_version = ?", (self.rules_version,))

    def now_unix_s(self) -> float:
        return self._now_unix_ns() / SECOND_NS

    def _know(self, keys: Sequence[str], counts: Sequence[Count]) -> None:
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()
        self._known.update(zip(keys, counts, strict=True))

    def _guess(self, need: Need, amount: int) -> Count:
        known = self._known.get(need.key, NOTHING)
        return Count(known.used + amount, max(0, known.held - need.amount))


def _count(counters: Mapping[str, ledger.Counter], key: str) -> Count:
    counter = counters.get(key)
    return NOTHING if counter is None else counter.count


def _earlier(cursor: sqlite3.Cursor, hold_id: str, keys: Sequence[str], now_ns: int) -> Reserved | None:
    """What was answered when this hold was asked for the first time, as it is now."""
    rows = load(cursor, keys, (), hold_id)
    if rows.hold is None and rows.ended is None:
        return None
    wait_ns = max(0, rows.hold[0] - now_ns) if rows.hold is not None else 0
    return Reserved(tuple(_count(rows.counters, key) for key in keys), (), wait_ns)


def _add_missing(cursor: sqlite3.Cursor, counters: dict[str, ledger.Counter], shares: Sequence[ledger.Share]) -> None:
    """Counters that a hold has and the settlement does not name."""
    if missing := [key for key, _, _ in shares if key not in counters]:
        counters.update(load_counters(cursor, missing))
