"""Users, other ids and labels as telemetry has them, which is also how rules and the shared state name them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vigilo.policy.mask.labels import mask_label
from vigilo.policy.pseudonym import load_key, user_pseudonym

if TYPE_CHECKING:
    from vigilo.settings import Settings


def told_user(user: str, tenant: str | None, settings: Settings) -> str:
    """The pseudonym of a user id of the app, unless the settings want ids plain."""
    return user if settings.user_ids == "plain" else _pseudonym(user, tenant or settings.tenant, settings)


def told_id(text: str, settings: Settings) -> str:
    """The id of a conversation or a session: a pseudonym where it holds something that is masked.

    The tag that stands for a masked value would make one conversation of many.
    """
    if settings.content == "full" or mask_label(text) == text:
        return text
    return _pseudonym(text, "", settings)


def told_label(text: str, settings: Settings, context: str = "") -> str:
    """A label, masked; ``context`` is what stands before it, such as the name of a tag."""
    return text if settings.content == "full" else mask_label(text, context)


def told_tag(name: str, value: str, settings: Settings) -> str:
    """``name=value``, both masked."""
    return f"{told_label(name, settings)}={told_label(value, settings, f'{name}: ')}"


@lru_cache(maxsize=4096)
def _pseudonym(text: str, tenant: str, settings: Settings) -> str:
    return user_pseudonym(text, load_key(settings.home), tenant)
