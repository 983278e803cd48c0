"""For whom and for what a call is made, as the attributes that tell it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.context import current
from vigilo.policy.mask.labels import mask_label
from vigilo.policy.pseudonym import load_key, user_pseudonym

if TYPE_CHECKING:
    from vigilo.capture.call import Request
    from vigilo.policy.quota.scopes import Scopes
    from vigilo.settings import Settings


def who(settings: Settings, request: Request) -> dict[str, Any]:
    """What ``track`` blocks and the incoming request say of a call, and the conversation that the call itself names.

    User ids become pseudonyms unless the user wants them plain. Other ids do where they hold something that is masked:
    its tag would make one conversation of many. Labels are masked.
    """
    tracked = current()
    if tracked is None:
        conversation = _id(request.conversation_id, settings)
        return {} if conversation is None else {semconv.CONVERSATION_ID: conversation}
    known = {
        semconv.USER_ID: tracked.user if tracked.user_is_pseudonym else _user(tracked.user, tracked.tenant, settings),
        semconv.CONVERSATION_ID: _id(tracked.conversation or request.conversation_id, settings),
        semconv.SESSION_ID: _id(tracked.session, settings),
        semconv.VIGILO_OPERATION: _label(tracked.operation, "", settings),
        semconv.VIGILO_TAGS: [_tag(name, value, settings) for name, value in tracked.tags.items()] or None,
    }
    return {name: value for name, value in known.items() if value is not None}


def conversation_of(request: Request) -> str | None:
    """The id of the conversation as the app knows it: never for telemetry."""
    tracked = current()
    return (tracked and tracked.conversation) or request.conversation_id


def scopes_of(request: Request) -> Scopes:
    """What a call counts for, with the same values as its telemetry has."""
    raise NotImplementedError


def _user(user: str | None, tenant: str | None, settings: Settings) -> str | None:
    if user is None or settings.user_ids == "plain":
        return user
    return _pseudonym(user, tenant or settings.tenant, settings)


def _id(text: str | None, settings: Settings) -> str | None:
    if text is None or settings.content == "full" or mask_label(text) == text:
        return text
    return _pseudonym(text, "", settings)


def _label(text: str | None, context: str, settings: Settings) -> str | None:
    return text if text is None or settings.content == "full" else mask_label(text, context)


def _tag(name: str, value: str, settings: Settings) -> str:
    return f"{_label(name, '', settings)}={_label(value, f'{name}: ', settings)}"


@lru_cache(maxsize=4096)
def _pseudonym(text: str, tenant: str, settings: Settings) -> str:
    return user_pseudonym(text, load_key(settings.home), tenant)
