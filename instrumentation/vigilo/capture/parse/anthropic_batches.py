"""Anthropic's message batches as ``Request`` and ``Response``: their start, and the reading of their results.

Shapes: the API reference of Anthropic, "Create a Message Batch" and "Retrieve Message Batch results" (2026-11). Only
the results count tokens, one line of JSON for each request of the batch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from vigilo import semconv
from vigilo.capture.call import Request, Response, Usage
from vigilo.capture.parse.anthropic_usage import sum_usage, usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, read
from vigilo.capture.parse.once import Once

_MAX_REQUESTS = 100_000  # that a batch may have
_MAX_HEAP_TOKENS = 100_000  # no model has another price below 200 000 tokens of input
_counted = Once(_MAX_REQUESTS)


def request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /v1/messages/batches``: told by number, since its messages may be millions."""
    asked = body.get("requests") or ()
    models = {read(read(one, "params"), "model") for one in asked}
    return Request(
        operation="batch",
        provider=origin.provider,
        model=models.pop() if len(models) == 1 else None,
        parameters={semconv.BATCH_REQUESTS: len(asked)},
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def response(body: Any, content: bool) -> Response:
    """A ``message_batch`` that has begun."""
    return Response(id=read(body, "id"))


def results(batch_id: str) -> Endpoint:
    """The endpoint of a batch's results."""
    return Endpoint(
        "batch_results", _results_request, partial(_results_response, batch_id), partial(_Results, batch_id)
    )


def _results_request(origin: Origin, body: Json, content: bool) -> Request:
    return Request(
        operation="batch_results",
        provider=origin.provider,
        model=None,
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def _results_response(batch_id: str, body: Any, content: bool) -> Response:
    """Results that were not read through the SDK, such as the bytes of a raw response: not counted."""
    return Response(id=batch_id)


class _Results:
    """Adds up the lines as they are read. What was read before in this process is not counted again."""

    def __init__(self, batch_id: str, content: bool) -> None:
        self._batch_id = batch_id
        self._lines = self._failed = 0
        self._heaps: dict[str | None, list[Usage]] = {}

    def add(self, line: Any) -> None:
        self._lines += 1
        result = read(line, "result")
        if read(result, "type") != "succeeded":
            self._failed += 1
            return
        message = read(result, "message")
        if _counted.first(read(message, "id")):
            self._put(read(message, "model"), usage(read(message, "usage")))

    def _put(self, model: str | None, spent: Usage) -> None:
        """Onto the heap of its model: each result is billed alone, so a heap stays below all price steps."""
        heaps = self._heaps.setdefault(model, [])
        if heaps and ((whole := sum_usage([heaps[-1], spent])).input_tokens or 0) <= _MAX_HEAP_TOKENS:
            heaps[-1] = whole
        else:
            heaps.append(spent)

    def response(self) -> Response:
        counted = tuple((model, heap) for model, heaps in self._heaps.items() for heap in heaps)
        return Response(
            id=self._batch_id,
            model=next(iter(self._heaps)) if len(self._heaps) == 1 else None,
            usage=sum_usage([heap for _, heap in counted]),
            billed=counted,
            service_tier="batch",
            attributes={semconv.BATCH_REQUESTS: self._lines, semconv.BATCH_FAILED: self._failed},
        )


BATCH = Endpoint("batch", request, response)
