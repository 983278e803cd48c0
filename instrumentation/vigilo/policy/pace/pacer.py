"""Pacing: per-minute limits, and the rate that each provider, model and key takes."""

from __future__ import annotations

import os
import time
import weakref
from typing import TYPE_CHECKING, Final

from vigilo import semconv
from vigilo.policy.pace.breaker import Breaker
from vigilo.policy.pace.lane import Lane, LaneKey, lane_key
from vigilo.policy.pace.paced import Paced

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.capture.call import Request
    from vigilo.policy.quota.scopes import Scopes
    from vigilo.settings import Settings
    from vigilo.state.store import Store

_MINUTE_NS: Final = 60_000_000_000
MAX_LANES: Final = 1000
"""Providers, models and keys whose rates are known; the one that was found first is forgotten for a new one."""

_pacers: Final[weakref.WeakSet[Pacer]] = weakref.WeakSet()


class Pacer:
    """The pacing of one process.

    Args:
        settings: those of the app.
        store: where rates are shared.
        clock: seconds, never set back.
    """

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self.clock = clock
        self.max_wait_s = settings.pace_max_wait_s
        self.adaptive = settings.pace_adaptive
        self._user = _per_minute(settings.pace_user_per_minute)
        self._global = _per_minute(settings.pace_global_per_minute)
        self._lanes: dict[LaneKey, Lane] = {}
        self._breakers: dict[str, Breaker] = {}
        _pacers.add(self)

    def begin(self, request: Request, scopes: Scopes) -> Paced:
        """The pacing of one call that is about to be sent."""
        limits: list[tuple[str, str, str, tuple[int, int]]] = []
        users = scopes.get("user")
        user = users[0] if users else ""
        if self._user is not None and user:
            limits.append(("user", f"user={user}", f"pace|user|{user}", self._user))
        if self._global is not None:
            limits.append(("global", "global", "pace|global", self._global))
        return Paced(self, self._lane(request) if self.adaptive else None, user, limits)

    def rates(self) -> list[tuple[float, dict[str, str]]]:
        """The rates that were found, calls a second, with their labels; keys of one model are summed up."""
        now_s = self.clock()
        sums: dict[tuple[str, str, str], float] = {}
        for lane in list(self._lanes.values()):
            if (rate := lane.rate.per_s(now_s)) is not None:
                labels = (lane.key.provider, lane.key.model, lane.key.server)
                sums[labels] = sums.get(labels, 0.0) + rate
        return [
            (rate, {semconv.PROVIDER_NAME: provider, semconv.REQUEST_MODEL: model, semconv.SERVER_ADDRESS: server})
            for (provider, model, server), rate in sums.items()
        ]

    def circuit_changed(self, breaker: Breaker) -> None:
        """Has everybody who waits for this server see whether that still makes sense."""
        for lane in list(self._lanes.values()):
            if lane.breaker is breaker:
                lane.turns.rouse(float("inf"))

    def _lane(self, request: Request) -> Lane:
        key = lane_key(request)
        lane = self._lanes.get(key)
        if lane is not None:
            return lane
        if len(self._lanes) >= MAX_LANES:
            for known, old in list(self._lanes.items()):
                if old.turns.idle:
                    self._lanes.pop(known, None)
                    break
        breaker = self._breakers.get(key.server)
        if breaker is None:
            if len(self._breakers) >= MAX_LANES:
                self._breakers.clear()
            breaker = self._breakers.setdefault(key.server, Breaker())
        return self._lanes.setdefault(key, Lane(key, breaker))

    def _after_fork_in_child(self) -> None:
        # Who waits there, or tries a server out, is in the parent. What was learnt of the providers is learnt anew.
        self._lanes = {}
        self._breakers = {}


def _per_minute(limit: int) -> tuple[int, int] | None:
    """Interval and burst; a minute's calls may come at once."""
    return (_MINUTE_NS // limit, limit) if limit else None


def _after_fork_in_child() -> None:
    for pacer in list(_pacers):
        pacer._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
