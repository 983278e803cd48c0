"""Masking: e-mail addresses, phone numbers and card numbers leave the process as ``[EMAIL]``, ``[PHONE]``, ``[CARD]``.

Everything here fails closed: what cannot be masked becomes ``[REDACTED]``. Nothing raises.
"""

from __future__ import annotations

from vigilo.policy.mask.clip import mask_clip
from vigilo.policy.mask.messages import mask_json, mask_messages, messages_json, to_json
from vigilo.policy.mask.text import mask

__all__ = ["mask", "mask_clip", "mask_json", "mask_messages", "messages_json", "to_json"]
