"""Other instrumentations of the same calls, and which call is theirs.

A call that somebody else records would be told, and its tokens counted, twice; so it is left to them. Theirs is a call

- made from inside their wrapper: it is then on the stack above the request;
- made in the context of an invocation of ``opentelemetry-util-genai`` that has had no request yet;
- for which OpenTelemetry's instrumentations are switched off.

Everything they miss is ours. A context alone proves little, because contexts leak: that of the official
instrumentation of anthropic 1.3b0 stays in force while a stream is open, and OpenLLMetry's instrumentation of LangChain
0.62 never takes its own back. So an invocation stands for one request, unless it is known to make several, and
OpenLLMetry's mark counts under a model of LangChain only.
"""

from __future__ import annotations

import logging
import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_current
from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISABLED_INSTRUMENTATIONS
from opentelemetry.trace import get_current_span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from opentelemetry.context import Context

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An instrumentation of client libraries that vigilo instruments as well.

    Attributes:
        package: its distribution.
        module: its root module, which is also the scope of its spans.
        sdks: the client libraries, by their root packages.
        wraps: whether its wrapper on the stack tells that it records; where not, util-genai's context tells it.
        silent: modules with wrappers that record no call.
        asks_again: its invocation covers several requests: the SDK calls functions and asks again.
    """

    package: str
    module: str
    sdks: tuple[str, ...]
    wraps: bool = True
    silent: tuple[str, ...] = ()
    asks_again: bool = False

    def has(self, module: str) -> bool:
        """Whether ``module`` is one of its modules."""
        return module == self.module or module.startswith(f"{self.module}.")


NEIGHBOURS = (
    Neighbour(
        "opentelemetry-instrumentation-genai-openai",
        "opentelemetry.instrumentation.genai.openai",
        ("openai",),
        wraps=False,
    ),
    Neighbour(
        "opentelemetry-instrumentation-genai-anthropic",
        "opentelemetry.instrumentation.genai.anthropic",
        ("anthropic",),
        wraps=False,
    ),
    Neighbour(
        "opentelemetry-instrumentation-google-genai",
        "opentelemetry.instrumentation.google_genai",
        ("google",),
        wraps=False,
        asks_again=True,
    ),
    Neighbour("opentelemetry-instrumentation-openai-v2", "opentelemetry.instrumentation.openai_v2", ("openai",)),
    Neighbour(
        "opentelemetry-instrumentation-openai",
        "opentelemetry.instrumentation.openai",
        ("openai",),
        silent=(
            "opentelemetry.instrumentation.openai.utils",
            "opentelemetry.instrumentation.openai.shared.image_gen_wrappers",
        ),
    ),
    Neighbour("opentelemetry-instrumentation-anthropic", "opentelemetry.instrumentation.anthropic", ("anthropic",)),
    Neighbour(
        "opentelemetry-instrumentation-google-generativeai",
        "opentelemetry.instrumentation.google_generativeai",
        ("google",),
    ),
    Neighbour("openinference-instrumentation-openai", "openinference.instrumentation.openai", ("openai",)),
    Neighbour("openinference-instrumentation-anthropic", "openinference.instrumentation.anthropic", ("anthropic",)),
    Neighbour(
        "openinference-instrumentation-google-genai",
        "openinference.instrumentation.google_genai",
        ("google",),
        silent=("openinference.instrumentation.google_genai._context",),
    ),
    Neighbour("openlit", "openlit.instrumentation.openai", ("openai",)),
    Neighbour("openlit", "openlit.instrumentation.anthropic", ("anthropic",)),
    Neighbour("openlit", "openlit.instrumentation.google_ai_studio", ("google",)),
    Neighbour("logfire", "logfire._internal.integrations.llm_providers", ("openai", "anthropic")),
)
"""As of 2026-11: the versions that ``tests/neighbours`` runs."""

_WRAPPING = tuple(neighbour for neighbour in NEIGHBOURS if neighbour.wraps)
_WRAPPING_MODULES = frozenset(neighbour.module for neighbour in _WRAPPING)
_ROOTS = tuple({f"{neighbour.module.partition('.')[0]}." for neighbour in _WRAPPING})
_SDKS = frozenset(sdk for neighbour in NEIGHBOURS for sdk in neighbour.sdks)
_FRAMES = 24  # looked at above the request; the farthest wrapper seen is the 12th

_INFERENCE = "opentelemetry.genai.client.inference.context"
_INVOCATIONS = {
    "chat": _INFERENCE,
    "generate_content": _INFERENCE,
    "text_completion": _INFERENCE,
    "embeddings": "opentelemetry.genai.client.embedding.context",
}
"""Where util-genai 1.3b0 keeps an open invocation, by operation. A fetched response it keeps tells no tokens."""

_LANGCHAIN_MARK = "suppress_language_model_instrumentation"
"""Set by OpenLLMetry (``opentelemetry-semantic-conventions-ai`` 0.5) while its LangChain instrumentation records."""

_SWITCHES = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")
"""OpenTelemetry's own, as ``opentelemetry.instrumentation.utils`` reads them, which takes longer."""
_MARKS = frozenset((*_INVOCATIONS.values(), _LANGCHAIN_MARK, *_SWITCHES))

