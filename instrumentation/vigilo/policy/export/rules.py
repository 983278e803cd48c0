"""What is done with the value of an attribute, by the attribute's name. Found once for each name."""

from __future__ import annotations

import re
from enum import Enum

from vigilo import semconv
from vigilo.policy.export.content_names import is_content


class Kind(Enum):
    """How a value is treated."""

    TEXT = "masked, and cut only where it is very long"
    CONTENT = "messages: masked value by value where it is JSON, and cut as the user chose"
    MACHINE = "written by machines: numbers and addresses stay, e-mail addresses and secrets do not"
    URL = "as TEXT, but the address of the server stays"
    MEASURE = "as TEXT, but numbers stay"
    PERSON = "the id of a person: a pseudonym"
    ID = "what things are grouped by: where it tells something, a pseudonym, so that two of them stay two"
    SECRET = "nothing of it is shown"  # noqa: S105
    OURS = "masked when it was recorded"


# Names of the conventions (opentelemetry.io/docs/specs/semconv) whose values are versions, addresses of machines and
# ids: they look like IP addresses and phone numbers, and say nothing of a person. `client.*`, `source.*` and
# `network.peer.*` are not among them: there a server has the addresses of its users.
_MACHINE = (
    "aws.",
    "az.",
    "azure.",
    "browser.",
    "cloud.",
    "code.",
    "container.",
    "deployment.",
    "device.",
    "faas.",
    "heroku.",
    "host.",
    "http.host",
    "http.server_name",
    "http.user_agent",
    "http.response.status_code",
    "hw.",
    "k8s.",
    "messaging.message.id",
    "net.host.",
    "net.sock.host.",
    "network.local.",
    "network.protocol.",
    "network.transport",
    "os.",
    "otel.",
    "process.pid",
    "process.runtime.",
    "server.",
    "service.",
    "telemetry.",
    "thread.",
    "user_agent.",
    "webengine.",
    semconv.RESPONSE_ID,
    semconv.COST_SNAPSHOT,
    semconv.REQUEST_ID,
)
_URL = frozenset(
    {
        "url.full",
        "url.original",
        "url.path",
        "url.query",
        "http.url",
        "http.target",
        "http.route",
        "db.connection_string",
        "messaging.url",
    }
)
PERSONS = frozenset(
    {
        semconv.USER_ID,
        semconv.OLDER_USER,
        "llm.user",
        "user.name",
        "user.full_name",
        "enduser.id",
        "langfuse.user.id",
        "mlflow.auth.userId",
        "mlflow.auth.username",
        "mlflow.trace.user",
        "traceloop.association.properties.user_id",
    }
)
_ID = frozenset(
    {
        semconv.SESSION_ID,
        semconv.CONVERSATION_ID,
        "session.previous_id",
        "langfuse.session.id",
        "mlflow.trace.session",
        "traceloop.association.properties.session_id",
    }
)
_SECRET = re.compile(
    r"(?i)(?:^|[._-])(?:password|passwd|pwd|(?:client_?|shared_?)?secret|api[_-]?key|credentials?|authorization|cookie"
    r"|(?:access|refresh|auth|id|session|bearer|security)[_-]?token|(?:private|secret|access)[_-]?key)$"
)
_HEADERS = frozenset({semconv.OLDER_HEADERS, "llm.headers"})
_MEASURE = re.compile(
    r"(?i)(?:^|[._])(?:count|size|length|bytes|tokens?|duration|latency|time|timestamp|ns|us|ms|s|seconds|pid|port|seed"
    r"|offset|line_?no)$|_(?:ns|us|ms|s|seconds|bytes|count|size|at|time|tokens)$"
)
_OURS = frozenset(
    {
        semconv.INPUT_MESSAGES,
        semconv.OUTPUT_MESSAGES,
        semconv.SYSTEM_INSTRUCTIONS,
        semconv.TOOL_DEFINITIONS,
        semconv.USER_ID,
        semconv.RESPONSE_ID,
        semconv.REQUEST_PREVIOUS_RESPONSE_ID,
    }
)
"""What vigilo itself masks, or makes a pseudonym of, before it sets it; and ids that providers make, and no one else:
Google's look like keys."""


def kind_of(name: str, *, ours: bool) -> Kind:
    """How the value of an attribute is treated; ``ours``: vigilo recorded it."""
    if ours and name in _OURS:
        return Kind.OURS
    if is_content(name):
        return Kind.CONTENT
    if name in PERSONS:
        return Kind.PERSON
    if name in _ID:
        return Kind.ID
    if name in _URL:
        return Kind.URL
    if name in _HEADERS or _SECRET.search(name):
        return Kind.SECRET
    if name.startswith(_MACHINE):
        return Kind.MACHINE
    return Kind.MEASURE if _MEASURE.search(name) else Kind.TEXT
