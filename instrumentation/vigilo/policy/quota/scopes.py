"""What a call counts for: the user, the conversation and so on, as rules name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from vigilo.policy.identities import told_id, told_label, told_tag, told_user
from vigilo.policy.mask.labels import mask_label
from vigilo.policy.pseudonym import is_pseudonym

if TYPE_CHECKING:
    from vigilo.settings import Settings

DIMENSIONS: Final = ("user", "conversation", "session", "operation", "tag", "model", "provider", "service")
"""What a rule may be about; one about none of them is global."""
ANY: Final = "*"
"""Of a dimension: each value has a counter of its own."""

Scopes: TypeAlias = Mapping[str, tuple[str, ...]]
"""The values of a call by dimension, as telemetry has them: users are pseudonyms. A call may have several tags,
``key=value`` each; of other dimensions it has one value, or none."""


def value_of(dimension: str, value: str, settings: Settings, tenant: str = "") -> str:
    """A value of a rule's scope, as the telemetry of the calls has it; ``*`` stays.

    Args:
        dimension: one of :data:`DIMENSIONS`.
        value: as the app gives it to ``track``, or as telemetry shows it: a pseudonym stays one.
        settings: of the app.
        tenant: whose user it is; the one in the settings where it is empty.
    """
    if value == ANY:
        return value
    if dimension == "user":
        return value if is_pseudonym(value) else told_user(value, tenant, settings)
    if dimension in ("conversation", "session"):
        return value if is_pseudonym(value) else told_id(value, settings)
    if dimension == "tag":
        name, _, text = value.partition("=")
        return told_tag(name, text, settings)
    if dimension == "operation":
        return told_label(value, settings)
    return mask_label(value) if dimension == "model" else value
