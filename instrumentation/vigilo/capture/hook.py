"""What the transport hooks of all SDKs share: the patch that stays while somebody needs it, and the call in flight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from vigilo.capture import gate
from vigilo.capture.attempts import failed
from vigilo.capture.call import Request
from vigilo.capture.patches import Patches
from vigilo.capture.subscriptions import Subscriptions
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from vigilo.capture.parse.endpoint import Endpoint, Origin
    from vigilo.capture.recorder import Recording

in_flight: ContextVar[Recording | None] = ContextVar("vigilo-in-flight", default=None)
"""The call whose request is being sent, for the hooks further down that see its attempts and responses."""


class Hook(ABC):
    """The hook of one SDK. The SDK's classes are patched while there is a holder and the SDK is imported.

    Subclasses say what is patched in :meth:`patch`. A patched method that has nobody to report to passes through.
    """

    module_name: str
    """The module of the SDK that is patched, as soon as the app imports it."""

    def __init__(self) -> None:
        self.subscriptions = Subscriptions()
        self._patches = Patches()
        self._holders: set[str] = set()
        self._module: ModuleType | None = None
        self._waiting = False

    @abstractmethod
    def patch(self, module: ModuleType, patches: Patches) -> None:
        """Puts the patches into the imported module."""

    @abstractmethod
    def key_of(self, client: object) -> object | None:
        """What a client, and its copies, are known by in ``subscriptions``; None if it is no client of this SDK."""

    def hold(self, holder: str) -> None:
        """Patches the SDK, now or when it is imported, until every holder has let go."""
        if holder in self._holders:
            return
        self._holders.add(holder)
        if self._module is not None:
            self._put()
        elif not self._waiting:
            from wrapt import register_post_import_hook

            self._waiting = True
            register_post_import_hook(self._imported, self.module_name)

    def release(self, holder: str) -> None:
        """Lets go; the last holder's release takes the patches out."""
        self._holders.discard(holder)
        if not self._holders:
            self._patches.undo()

    def _imported(self, module: ModuleType) -> None:
        self._module = module
        if self._holders:
            self._put()

    def _put(self) -> None:
        if self._patches:
            return
        module = self._module
        assert module is not None  # noqa: S101 - for the type checker: set before every call
        with internal_errors(f"hooking {self.module_name}"):
            try:
                self.patch(module, self._patches)
            except Exception:
                self._patches.undo()  # all or nothing: half a hook would see half of a call
                raise


class sending:  # noqa: N801 - used like a function; a class, because it stands on the app's path
    """Around the request of a call: the gate is asked, then the call's span is current for the HTTP client's spans.

    What the gate refuses is not sent, and recorded as a failed call. Never held while a stream is read: the reader's
    own spans must keep their parent. Used with ``async with`` in async callers, which then wait in their task.
    """

    __slots__ = ("_context_token", "_recording", "_retries", "_token")

    def __init__(self, recording: Recording | None, retries: int = 0) -> None:
        """Around one request.

        Args:
            recording: None for a call that may turn out to be none.
            retries: how many attempts after the first the app allows the SDK.
        """
        self._recording = recording
        self._retries = retries

    def __enter__(self) -> sending:
        recording = self._recording
        if recording is not None:
            try:
                recording.admissions = gate.admit(recording.request)
            except BaseException as refusal:
                recording.fail(refusal)
                raise
            self._attach(recording)
        return self

    async def __aenter__(self) -> sending:
        recording = self._recording
        if recording is not None:
            try:
                recording.admissions = await gate.admit_async(recording.request)
            except BaseException as refusal:
                recording.fail(refusal)
                raise
            self._attach(recording)
        return self

    def _attach(self, recording: Recording) -> None:
        self._context_token = otel_context.attach(recording.context())
        self._token = in_flight.set(recording)

    @property
    def takes_over_retries(self) -> bool:
        """Whether the SDK is to make one attempt only, since :meth:`again` says when there is another."""
        if self._recording is None or not self._recording.admissions:
            return False
        return any(admission.takes_over_retries for admission in self._recording.admissions)

    def again(self, error: Exception) -> bool:
        """Whether the request is made again after an attempt that failed; waits in this thread until it may be."""
        recording = self._recording
        if recording is None or not recording.admissions:
            return False
        for one in recording.admissions:
            if gate.run(one.again(error, recording.attempts, self._retries)):
                note_failed_attempt(error)
                return True
        return False

    async def again_async(self, error: Exception) -> bool:
        """As :meth:`again`, waiting in this task."""
        recording = self._recording
        if recording is None or not recording.admissions:
            return False
        for one in recording.admissions:
            if await gate.run_async(one.again(error, recording.attempts, self._retries)):
                note_failed_attempt(error)
                return True
        return False

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if self._recording is None:
            return
        in_flight.reset(self._token)
        otel_context.detach(self._context_token)
        if error is not None:
            self._recording.fail(error)

    async def __aexit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self.__exit__(kind, error, None)


def admit_late(recording: Recording) -> Recording:
    """For a call that is known of only once it is under way: it is counted where it can be, and never refused."""
    recording.admissions = gate.admit_late(recording.request)
    return recording


def read_request(endpoint: Endpoint, origin: Origin, body: Mapping[str, Any], content: bool) -> Request:
    """The request as its parser reads it. One that no parser can read is a call all the same, told with less."""
    with internal_errors("reading a request"):
        return endpoint.request(origin, body, content or gate.wants_input())
    return Request(
        operation=endpoint.operation,
        provider=origin.provider,
        model=body.get("model"),
        stream=bool(body.get("stream")),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def count_attempt() -> None:
    """Notes one HTTP request of the call in flight."""
    recording = in_flight.get()
    if recording is not None:
        recording.attempts += 1


def note_failed_attempt(reason: object) -> None:
    """Notes why the last HTTP request of the call in flight is made again: an error, or the response that refused it.

    Each attempt has one reason, the first that is noted.
    """
    recording = in_flight.get()
    if recording is not None and reason is not None and len(recording.resent) < recording.attempts:
        with internal_errors("noting a failed attempt"):
            recording.resent.append(failed(reason))


def note_headers(headers: Any) -> None:
    """Notes the headers of a response to the call in flight."""
    recording = in_flight.get()
    if recording is not None:
        recording.headers = headers
        for admission in recording.admissions:
            with internal_errors("reading what is left of a rate limit"):
                admission.answered(headers)