below: ContextVar[str | None] = ContextVar("vigilo-neighbour-below", default=None)
"""The package whose wrapper lies below vigilo's hook, not above it."""
_warned: set[str] = set()


def in_charge(operation: str) -> bool:
    """Whether somebody else records the call that is about to be sent; asked below the SDK's method, once a call.

    An invocation of util-genai is taken by the asking: the next request in its context is another call.
    """
    found: str | None = None
    if not sys.modules.keys().isdisjoint(_WRAPPING_MODULES):
        found = below.get() or _wrapper(sys._getframe())
    context = get_current()
    if found is None and not _MARKS.isdisjoint(context):
        found = _by_context(context, operation, sys._getframe())
        if found is None:
            return any(context.get(switch) for switch in _SWITCHES)
    if found is None:
        return False
    if found not in _warned:
        _warned.add(found)
        _log.warning(
            "vigilo: %s records calls of this app, so vigilo leaves those to it, without price, masking or user; "
            "to have them from vigilo, do not instrument with %s",
            found,
            found,
        )
    return True


def left_out(module: str) -> Neighbour | None:
    """The neighbour that an instrumentor of this module is, where vigilo's own of the same SDK will be loaded.

    The user chooses the other one with ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=vigilo_openai``.
    """
    neighbour = neighbour_of(module)
    disabled = {name.strip() for name in os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "").split(",")}
    if neighbour is None or disabled.issuperset(f"vigilo_{sdk}" for sdk in neighbour.sdks):
        return None
    return neighbour


def neighbour_of(module: str) -> Neighbour | None:
    """The neighbour that a module belongs to."""
    return next((neighbour for neighbour in NEIGHBOURS if neighbour.has(module)), None)


def _wrapper(frame: FrameType) -> str | None:
    """The package that wrapped the SDK's method above ``frame``."""
    modules = list(_modules_above(frame))
    sdk = _sdk(modules)
    for module in modules:
        if module.startswith(_ROOTS):
            for neighbour in _WRAPPING:
                if sdk in neighbour.sdks and neighbour.has(module) and module not in neighbour.silent:
                    return neighbour.package
    return None


def _by_context(context: Context, operation: str, frame: FrameType) -> str | None:
    data = context.get(_INVOCATIONS.get(operation, ""))
    if data is not None and (opener := _invocation(data, frame)) is not None:
        return opener
    if context.get(_LANGCHAIN_MARK) and _is_in_langchain(frame):
        return "opentelemetry-instrumentation-langchain"
    return None


def _invocation(data: Any, frame: FrameType) -> str | None:
    """Who opened the invocation whose data lies in the context; None where the call cannot be its request."""
    scope = getattr(get_current_span(), "instrumentation_scope", None)
    name = scope.name if scope is not None else "opentelemetry.util.genai"
    neighbour = neighbour_of(name)
    if neighbour is not None:
        if _sdk(_modules_above(frame)) not in neighbour.sdks:
            return None
        name = neighbour.package
    if getattr(data, "vigilo_has_request", False) and not (neighbour is not None and neighbour.asks_again):
        return None
    data.vigilo_has_request = True
    return name


def _sdk(modules: Iterable[str]) -> str | None:
    """The client library that sends the request: the nearest of those on the stack."""
    return next((root for module in modules if (root := module.partition(".")[0]) in _SDKS), None)


def _is_in_langchain(frame: FrameType) -> bool:
    return any(module.startswith("langchain_core.language_models") for module in _modules_above(frame))


def _modules_above(frame: FrameType | None) -> Iterator[str]:
    """The modules on the stack above ``frame``, nearest first."""
    for _ in range(_FRAMES):
        if frame is None:
            return
        yield frame.f_globals.get("__name__", "")
        frame = frame.f_back
