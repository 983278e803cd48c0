"""Personal mode: what every user may have a day, where nobody says otherwise for that user."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from vigilo.policy.quota.rules import make_rule

if TYPE_CHECKING:
    from vigilo.policy.quota.rules import Rule

TOKENS_A_DAY: Final = 10_000
REQUESTS_A_DAY: Final = 100


@cache
def personal_rules() -> tuple[Rule, ...]:
    """Tokens and requests of each user, from midnight to midnight UTC, told at 80 % and refused at the limit.

    A rule of the user's own, of the same metric and window, takes the place of one of these.
    """
    return tuple(
        make_rule(metric=metric, limit=limit, window="day", mode="block", source="personal", user="*")
        for metric, limit in (("tokens", TOKENS_A_DAY), ("requests", REQUESTS_A_DAY))
    )
