"""What is looked at in the background for a session: Drive, disks, the internet, Kaggle's quota, what outlives it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from vigilo.notebook.accelerator import Accelerator, look_at_accelerator
from vigilo.notebook.carried import Carried
from vigilo.notebook.drive import Drive, look_at_drive
from vigilo.notebook.internet import internet_up
from vigilo.notebook.kaggle_quota import PATIENCE_S, ask_kaggle
from vigilo.notebook.ledger import WEEK_S, week_began_s
from vigilo.notebook.limits import output_limit
from vigilo.notebook.looks import Look
from vigilo.notebook.storage import disk, ephemeral, output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vigilo.gauges.samples import DeviceSample
    from vigilo.notebook.carried import Kept
    from vigilo.notebook.heartbeat import Beat
    from vigilo.notebook.kaggle_quota import Quota
    from vigilo.notebook.place import Place
    from vigilo.notebook.platform import Platform
    from vigilo.notebook.storage import Area
    from vigilo.settings import Settings

WAIT_S = 2.0
"""How long one look may take before it counts as late."""
INTERNET_WAIT_S = 5.0
STEADY_S = 15.0
"""How long another accelerator, or none, must be seen before it counts: a driver may be slow to open or to answer."""


class _Told(NamedTuple):
    """What Kaggle answered, and when: by the clock that nobody sets, and in seconds since 1970."""

    quotas: Sequence[Quota]
    monotonic_s: float
    wall_s: float

    def week_ends_s(self, quota: Quota) -> float:
        """Until when it holds, in seconds since 1970."""
        resets_at_s = quota.resets_at_s or 0.0
        return resets_at_s if resets_at_s > self.wall_s else week_began_s(self.wall_s) + WEEK_S


class Observed:
    """The last answers. Reading them takes no time; :meth:`look` asks anew what is due.

    Args:
        place, settings, platform: where, with what limits.
        gpus: what the samplers of GPUs see; None: the snapshot that this process shares.
        wait_s: the patience with each.
    """

    def __init__(
        self,
        place: Place,
        settings: Settings,
        platform: Platform,
        gpus: Callable[[], Sequence[DeviceSample]] | None = None,
        wait_s: float = WAIT_S,
    ) -> None:
        self._place, self._settings, self._platform, self._gpus = place, settings, platform, gpus
        self.carried = Carried(place, settings, platform)
        self.accelerator = Accelerator()
        self.settled = False
        """Whether that is so for certain."""
        self._seen: Accelerator | None = None
        self._seen_since_s = 0.0
        self._beat: Beat | None = None

        def every(every_s: float, what: str, ask: Callable[[], Any], patience_s: float = wait_s) -> Look[Any]:
            return Look(what, ask, every_s=every_s, patience_s=patience_s, monotonic_s=place.monotonic_s)

        self._drive: Look[Drive] = every(30, "looking at Drive", lambda: look_at_drive(place))
        self._room: Look[Area | None] = every(300, "looking at the room in Drive", self._room_in_drive)
        self._internet: Look[bool] = every(60, "looking for the internet", lambda: internet_up(place), INTERNET_WAIT_S)
        self._disks: Look[list[Area]] = every(60, "looking at the disks", self._areas_on_disk)
        self._quota: Look[_Told | None] = every(900, "asking Kaggle", self._ask_kaggle, PATIENCE_S)
        self._kept: Look[Kept | None] = every(300, "keeping the heartbeat", self._keep)

    @property
    def drive(self) -> Drive:
        """Drive, as slow while it does not answer."""
        drive = self._drive.last or Drive()
        return Drive("slow", None, drive.last_timeout) if self._drive.late else drive

    @property
    def internet(self) -> bool | None:
        """Whether it is reached; None where nobody has looked."""
        return False if self._internet.late else self._internet.last

    @property
    def areas(self) -> list[Area]:
        """Places for files."""
        room = self._room.last if self.drive.mounted else None
        return [*(self._disks.last or ()), *((room,) if room is not None else ())]

    @property
    def quotas(self) -> Sequence[Quota]:
        """What Kaggle told of this week, with what this session has used since; empty where it told nothing."""
        told = self._quota.last
        if told is None:
            return ()
        since_s, now_s = self._place.monotonic_s() - told.monotonic_s, self._place.wall_s()
        return [
            replace(one, used_s=one.used_s + (since_s if one.accelerator == self.accelerator.type else 0.0))
            for one in told.quotas
            if now_s < told.week_ends_s(one)
        ]

    @property
    def kept(self) -> Kept | None:
        """What was found of earlier sessions; None before it was looked for."""
        return self._kept.last

    def look(self, wait_s: float) -> None:
        """Asks what is due, and waits so many seconds at the most for all answers."""
        self._look_at_accelerator()
        until_s = time.monotonic() + wait_s  # threads take real time, in a simulation too
        asked: list[Look[Any]] = [self._disks]
        if self._platform.name == "colab":
            asked.append(self._drive)
        if self._platform.managed:
            asked.append(self._internet)
        if self._platform.name == "kaggle":
            asked.append(self._quota)
        for look in asked:
            look.answer()
        for look in asked:
            look.answer(max(0.0, until_s - time.monotonic()))
        if self.drive.mounted:
            self._room.answer(max(0.0, until_s - time.monotonic()))

    def keep(self, beat: Beat, wait_s: float, *, now: bool = False) -> None:
        """Leaves a sign of life: for the kernel at once, for the next machine every few minutes, or now."""
        self.carried.beat(beat)
        if not self.settled:
            return
        self._beat = beat
        if now and not self.drive.mounted:
            self._kept.last = self._keep()  # here, on a disk that answers: the interpreter may take no more threads
            return
        if now:
            self._kept.soon()
        self._kept.answer(wait_s)

    def _look_at_accelerator(self) -> None:
        seen, now_s = look_at_accelerator(self._place, self._gpus), self._place.monotonic_s()
        if seen != self._seen:
            self._seen, self._seen_since_s = seen, now_s
        if now_s - self._seen_since_s >= STEADY_S or (seen.devices and not self.settled):
            self.accelerator, self.settled = seen, True
        elif not self.settled:
            self.accelerator = seen

    def _ask_kaggle(self) -> _Told | None:
        quotas = ask_kaggle(self._place)
        # A question that nobody answers takes nothing back.
        return _Told(quotas, self._place.monotonic_s(), self._place.wall_s()) if quotas else self._quota.last

    def _keep(self) -> Kept | None:
        beat, last, drive = self._beat, self._kept.last, self.drive
        if beat is None or drive.state in ("slow", "dead"):
            return last
        kept = self.carried.keep(beat, self.accelerator.type, drive.path)
        if last is None or week_began_s(last.at_s) != week_began_s(kept.at_s):
            return kept
        # Where Drive was taken away meanwhile, what it told of other sessions still holds.
        others_s = {name: max(seconds, kept.others_s.get(name, 0.0)) for name, seconds in last.others_s.items()}
        return replace(kept, others_s={**kept.others_s, **others_s})

    def _room_in_drive(self) -> Area | None:
        path = self.drive.path
        return disk(self._place, "drive", path) if path is not None else None

    def _areas_on_disk(self) -> list[Area]:
        limit = output_limit(self._platform, self._settings)
        kept = output(self._place, limit) if self._platform.name == "kaggle" else None
        return [area for area in (ephemeral(self._place, self._platform), kept) if area is not None]
