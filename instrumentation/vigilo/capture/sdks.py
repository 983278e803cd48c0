"""The SDKs whose calls are captured, and how capture is turned on for all of them or for one client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigilo.capture.google import GoogleHook
from vigilo.capture.parse import anthropic, openai
from vigilo.capture.stainless import StainlessHook
from vigilo.errors import VigiloError

if TYPE_CHECKING:
    from vigilo.capture.hook import Hook


@dataclass(frozen=True, slots=True)
class Sdk:
    """One SDK: its distribution with the versions that are supported, and its hooks: one for each transport it has."""

    requirement: str
    hooks: tuple[Hook, ...]


OPENAI_HOOK = StainlessHook("openai", openai.endpoint_of)
ANTHROPIC_HOOK = StainlessHook("anthropic", anthropic.endpoint_of)
GOOGLE_HOOK = GoogleHook()

SDKS: dict[str, Sdk] = {
    "openai": Sdk("openai >= 1.66, < 4", (OPENAI_HOOK,)),
    "anthropic": Sdk("anthropic >= 0.51, < 3", (ANTHROPIC_HOOK,)),
    "google": Sdk("google-genai >= 1.32, < 4", (GOOGLE_HOOK,)),
}


def install_all() -> None:
    """Makes ``track`` blocks see calls without any instrumentor. Cheap to repeat; imports no SDK."""
    for sdk in SDKS.values():
        for hook in sdk.hooks:
            hook.hold("track")


def subscribe_client(client: Any, recorder: Any) -> None:
    """Makes ``recorder`` see the calls of one client, and of its copies.

    Raises:
        VigiloError: it is no client of a supported SDK.
    """
    for sdk in SDKS.values():
        for hook in sdk.hooks:
            hook.hold("wrap")
    for hook in (OPENAI_HOOK, ANTHROPIC_HOOK):
        if hook.owns(client):
            hook.subscriptions.subscribe_client(client._client, recorder)
            return
    inner = getattr(client, "_api_client", None)
    if GOOGLE_HOOK.owns(inner):
        GOOGLE_HOOK.subscriptions.subscribe_client(inner, recorder)
        return
    raise VigiloError(
        f"cannot wrap {type(client).__module__}.{type(client).__qualname__}: expected a client of openai, anthropic "
        "or google-genai, such as openai.OpenAI() or google.genai.Client()"
    )
