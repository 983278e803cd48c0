"""For whom and for what a call is made, as the attributes that tell it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from opentelemetry.trace import get_tracer_provider

from vigilo import semconv
from vigilo.capture.context import current
from vigilo.policy.identities import told_id, told_label, told_tag, told_user
from vigilo.policy.mask.labels import mask_label
from vigilo.settings import app_settings

if TYPE_CHECKING:
    from vigilo.capture.call import Request
    from vigilo.policy.quota.scopes import Scopes
    from vigilo.settings import Settings

_SERVICE_NAME = "service.name"
_UNKNOWN_SERVICE = "unknown_service"
"""What OpenTelemetry's SDK has where nobody said one."""
_known: tuple[Any, str | None] | None = None
"""The name of the service, and the provider that it was asked for."""


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
    settings = app_settings()
    scopes = _scopes(settings, request.conversation_id)
    scopes["provider"] = (request.provider,)
    if request.model:
        scopes["model"] = (mask_label(request.model),)
    return scopes


def scopes_here() -> Scopes:
    """What any call that is made here counts for."""
    return _scopes(app_settings(), None)


def _scopes(settings: Settings, conversation: str | None) -> dict[str, tuple[str, ...]]:
    tracked = current()
    scopes: dict[str, tuple[str, ...]] = {}
    if (service := _service()) is not None:
        scopes["service"] = (service,)
    conversation = (tracked and tracked.conversation) or conversation
    if conversation is not None:
        scopes["conversation"] = (told_id(conversation, settings),)
    if tracked is None:
        return scopes
    if (user := tracked.user) is not None:
        scopes["user"] = (user if tracked.user_is_pseudonym else told_user(user, tracked.tenant, settings),)
    if tracked.session is not None:
        scopes["session"] = (told_id(tracked.session, settings),)
    if tracked.operation is not None:
        scopes["operation"] = (told_label(tracked.operation, settings),)
    if tracked.tags:
        scopes["tag"] = tuple(told_tag(name, value, settings) for name, value in tracked.tags.items())
    return scopes


def _service() -> str | None:
    """The name of the service as the global provider's telemetry has it, or else as the environment says."""
    global _known
    provider = get_tracer_provider()
    if _known is None or _known[0] is not provider:
        _known = (provider, _service_of(provider))
    return _known[1]


def _service_of(provider: Any) -> str | None:
    resource = getattr(provider, "resource", None)
    if resource is not None:
        name = resource.attributes.get(_SERVICE_NAME)
        return name if isinstance(name, str) and not name.startswith(_UNKNOWN_SERVICE) else None
    if name := os.environ.get("OTEL_SERVICE_NAME"):
        return name
    for item in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, _, value = item.partition("=")
        if key.strip() == _SERVICE_NAME:
            return unquote(value.strip()) or None
    return None
