"""vigilo's own guard at the gate, for quotas and pacing; where there are none it costs next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.policy import guard

if TYPE_CHECKING:
    from vigilo.capture.call import Request


class _OwnGuard:
    @property
    def wants_input(self) -> bool:
        """Whether estimates need what is sent to the model."""
        in_force = guard.in_force()
        return in_force is not None and in_force.wants_input

    def __call__(self, request: Request) -> Any:
        in_force = guard.in_force()
        if in_force is None:
            return None
        from vigilo.capture.who import scopes_of

        return in_force.steps(request, scopes_of(request))


OWN_GUARD = _OwnGuard()
