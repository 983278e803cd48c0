"""The propagator ``vigilo``: takes from incoming requests for whom their calls are made, and sends nothing on.

Every instrumentor of a web framework asks the propagators to extract, each with a carrier of its own kind; what they
hand over was read in their sources at 0.66b1. WSGI (Flask, Django, Falcon, Pyramid) hands over the environ, ASGI
(FastAPI, Starlette, Django) the scope, Tornado its headers alone, aiohttp.server the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter, default_setter

from vigilo.capture.context import Tracked, arrive, with_incoming
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import CarrierT, Getter, Setter

USER_HEADERS = ("x-user-id", "x-personal-user-id")
SESSION_HEADER = "x-session-id"
CONVERSATION_HEADER = "x-conversation-id"
HEADER_MAX_CHARS = 256
USER_AGENT_HEADER = "user-agent"
FORWARDED_HEADER = "x-forwarded-for"
_USER_AGENT_MAX_CHARS = 512
_SCOPE_HEADERS = frozenset(
    name.encode() for name in (*USER_HEADERS, SESSION_HEADER, CONVERSATION_HEADER, USER_AGENT_HEADER, FORWARDED_HEADER)
)


class IncomingPropagator(TextMapPropagator):
    """Reads ``x-user-id`` or else ``x-personal-user-id``, ``x-session-id`` and ``x-conversation-id``.

    A request that names no user gets an anonymous id, a keyed hash of the client's address and user agent. ``track``
    blocks in the handler win. Whoever can reach the app can send these headers: put them on, or take them off, in the
    proxy before it. Values go to telemetry only: never to a log, to baggage or to an outgoing request.
    """

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """``context`` (the current one by default) with what the request says; unchanged where it says nothing."""
        context = get_current() if context is None else context
        with internal_errors("reading whom a request is from"):
            said = _said(carrier, getter)
            if said is None:
                return context
            _follow_threads()
            if _is_request(carrier):
                arrive(said)
            return with_incoming(said, context)
        return context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Does nothing: nobody is told who the app's users are."""

    @property
    def fields(self) -> set[str]:
        """Empty: these are the fields that ``inject`` sets, and that others therefore remove from outgoing requests."""
        return set()


class _ScopeGetter:
    """Reads the headers of an ASGI scope in one pass; the instrumentor's getter makes one for each name."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self._found: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            if name in _SCOPE_HEADERS:
                self._found.setdefault(name.decode("ascii"), []).append(value.decode("latin-1"))

    def get(self, _: Any, name: str) -> list[str] | None:
        return self._found.get(name)


def _said(carrier: Any, getter: Any) -> Tracked | None:
    if isinstance(carrier, dict) and "asgi" in carrier and isinstance(carrier.get("headers"), (list, tuple)):
        getter = _ScopeGetter(carrier)
    user = None
    for name in USER_HEADERS:
        if user := _value(carrier, getter, name):
            break
    anonymous = None if user else _anonymous(carrier, getter)
    session = _value(carrier, getter, SESSION_HEADER)
    conversation = _value(carrier, getter, CONVERSATION_HEADER)
    if not (user or anonymous or session or conversation):
        return None
    return Tracked(
        user=user or anonymous,
        conversation=conversation,
        session=session,
        user_is_pseudonym=anonymous is not None,
    )


def _value(carrier: Any, getter: Any, name: str) -> str | None:
    """The header's value; None where there is none, or one that is no id.

    Of two values one may be the client's and one the proxy's, and nothing tells which. WSGI servers join them by a
    comma.
    """
    values = getter.get(carrier, name)
    if not values or len(values) != 1 or not isinstance(values[0], str):
        return None
    value = values[0].strip()
    if not 0 < len(value) <= HEADER_MAX_CHARS or "," in value or not (value.isascii() and value.isprintable()):
        return None
    return value


def _anonymous(carrier: Any, getter: Any) -> str | None:
    """The pseudonym of a client; None where its address is unknown: a user agent alone is that of thousands."""
    from vigilo.policy.pseudonym import client_pseudonym, load_key
    from vigilo.settings import app_settings

    settings = app_settings()
    address = (settings.trust_forwarded_for and _forwarded_for(carrier, getter)) or _peer(carrier)
    if not address:
        return None
    agents = getter.get(carrier, USER_AGENT_HEADER) or [""]
    return client_pseudonym(address, str(agents[0])[:_USER_AGENT_MAX_CHARS], load_key(settings.home))


def _peer(carrier: Any) -> str | None:
    """The address of whoever is connected: a client, or the last proxy before the app."""
    if isinstance(carrier, dict):
        address = carrier.get("REMOTE_ADDR")  # WSGI, PEP 3333
        if address is None and isinstance(client := carrier.get("client"), (list, tuple)) and client:
            address = client[0]  # ASGI, "HTTP & WebSocket ASGI Message Format"
    else:
        address = getattr(carrier, "remote", None)  # aiohttp
    return address if isinstance(address, str) else None


def _forwarded_for(carrier: Any, getter: Any) -> str | None:
    """The first address in ``X-Forwarded-For``; some proxies write its port too."""
    from ipaddress import ip_address

    values = getter.get(carrier, FORWARDED_HEADER)
    if not values:
        return None
    first = str(values[0]).partition(",")[0].strip()
    if first.startswith("["):
        first = first[1:].partition("]")[0]
    elif first.count(":") == 1:
        first = first.partition(":")[0]
    try:
        return str(ip_address(first))
    except ValueError:
        return None


def _is_request(carrier: object) -> bool:
    """Whether the carrier is a request of aiohttp.server, whose instrumentor puts nothing of what it extracts in force.

    Not even baggage: it is the parent of its span and no more. aiohttp.server handles each request in a task of its
    own, so what is put in force here ends with the request.
    """
    return not isinstance(carrier, dict) and hasattr(carrier, "remote") and hasattr(carrier, "headers")


def _follow_threads() -> None:
    from vigilo.capture.threads import follow_threads

    follow_threads()
