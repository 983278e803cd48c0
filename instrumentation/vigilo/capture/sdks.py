"""The SDKs whose calls are captured, and how capture is turned on for all of them or for one client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigilo.capture.google import GoogleHook
from vigilo.capture.google_interactions import GoogleInteractionsHook
from vigilo.capture.google_interactions_stainless import GoogleStainlessInteractionsHook
from vigilo.capture.parse import anthropic, compatible, openai
from vigilo.capture.realtime import RealtimeHook
from vigilo.capture.stainless import StainlessHook
from vigilo.errors import VigiloError

if TYPE_CHECKING:
    from vigilo.capture.hook import Hook
    from vigilo.capture.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Sdk:
    """One SDK: its distribution with the versions that are supported, and its hooks: one for each transport it has."""

    requirement: str
    hooks: tuple[Hook, ...]


OPENAI_HOOK = StainlessHook("openai", openai.endpoint_of)
REALTIME_HOOKS = tuple(RealtimeHook(OPENAI_HOOK, f"openai.resources.{api}realtime.realtime") for api in ("", "beta."))
ANTHROPIC_HOOK = StainlessHook("anthropic", anthropic.endpoint_of)
GOOGLE_HOOKS = (GoogleHook(), GoogleInteractionsHook(), GoogleStainlessInteractionsHook())

SDKS: dict[str, Sdk] = {
    "openai": Sdk("openai >= 1.66, < 4", (OPENAI_HOOK, *REALTIME_HOOKS)),
    "anthropic": Sdk("anthropic >= 0.51, < 3", (ANTHROPIC_HOOK,)),
    "google": Sdk("google-genai >= 1.32, < 4", GOOGLE_HOOKS),
    "groq": Sdk("groq >= 0.13, < 2", (StainlessHook("groq", compatible.endpoint_of),)),
    "together": Sdk("together >= 2, < 4", (StainlessHook("together", compatible.endpoint_of),)),
    "cerebras": Sdk(
        "cerebras-cloud-sdk >= 1.16, < 2", (StainlessHook("cerebras.cloud.sdk", compatible.endpoint_of, "cerebras"),)
    ),
}


def install_all() -> None:
    """Makes ``track`` blocks see calls without any instrumentor. Cheap to repeat; imports no SDK."""
    for sdk in SDKS.values():
        for hook in sdk.hooks:
            hook.hold("track")


def wrap_client(client: Any, recorder: Recorder) -> None:
    """Makes ``recorder`` see the calls of one client, and of its copies; the first recorder of a client stays.

    Raises:
        VigiloError: it is no client of a supported SDK.
    """
    for hook, key in _hooks_of(client, "wrap"):
        hook.subscriptions.subscribe_client(key, recorder)
        hook.hold("wrap")


def unwrap_client(client: Any) -> None:
    """Ends what :func:`wrap_client` began, for the client and its copies.

    Raises:
        VigiloError: it is no client of a supported SDK.
    """
    for hook, key in _hooks_of(client, "unwrap"):
        hook.subscriptions.unsubscribe_client(key)
        if not hook.subscriptions.has_clients:
            hook.release("wrap")


def _hooks_of(client: Any, doing: str) -> list[tuple[Hook, object]]:
    """The hooks that see the calls of a client, each with what it knows the client by."""
    found = [(hook, key) for sdk in SDKS.values() for hook in sdk.hooks if (key := hook.key_of(client)) is not None]
    if not found:
        raise VigiloError(
            f"cannot {doing} {type(client).__module__}.{type(client).__qualname__}: expected a client of "
            f"{', '.join(SDKS)}, such as openai.OpenAI() or google.genai.Client()"
        )
    return found
