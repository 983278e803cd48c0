"""A call that somebody else records: the gate is asked and the request is sent, and nothing is told of it here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import context as otel_context

from vigilo.capture.recorder import Recording

if TYPE_CHECKING:
    from vigilo.capture.call import Request, Response
    from vigilo.capture.recorder import Recorder


class Aside(Recording):
    """Goes the way of a recording, so that the SDK's own spans are left out as ever, and tells nothing."""

    __slots__ = ()
    is_aside = True

    def __init__(self, recorder: Recorder, request: Request) -> None:
        # Not the recording's own: that would start a span.
        self._recorder, self.request = recorder, request
        self.chunks = self.attempts = 0
        self.first_chunk_s = self.last_chunk_s = 0.0
        self.resent = []
        self.headers = None
        self._open = [True]

    def context(self) -> otel_context.Context:
        """The caller's own: the HTTP client's spans lie under those of whoever records the call."""
        return otel_context.get_current()

    def finish(self, response: Response) -> None:
        self.disown()

    def fail(self, error: BaseException, response: Response | None = None) -> None:
        self.disown()
