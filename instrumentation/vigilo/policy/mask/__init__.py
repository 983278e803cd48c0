"""Masking: personal data and secrets leave the process as tags such as ``[EMAIL]`` and ``[SECRET]``.

Everything here fails closed: what cannot be masked becomes ``[REDACTED]``. Nothing raises.
"""

from __future__ import annotations

from vigilo.policy.mask.clip import mask, mask_clip
from vigilo.policy.mask.messages import mask_json, mask_messages, messages_json, to_json

__all__ = ["mask", "mask_clip", "mask_json", "mask_messages", "messages_json", "to_json"]
