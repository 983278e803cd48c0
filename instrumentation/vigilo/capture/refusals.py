"""What there is to tell of a call that a quota or the pacing refused: who refused it, and no content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.errors import QuotaExceeded, RateLimited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vigilo.errors import VigiloError


def told_of(refusal: VigiloError) -> tuple[dict[str, Any], dict[str, Mapping[str, Any]]]:
    """The attributes and the events, by name, of the span of a call that failed with one of vigilo's own errors."""
    if isinstance(refusal, QuotaExceeded):
        rule = f"{refusal.scope} {refusal.metric}/{refusal.window}"
        told = {
            semconv.QUOTA_RULE: rule,
            semconv.QUOTA_METRIC: refusal.metric,
            semconv.QUOTA_LIMIT: float(refusal.limit),
            semconv.QUOTA_USED: float(refusal.used),
        }
        return {semconv.QUOTA_REFUSED_BY: rule}, {semconv.QUOTA_REFUSED_EVENT: told}
    if isinstance(refusal, RateLimited):
        return {semconv.PACE_LIMITED_BY: refusal.reason}, {}
    return {}, {}
