"""The gate: what may refuse a call or have it wait, asked once a call, right before its first byte is sent.

A guard that lets a call pass may leave an admission: it is asked again before each further attempt, and told once how
the call ended. Guards that wait are generators of pauses, which sync and async callers wait out each in their own way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from vigilo.capture.guarding import OWN_GUARD
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vigilo.capture.call import Request, Response
    from vigilo.policy.pause import Pause

Result = TypeVar("Result")
Steps: TypeAlias = "Generator[Pause, None, Result]"


class Settled(Protocol):
    """What there is to tell of a call that has ended: attributes of its span, and events of it."""

    @property
    def attributes(self) -> Mapping[str, Any]: ...

    @property
    def events(self) -> Sequence[tuple[str, Mapping[str, Any]]]: ...


class Admission(Protocol):
    """What a guard keeps of a call that it let pass."""

    @property
    def takes_over_retries(self) -> bool:
        """Whether the SDK is to make one attempt only: :meth:`again` decides about further ones."""
        ...

    def answered(self, headers: Any) -> None:
        """An attempt got its answer, of any status; ``headers``: httpx's, or any mapping."""

    def again(self, error: BaseException, attempts: int, retries: int) -> Steps[bool]:
        """After an attempt failed: whether it is made again, once its turn has come.

        ``attempts``: made so far; ``retries``: how many the app allows the SDK.
        """
        ...

    def settle(
        self, request: Request, response: Response | None, cost_usd: float | None, error: BaseException | None
    ) -> Settled:
        """The call has ended. Called once; never raises.

        ``response``: None where nothing came back. Where there is no ``error`` either, nothing was sent: another guard
        refused the call.
        """
        ...


Guard: TypeAlias = "Callable[[Request], Steps[Admission | None] | object]"
"""Looks at a call that is about to be sent; what it raises, the app gets, and nothing is sent."""

_guards: tuple[Guard, ...] = (OWN_GUARD,)


def add_guard(guard: Guard) -> None:
    """Asks ``guard`` before each call from now on, after the ones that are there. Adding it again changes nothing."""
    global _guards
    if guard not in _guards:
        _guards = (*_guards, guard)


def remove_guard(guard: Guard) -> None:
    """Asks ``guard`` no more."""
    global _guards
    _guards = tuple(kept for kept in _guards if kept != guard)


def wants_input() -> bool:
    """Whether a guard looks at what is sent to the model, which is read then even where content is off."""
    for guard in _guards:  # noqa: SIM110 - half the time of `any`, on each call
        if getattr(guard, "wants_input", False):
            return True
    return False


def admit(request: Request) -> tuple[Admission, ...]:
    """Asks every guard, and waits in this thread for as long as they say.

    Raises:
        Exception: the first refusal, as the guard raised it.
    """
    admitted: tuple[Admission, ...] = ()
    try:
        for guard in _guards:
            steps = guard(request)
            if steps is not None and isinstance(steps, Generator) and (admission := run(steps)) is not None:
                admitted += (admission,)
    except BaseException:
        _take_back(admitted, request)
        raise
    return admitted


async def admit_async(request: Request) -> tuple[Admission, ...]:
    """As :func:`admit`, waiting in this task."""
    admitted: tuple[Admission, ...] = ()
    try:
        for guard in _guards:
            steps = guard(request)
            if steps is not None and isinstance(steps, Generator) and (admission := await run_async(steps)) is not None:
                admitted += (admission,)
    except BaseException:
        _take_back(admitted, request)
        raise
    return admitted


def admit_late(request: Request) -> tuple[Admission, ...]:
    """As :func:`admit`, of a call that cannot be stopped any more: guards that refuse it, or have it wait, are left."""
    admitted: tuple[Admission, ...] = ()
    for guard in _guards:
        try:
            steps = guard(request)
            if isinstance(steps, Generator):
                next(steps)
                steps.close()
        except StopIteration as end:
            if end.value is not None:
                admitted += (end.value,)
        except Exception:  # noqa: BLE001, S112 - a refusal, or a guard that fails: the call is under way
            continue
    return admitted


async def ask(request: Request) -> None:
    """Asks every guard about something that uses nothing by itself, such as the opening of a session.

    Raises:
        Exception: the first refusal, as the guard raised it.
    """
    _take_back(await admit_async(request), request)


def _take_back(admitted: tuple[Admission, ...], request: Request) -> None:
    for admission in admitted:
        with internal_errors("taking back an admission"):
            admission.settle(request, None, None, None)


def run(steps: Steps[Result]) -> Result:
    """Goes through steps, waiting in this thread; steps that are left early are closed."""
    try:
        while True:
            try:
                pause = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            pause.block()
    finally:
        steps.close()


async def run_async(steps: Steps[Result]) -> Result:
    """As :func:`run`, waiting in this task."""
    try:
        while True:
            try:
                pause = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            await pause.suspend()
    finally:
        steps.close()
