"""A question to a driver, as long as there is hope of an answer."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRIES: Final = 3
PAUSE_S: Final = 600.0
"""What was refused so many times is asked again after this."""
SHORT_PAUSE_S: Final = 10.0
"""The same of what is asked once a second, where a moment's trouble is soon three refusals; twice as long each time."""


class Lost(Exception):  # noqa: N818 - what happened to it
    """The device, or the driver, has to be opened again before it answers; ``code`` of the driver."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class NoAnswer(Exception):  # noqa: N818 - what happened
    """A question was not answered.

    Attributes:
        code: of the driver.
        is_final: it never will be: the device, or the driver, does not know of such a thing.
    """

    def __init__(self, code: int, *, is_final: bool) -> None:
        super().__init__(code)
        self.code, self.is_final = code, is_final


class Question:
    """Something to ask.

    Args:
        ask: gives values by the names of :class:`vigilo.gauges.samples.DeviceSample`'s fields.
        weight: how often it is its turn, beside the others.
        calls: how many of the driver's calls it takes.
        every_s: not asked again sooner.
        pause_s: for how long it is not asked after :data:`TRIES` refusals; doubles up to :data:`PAUSE_S`.

    Attributes:
        answer: to the last asking; empty where there was none.
        asked_in: the last look in which it was asked; long ago where it never was.
    """

    def __init__(
        self,
        ask: Callable[[], Mapping[str, Any]],
        weight: int = 1,
        *,
        calls: int = 1,
        every_s: float = 0.0,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.ask, self.weight, self.calls = ask, weight, calls
        self._every_s, self._pause_s = every_s, pause_s
        self.answer: Mapping[str, Any] = {}
        self.asked_in = -1000
        self._refused, self._not_before_s = 0, float("-inf")

    def may_be_asked(self) -> bool:
        return monotonic() >= self._not_before_s

    def put(self, look: int = 0) -> None:
        """Asks it; what is not answered is nothing. Raises :class:`Lost`."""
        self.asked_in, self.answer = look, {}
        self._not_before_s = monotonic() + self._every_s
        try:
            self.answer = self.ask()
        except NoAnswer as error:
            self.refuse(for_ever=error.is_final)
        else:
            self._refused = 0

    def refuse(self, *, for_ever: bool) -> None:
        """Remembers that it was not answered."""
        self._refused += 1
        if for_ever:
            self._not_before_s = float("inf")
        elif self._refused >= TRIES:
            self._not_before_s = monotonic() + min(PAUSE_S, self._pause_s * 2 ** min(self._refused - TRIES, 16))
