"""Masks labels: short texts of the app that say what a call is, and that metrics are grouped by."""

from __future__ import annotations

from functools import lru_cache

from vigilo.errors import report_internal
from vigilo.policy.mask.clip import mask_clip_or_raise
from vigilo.policy.mask.spans import REDACTED

LABEL_MAX_CHARS = 512


def mask_label(text: str, context: str = "") -> str:
    """A label, masked; nearly all come many times, so the answer is remembered, which takes 0.2 us.

    Never raises: what cannot be masked becomes ``[REDACTED]``, which is not remembered.

    Args:
        text: a model's name, an operation, the value of a tag.
        context: what stands before it, such as the name of the tag.
    """
    try:
        return _remembered(text, context)
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking a label", error)
        return REDACTED


@lru_cache(maxsize=8192)
def _remembered(text: str, context: str) -> str:
    return mask_clip_or_raise(text, LABEL_MAX_CHARS, context)
