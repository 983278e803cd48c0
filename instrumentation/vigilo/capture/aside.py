"""A call that somebody else records: the gate is asked and the request is sent, and nothing is told of it here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from vigilo import semconv
from vigilo.capture import forks
from vigilo.capture.bill import bill
from vigilo.capture.context import balances
from vigilo.capture.recorder import Recording
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
        self.admissions = ()
        self._open, self._forks = [True], forks.count
        self._balances = balances()

    def context(self) -> otel_context.Context:
        """The caller's own: the HTTP client's spans lie under those of whoever records the call."""
        return otel_context.get_current()

    def finish(self, response: Response) -> None:
        if self._is_first_end():
            self._settle_only(response, None)

    def fail(self, error: BaseException, response: Response | None = None) -> None:
        if self._is_first_end():
            self._settle_only(response, error)

    def _settle_only(self, response: Response | None, error: BaseException | None) -> None:
        if self.admissions or self._balances:
            cost: dict[str, Any] = {}
            with internal_errors("pricing a call"):
                cost = {} if response is None else bill(self.request, response, time.time())
            self._settle(response, cost.get(semconv.USAGE_COST), error)

    def _tell_events(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """There is no span of vigilo's that could have them."""
