"""Counters, holds, rates and rules in Redis, for processes on several machines. Needs Redis 5 or newer.

Reserving is one Lua script, settling another. All keys have the namespace as their hash tag, so that they are together
in one slot of a cluster; several namespaces spread over it. The time is Redis'. A Redis that throws keys away when it
is full (``maxmemory-policy``) would forget what was used: ``noeviction`` is right.
"""

from __future__ import annotations

import os
import struct
import time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from vigilo.state.ledger import (
    COUNTER_KEPT_MIN_S,
    COUNTER_KEPT_S,
    LOST_KEPT_S,
    SECOND_NS,
    SETTLED_KEPT_S,
    SWEEP_EVERY_S,
)
from vigilo.state.redis_link import Link
from vigilo.state.redis_script import Script
from vigilo.state.store import Count, Refused, Reserved, Settlement
from vigilo.tallies import EXPIRED_HOLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vigilo.state.store import Need, Slot

READ_AT_ONCE: Final = 500
MAX_TOLD: Final = 32
"""Levels that are remembered of a counter."""


class RedisStore:
    """A :class:`vigilo.state.store.Store` in Redis.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with user and password where there are some.
        namespace: who shares; the hash tag of all keys.
        timeout_ms: bound of each answer, and of waiting for a connection.

    Raises:
        ConfigError: the URL is wrong; the message does not show it.
        MissingExtraError: redis-py is not installed.
    """

    def __init__(self, url: str, namespace: str = "vigilo", timeout_ms: int = 50) -> None:
        if not namespace or "{" in namespace or "}" in namespace:
            raise ValueError(f"{namespace!r} is no namespace: it is not empty and has no braces")
        self._link = Link(url, namespace, timeout_ms / 1000)
        self.rules_version = 0
        tag = f"{{{namespace}}}"
        self._rules, self._version, self._due = f"{tag}:rules", f"{tag}:rules:version", f"{tag}:holds"
        self._hold, self._counter, self._rate = f"{tag}:hold:", f"{tag}:counter:", f"{tag}:rate:"
        self._clock_offset_s = time.time() - _steady_s()
        self._swept_s = _steady_s()

    def reserve(
        self, hold_id: str, needs: Sequence[Need], slots: Sequence[Slot] = (), *, hold_s: float = 0.0
    ) -> Reserved | Refused:
        if not needs and not slots:
            return Reserved(())
        keys: list[str | bytes] = [self._version, self._hold + hold_id]
        keys += [self._counter + need.key for need in needs]
        keys += [self._rate + slot.key for slot in slots]
        keys.append(self._due)
        # Who asks: sent again because the answer was lost, it is the same question and gets the same answer.
        asker = int.from_bytes(os.urandom(6), "big")
        numbers = [self._may_sweep(), int(hold_s * 1_000_000), len(needs), len(slots), asker]
        for _, amount, limit, charge_if_lost, levels, expires_unix_s in needs:
            numbers += (amount, -1 if limit is None else max(limit, 0), charge_if_lost, expires_unix_s, len(levels))
            numbers += levels
        for _, interval_ns, burst, max_wait_ns in slots:
            numbers += (interval_ns, burst, max_wait_ns)
        args = [_packed(numbers)]
        answer, due = self._ask("reserve", keys, args)
        if due:
            self._expire(due)
            if not answer[0]:
                answer, _ = self._ask("reserve", keys, args)
        if answer[0]:
            return Reserved(*_counts_and_fired(answer[2:], len(needs)), answer[1])
        _, need, used, held, slot, wait_ns = answer
        return Refused(need if need >= 0 else None, Count(used, held), slot if slot >= 0 else None, wait_ns)

    def settle(self, hold_id: str, needs: Sequence[Need], amounts: Sequence[int]) -> Settlement:
        if len(needs) != len(amounts):
            raise ValueError(f"{len(amounts)} amounts for {len(needs)} needs")
        if not needs:
            return Settlement(())
        keys: list[str | bytes] = [self._version, self._hold + hold_id]
        keys += [self._counter + need.key for need in needs]
        keys.append(self._due)
        numbers = [self._may_sweep(), len(needs)]
        for need, amount in zip(needs, amounts, strict=True):
            numbers += (amount, need.expires_unix_s, len(need.levels), *need.levels)
        answer, due = self._ask("settle", keys, [_packed(numbers)])
        if due:
            self._expire(due)
        return Settlement(*_counts_and_fired(answer, len(needs)))

    def sweep(self) -> int:
        expired = 0
        _, due = self._ask("read", [self._version, self._due], ["read"])
        while due:
            count, rest = self._expire(due)
            expired += count
            if rest == due:
                break
            due = rest
        return expired

    def read(self, keys: Sequence[str]) -> list[Count]:
        return self._read("read", keys)

    def reset(self, keys: Sequence[str]) -> None:
        self._read("reset", keys)

    def push_back(self, slot_key: str, until_unix_ns: int) -> None:
        until = list(map(str, divmod(until_unix_ns, SECOND_NS)))
        self._ask("push_back", [self._version, self._rate + slot_key], until)

    def rules(self) -> Mapping[str, str]:
        _, words = self._ask("rules", [self._version, self._rules], ["get"])
        texts = [word.decode("utf-8", "surrogatepass") for word in words]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def put_rule(self, name: str, rule: str) -> None:
        self._ask("rules", [self._version, self._rules], ["put", name, rule])

    def drop_rule(self, name: str) -> bool:
        answer, _ = self._ask("rules", [self._version, self._rules], ["drop", name])
        return bool(answer[0])

    def now_unix_s(self) -> float:
        return _steady_s() + self._clock_offset_s

    def close(self) -> None:
        self._link.close()

    def _read(self, what: str, keys: Sequence[str]) -> list[Count]:
        counts: list[Count] = []
        for first in range(0, len(keys), READ_AT_ONCE):
            some = [self._counter + key for key in keys[first : first + READ_AT_ONCE]]
            answer, due = self._ask("read", [self._version, self._due, *some], [what])
            if due and self._may_sweep():
                self._expire(due)
                answer, _ = self._ask("read", [self._version, self._due, *some], [what])
            counts += _counts_and_fired(answer, len(some))[0]
        return counts

    def _may_sweep(self) -> bool:
        now_s = _steady_s()
        if now_s - self._swept_s < SWEEP_EVERY_S:
            return False
        self._swept_s = now_s
        return True

    def _expire(self, holds: Sequence[bytes]) -> tuple[int, list[bytes]]:
        """Charges holds that expired; how many there were, and which others are due."""
        keys: list[str | bytes] = [self._version, self._due, *holds]
        _, counters = self._ask("expire", keys, [str(len(holds)), "look"])
        answer, due = self._ask("expire", [*keys, *counters], [str(len(holds)), "charge"])
        if answer[0]:
            EXPIRED_HOLDS.add(answer[0])
        return answer[0], due

    def _ask(
        self, name: str, keys: Sequence[str | bytes], args: Sequence[str | bytes]
    ) -> tuple[list[int], list[bytes]]:
        """The numbers of the answer, and the keys or words behind them; takes note of the time and the rules."""
        answered = self._link.run(_script(name), keys, args)
        packed, words = (answered, []) if isinstance(answered, bytes) else answered
        now_us, self.rules_version, *answer = map(int, struct.unpack(f"<{len(packed) // 8}d", packed))
        self._clock_offset_s = now_us / 1_000_000 - _steady_s()
        return answer, words


def _steady_clock() -> Callable[[], float]:
    """A clock that nobody sets, and that goes on while the machine sleeps where there is one."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic if boot_time is None else lambda: time.clock_gettime(boot_time)


_steady_s: Final = _steady_clock()


def _packed(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def _counts_and_fired(answer: Sequence[int], needs: int) -> tuple[tuple[Count, ...], tuple[tuple[int, int], ...]]:
    pairs = list(zip(answer[::2], answer[1::2], strict=True))
    return tuple(Count(*pair) for pair in pairs[:needs]), tuple(pairs[needs:])


@cache
def _script(name: str) -> Script:
    def text(part: str) -> str:
        return (files("vigilo.state") / f"redis_{part}.lua").read_text("utf-8")

    kept: dict[str, Any] = {
        "settled_s": SETTLED_KEPT_S,
        "lost_s": LOST_KEPT_S,
        "counter_s": COUNTER_KEPT_S,
        "counter_min_s": COUNTER_KEPT_MIN_S,
        "levels": MAX_TOLD,
    }
    table = ", ".join(f"{word} = {value}" for word, value in kept.items())
    return Script(f"local kept = {{{table}}}\n{text('common')}\n{text(name)}")
