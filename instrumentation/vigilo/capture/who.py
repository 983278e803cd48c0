"""For whom and for what a call is made, as the attributes that tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.context import current
from vigilo.policy.identities import told_id, told_label, told_tag, told_user

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
        conversation = request.conversation_id
        return {} if conversation is None else {semconv.CONVERSATION_ID: told_id(conversation, settings)}
    user, conversation = tracked.user, tracked.conversation or request.conversation_id
    known: dict[str, Any] = {}
    if user is not None:
        known[semconv.USER_ID] = user if tracked.user_is_pseudonym else told_user(user, tracked.tenant, settings)
    if conversation is not None:
        known[semconv.CONVERSATION_ID] = told_id(conversation, settings)
    if tracked.session is not None:
        known[semconv.SESSION_ID] = told_id(tracked.session, settings)
    if tracked.operation is not None:
        known[semconv.VIGILO_OPERATION] = told_label(tracked.operation, settings)
    if tracked.tags:
        known[semconv.VIGILO_TAGS] = [told_tag(name, value, settings) for name, value in tracked.tags.items()]
    return known


def conversation_of(request: Request) -> str | None:
    """The id of the conversation as the app knows it: never for telemetry."""
    tracked = current()
    return (tracked and tracked.conversation) or request.conversation_id


def scopes_of(request: Request) -> Scopes:
    """What a call counts for, with the same values as its telemetry has."""
    raise NotImplementedError
