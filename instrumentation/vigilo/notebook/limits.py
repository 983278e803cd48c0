"""What a platform lets a session use, each limit with a label of where the number comes from.

None of them is promised by anybody, so each has a setting. Sources, November 2026:
Colab's FAQ (12 hours "at most"), users of Colab (idle), cloud.google.com/colab (Enterprise), kaggle.com/docs/notebooks
(sessions, output), users of Kaggle (9 hours with a GPU, 30 and 20 hours a week, idle).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigilo.notebook.platform import Platform
    from vigilo.settings import Settings

HOUR_S = 3600.0
GB = 10**9


@dataclass(frozen=True)
class Limit:
    """A limit, None where there is none or none is known.

    Attributes:
        value: seconds or bytes.
        source: ``setting``, ``api`` (the platform told it), ``documented`` (by the platform, as the most one gets),
            ``reported`` (by users), ``measured`` (on this machine), ``none``.
    """

    value: float | None = None
    source: str = "none"


NONE = Limit()


def session_limit(platform: Platform, accelerator: str, settings: Settings) -> Limit:
    """Seconds that a session may last. ``accelerator``: gpu, tpu or none."""
    if settings.session_limit_s > 0:
        return Limit(settings.session_limit_s, "setting")
    if not platform.managed:
        return NONE
    if platform.name == "kaggle":
        # The documents give 12 hours with a GPU too; sessions that ended after 9 are reported, and too early a
        # warning costs less than none.
        return {"none": Limit(12 * HOUR_S, "documented"), "tpu": Limit(9 * HOUR_S, "documented")}.get(
            accelerator, Limit(9 * HOUR_S, "reported")
        )
    return Limit((18 if platform.variant == "enterprise" else 12) * HOUR_S, "documented")


def idle_limit(platform: Platform, settings: Settings) -> Limit:
    """Seconds without a running cell after which the platform may end the session."""
    if settings.idle_limit_s > 0:
        return Limit(settings.idle_limit_s, "setting")
    if not platform.managed or platform.variant == "batch":
        return NONE
    if platform.variant == "enterprise":
        return Limit(3 * HOUR_S, "documented")
    return Limit((40 if platform.name == "kaggle" else 90) * 60.0, "reported")


def quota_limit(platform: Platform, accelerator: str, settings: Settings) -> Limit:
    """Seconds of an accelerator a week, as far as the platform itself does not tell them."""
    if settings.accelerator_quota_s > 0:
        return Limit(settings.accelerator_quota_s, "setting")
    if platform.name == "kaggle":
        return Limit((20 if accelerator == "tpu" else 30) * HOUR_S, "reported")
    return NONE


def output_limit(platform: Platform, settings: Settings) -> Limit:
    """Bytes that are kept of a session's output."""
    if settings.output_limit_bytes > 0:
        return Limit(settings.output_limit_bytes, "setting")
    return Limit(20 * GB, "documented") if platform.name == "kaggle" else NONE
