"""Quotas and budgets from code. Rules that are set here are kept in the shared state, for all who share it.

    vigilo.quota.set(metric="requests", limit=100, window="day", user="ada", mode="block")
    vigilo.quota.set(metric="usd", limit=50, window="month", time_zone="Europe/Berlin", mode="block")
    vigilo.quota.status(user="ada")

These functions wait for the shared state, and raise StoreError where it cannot be reached, ConfigError where the
settings are wrong and ValueError where an argument is. Running processes go by a change within a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from typing_extensions import Unpack

    from vigilo.policy.quota.admin import Admin, QuotaRule
    from vigilo.policy.quota.status import QuotaStatus

__all__ = ["Scope", "remove", "reset", "rules", "set", "status"]


class Scope(TypedDict, total=False):
    """Which calls: those with all of these, as ``track`` or the client says them; all calls where none is given.

    ``"*"`` stands for each value by itself. A tag is ``"plan=free"`` or ``{"plan": "free"}``. ``tenant`` says whose
    ``user`` it is; a user may also be given as the pseudonym that telemetry shows.
    """

    user: str | None
    tenant: str | None
    conversation: str | None
    session: str | None
    operation: str | None
    tag: str | Mapping[str, str] | None
    model: str | None
    provider: str | None
    service: str | None


def set(
    *,
    metric: str,
    limit: int | float | str | Decimal,
    window: str = "day",
    mode: str = "observe",
    time_zone: str = "UTC",
    thresholds: Sequence[float] = (0.8, 0.95),
    **scope: Unpack[Scope],
) -> str:
    """Sets a rule, in place of the one about the same calls, metric and window. What is used by now counts.

    Args:
        metric: ``requests``, ``tokens``, ``input_tokens``, ``output_tokens`` or ``usd``.
        limit: calls, tokens or US dollars; 0 lets nothing through.
        window: ``minute``, ``hour``, ``day``, ``week``, ``month`` or ``total``.
        mode: ``observe`` counts, ``warn`` also logs that the limit is passed, ``block`` refuses with QuotaExceeded.
        time_zone: whose midnight begins a day, a week or a month.
        thresholds: shares of the limit, ascending, that are told once a window.
        **scope: as :class:`Scope`.

    Returns:
        The rule's name, such as ``user=u_0123... requests/day``.
    """
    return _admin().set(
        scope, metric=metric, limit=limit, window=window, mode=mode, time_zone=time_zone, thresholds=thresholds
    )


def remove(name: str | None = None, *, metric: str | None = None, window: str = "day", **scope: Unpack[Scope]) -> bool:
    """Takes out a rule that was set, by its name or by what it is about; False where there is none.

    Rules of ``vigilo.toml`` and of personal mode stay: set one of mode ``observe`` in their place.
    """
    if metric is not None and name is None:
        return _admin().remove_about(metric, window, scope)
    if name is None or metric is not None or scope:
        raise ValueError("say either the name of a rule, or its `metric`, `window` and scope")
    return _admin().remove(name)


def rules() -> list[QuotaRule]:
    """The rules in force: those that were set, those of ``vigilo.toml``, those of personal mode."""
    return _admin().shown()


def status(**scope: Unpack[Scope]) -> list[QuotaStatus]:
    """How much is used of each rule that a call of such a scope counts for, those about all calls included.

    Without a scope: of every rule that names its values, since of one with ``*`` each value has a count of its own.
    """
    return _admin().status(scope)


def reset(*, metric: str | None = None, window: str | None = None, **scope: Unpack[Scope]) -> int:
    """Sets to 0 what is used now of the rules about exactly this scope; of those about all calls without one.

    What calls under way hold stays held, and thresholds are told again. Windows that are over stay as they were.

    Returns:
        How many counters were set to 0.
    """
    return _admin().reset(scope, metric, window)


def _admin() -> Admin:
    from vigilo.policy.quota import admin  # loads what an app without quotas never needs

    return admin.Admin()
