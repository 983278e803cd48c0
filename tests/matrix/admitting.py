"""A guard at the gate that lets all calls pass, and notes how each one ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.policy.guard import Settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vigilo.capture.call import Request, Response


class Admitted:
    """One call that was let pass."""

    takes_over_retries = False

    def __init__(self, request: Request) -> None:
        self.request = request
        self.ends: list[tuple[Response | None, BaseException | None]] = []

    @property
    def sent(self) -> bool:
        """Whether it was sent: one that was taken back has neither an answer nor an error."""
        return self.ends != [(None, None)]

    def answered(self, headers: Any) -> None:
        pass

    def again(self, error: BaseException, attempts: int, retries: int) -> Iterator[Any]:
        return False
        yield

    def settle(
        self, request: Request, response: Response | None, cost_usd: float | None, error: BaseException | None
    ) -> Settled:
        assert request.operation == self.request.operation
        self.ends.append((response, error))
        return Settled({}, ())


class AdmittingGuard:
    """Takes part in no decision."""

    wants_input = True

    def __init__(self) -> None:
        self.admitted: list[Admitted] = []

    def __call__(self, request: Request) -> Iterator[Any]:
        admitted = Admitted(request)
        self.admitted.append(admitted)
        return admitted
        yield
