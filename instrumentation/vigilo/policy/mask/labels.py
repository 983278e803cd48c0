"""Masks labels: short texts of the app that say what a call is, and that metrics are grouped by."""

from __future__ import annotations

from functools import lru_cache

from vigilo.policy.mask.clip import mask_clip

LABEL_MAX_CHARS = 512


@lru_cache(maxsize=8192)
def mask_label(text: str, context: str = "") -> str:
    """A label, masked; nearly all come many times, so the answer is remembered, which takes 0.1 us.

    Args:
        text: a model's name, an operation, the value of a tag.
        context: what stands before it, such as the name of the tag.
    """
    return mask_clip(text, LABEL_MAX_CHARS, context)
