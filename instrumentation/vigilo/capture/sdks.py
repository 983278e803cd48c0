"""The SDKs whose calls are captured, and how capture is turned on for all of them or for one client.

What sees and reads an SDK's calls is loaded when the app has imported the SDK: until then there is nothing to see.
"""

from __future__ import annotations

import logging
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vigilo.errors import VigiloError, internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.capture.hook import Hook
    from vigilo.capture.recorder import Recorder


_log = logging.getLogger(__name__)


class Sdk:
    """One SDK. Its hooks are loaded once it is imported and somebody holds it.

    Args:
        package: what the app imports.
        requirement: its distribution with the versions that are supported.
        load_hooks: gives its hooks, one for each transport it has.
    """

    def __init__(self, package: str, requirement: str, load_hooks: Callable[[], tuple[Hook, ...]]) -> None:
        self.package = package
        self.requirement = requirement
        self._load_hooks = load_hooks
        self._holders: dict[str, Callable[[], Recorder] | None] = {}
        self._waiting = False
        self._warned = False

    @cached_property
    def hooks(self) -> tuple[Hook, ...]:
        return self._load_hooks()

    @property
    def is_imported(self) -> bool:
        return self.package in sys.modules

    def warn_of_version(self) -> None:
        """Logs, once in a process, that a version is installed that is not supported; it is tried all the same."""
        if self._warned:
            return
        self._warned = True
        from importlib.metadata import PackageNotFoundError, version

        from packaging.requirements import Requirement

        supported = Requirement(self.requirement)
        try:
            found = version(supported.name)
        except PackageNotFoundError:
            return
        if not supported.specifier.contains(found, prereleases=True):
            _log.warning(
                "vigilo: %s %s is installed but %s is supported: trying", supported.name, found, self.requirement
            )

    def hold(self, holder: str, make_recorder: Callable[[], Recorder] | None = None) -> None:
        """Hooks the SDK, now or when it is imported, until every holder has let go.

        Args:
            holder: who wants it; holding it again changes nothing.
            make_recorder: makes what sees the calls of every client; without it only those of single clients, and of
                ``track`` blocks, are seen.
        """
        if holder in self._holders:
            return
        self._holders[holder] = make_recorder
        if self._waiting:
            return
        if self.is_imported:
            self._hook(holder)
            return
        from wrapt import register_post_import_hook

        self._waiting = True
        register_post_import_hook(self._imported, self.package)

    def release(self, holder: str) -> None:
        """Lets go; the last holder's release takes the hooks out."""
        if holder not in self._holders:
            return
        sees_everyone = self._holders.pop(holder) is not None
        if self._waiting or not self.is_imported:
            return
        for hook in self.hooks:
            if sees_everyone:
                hook.subscriptions.subscribe(None)
            hook.release(holder)

    def _imported(self, _: object) -> None:
        self._waiting = False
        for holder in list(self._holders):
            self._hook(holder)

    def _hook(self, holder: str) -> None:
        with internal_errors(f"hooking {self.package}"):
            self.warn_of_version()
            make_recorder = self._holders[holder]
            recorder = None if make_recorder is None else make_recorder()
            for hook in self.hooks:
                if recorder is not None:
                    hook.subscriptions.subscribe(recorder)
                hook.hold(holder)


def _openai() -> tuple[Hook, ...]:
    from vigilo.capture.parse.openai import endpoint_of
    from vigilo.capture.realtime import realtime_hooks
    from vigilo.capture.stainless import StainlessHook

    http = StainlessHook("openai", endpoint_of)
    return (http, *realtime_hooks(http))


def _anthropic() -> tuple[Hook, ...]:
    from vigilo.capture.parse.anthropic import endpoint_of
    from vigilo.capture.stainless import StainlessHook

    return (StainlessHook("anthropic", endpoint_of),)


def _google() -> tuple[Hook, ...]:
    from vigilo.capture.google import GoogleHook
    from vigilo.capture.google_interactions import GoogleInteractionsHook
    from vigilo.capture.google_interactions_stainless import GoogleStainlessInteractionsHook
    from vigilo.capture.google_live import GoogleLiveHook

    http = GoogleHook()
    return (http, GoogleLiveHook(http), GoogleInteractionsHook(), GoogleStainlessInteractionsHook())


def _google_legacy() -> tuple[Hook, ...]:
    from vigilo.capture.google_legacy import GoogleLegacyHook

    return (GoogleLegacyHook(),)


def _compatible(package: str, provider: str) -> tuple[Hook, ...]:
    from vigilo.capture.parse.compatible import endpoint_of
    from vigilo.capture.stainless import StainlessHook

    return (StainlessHook(package, endpoint_of, provider),)


SDKS: dict[str, Sdk] = {
    "openai": Sdk("openai", "openai >= 1.66, < 4", _openai),
    "anthropic": Sdk("anthropic", "anthropic >= 0.51, < 3", _anthropic),
    "google": Sdk("google.genai", "google-genai >= 1.32, < 4", _google),
    "generativeai": Sdk(
        "google.ai.generativelanguage_v1beta", "google-ai-generativelanguage >= 0.6, < 1", _google_legacy
    ),
    "groq": Sdk("groq", "groq >= 0.13, < 2", lambda: _compatible("groq", "groq")),
    "together": Sdk("together", "together >= 2, < 4", lambda: _compatible("together", "together")),
    "cerebras": Sdk(
        "cerebras.cloud.sdk",
        "cerebras-cloud-sdk >= 1.16, < 2",
        lambda: _compatible("cerebras.cloud.sdk", "cerebras"),
    ),
}


def install_all() -> None:
    """Makes ``track`` blocks see calls without any instrumentor. Cheap to repeat; imports no SDK."""
    for sdk in SDKS.values():
        sdk.hold("track")


def wrap_client(client: Any, recorder: Recorder) -> None:
    """Makes ``recorder`` see the calls of one client, and of its copies; the first recorder of a client stays.

    Raises:
        VigiloError: it is no client of a supported SDK.
    """
    sdk, keys = _sdk_of(client, "wrap")
    for hook, key in keys:
        hook.subscriptions.subscribe_client(key, recorder)
    sdk.hold("wrap")


def unwrap_client(client: Any) -> None:
    """Ends what :func:`wrap_client` began, for the client and its copies.

    Raises:
        VigiloError: it is no client of a supported SDK.
    """
    sdk, keys = _sdk_of(client, "unwrap")
    for hook, key in keys:
        hook.subscriptions.unsubscribe_client(key)
    if not any(hook.subscriptions.has_clients for hook in sdk.hooks):
        sdk.release("wrap")


def _sdk_of(client: Any, doing: str) -> tuple[Sdk, list[tuple[Hook, object]]]:
    """The SDK of a client, and its hooks, each with what it knows the client by."""
    for sdk in SDKS.values():
        hooks = sdk.hooks if sdk.is_imported else ()
        if keys := [(hook, key) for hook in hooks if (key := hook.key_of(client)) is not None]:
            return sdk, keys
    raise VigiloError(
        f"cannot {doing} {type(client).__module__}.{type(client).__qualname__}: expected a client of "
        f"{', '.join(SDKS)}, such as openai.OpenAI() or google.genai.Client()"
    )
