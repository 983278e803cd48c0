"""What is asked before a call and told after it: quotas and pacing, in one atomic step over all that applies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from vigilo.capture.call import Request
    from vigilo.policy.pause import Pause
    from vigilo.policy.quota.scopes import Scopes


class Settled(NamedTuple):
    """What there is to tell of a call that has ended: attributes of its span, and events of it by name."""

    attributes: Mapping[str, Any]
    events: Sequence[tuple[str, Mapping[str, Any]]]


class Guard:
    """The quotas and the pacing of this process."""

    @property
    def wants_input(self) -> bool:
        """Whether a rule counts tokens or costs, so that an estimate needs what is sent to the model."""
        raise NotImplementedError

    def steps(self, request: Request, scopes: Scopes) -> Generator[Pause, None, Any]:
        """Waits for the call's turn and reserves what it may use.

        Raises:
            QuotaExceeded: a rule refuses it.
            RateLimited: its turn would come too late.
        """
        raise NotImplementedError


def in_force() -> Guard | None:
    """The guard of this process; None where there is neither a rule nor pacing."""
    return None
