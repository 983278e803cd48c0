"""What a call counts for: the user, the conversation and so on, as rules name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

DIMENSIONS: Final = ("user", "conversation", "session", "operation", "tag", "model", "provider", "service")
"""What a rule may be about; one about none of them is global."""

Scopes: TypeAlias = Mapping[str, tuple[str, ...]]
"""The values of a call by dimension, as telemetry has them: users are pseudonyms. A call may have several tags,
``key=value`` each; of other dimensions it has one value, or none."""
