"""Clients of the installed SDKs, pointed at one local provider and seen by vigilo, for as long as a module runs."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

import vigilo
from vigilo.capture import gate
from vigilo.testing import ProviderServer, Usage
from vigilo.testing.google_live import LiveServer
from vigilo.testing.realtime import RealtimeServer

from .admitting import AdmittingGuard
from .clients import CLIENTS, Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .cells import Answered, Cell

USAGE = Usage(input_tokens=120, output_tokens=40)
SDKS = ("openai", "anthropic", "google-genai")


class NotInThisSdkError(Exception):
    """The installed SDK has no such method, or the method no such parameter."""


class Spans(SpanProcessor):
    """Every span that was started, so that one which never ends is seen too."""

    def __init__(self) -> None:
        self.started = 0
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.started += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def clear(self) -> None:
        self.started = 0
        self.ended.clear()


class Bench:
    """Runs cells, and keeps what came of each."""

    def __init__(self, servers: Servers, spans: Spans, guard: AdmittingGuard) -> None:
        self.server = servers.http
        self.guard = guard
        self._servers = servers
        self.spans = spans
        self.loop = asyncio.new_event_loop()
        self.results: dict[str, dict[tuple[str, str], str]] = {}
        self._clients = {name: make(servers) for name, make in CLIENTS.items()}
        self._copies: list[Any] = []

    def close(self) -> None:
        for copy in self._copies:  # AnthropicBedrock's have an HTTP client of their own
            self.run(copy.close())
        for client, aclient in self._clients.values():
            inner = getattr(client, "_api_client", None)
            if inner is not None and not hasattr(client, "close"):  # google-genai's has it since 1.40
                client, aclient = inner._httpx_client, inner._async_httpx_client
            client.close()
            self.run(aclient.aclose() if hasattr(aclient, "aclose") else aclient.close())
        self.run(self.loop.shutdown_asyncgens())
        self.loop.close()

    def method(self, cell: Cell) -> Any:
        """The method that a cell calls.

        Raises:
            NotInThisSdkError: as it says.
        """
        found = self._clients[cell.client][cell.is_async]
        if cell.copied:
            found = found.with_options(max_retries=1)
            self._copies.append(found)
        for name in cell.method.split("."):
            if not hasattr(found, name):
                raise NotInThisSdkError(cell.method)
            found = getattr(found, name)
        known = inspect.signature(found).parameters  # of raw responses' methods too: their wrappers keep them
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
        if not takes_any and (missing := set(cell.arguments) - set(known)):
            raise NotInThisSdkError(f"{cell.method}({', '.join(missing)})")
        return found

    def script(self, answered: Answered, times: int = 1) -> None:
        """Tells the provider what to answer."""
        if answered == "error status":
            self.server.fail(400)
            return
        if answered == "429, then a reply":
            self.server.fail(429, retry_after_s=0.01)
        self.reply(times)

    def reply(self, times: int = 1, **fields: Any) -> None:
        """Has the provider answer in some chunks, and count 120 and 40 tokens."""
        self.server.reply(usage=USAGE, chunks=6, times=times, **fields)

    def reply_in_session(self, client: str) -> None:
        """The same in the next session of a client."""
        server = self._servers.live if client.startswith("Gemini") else self._servers.realtime
        server.reply(usage=USAGE, chunks=6)

    def run(self, work: Any) -> Any:
        """Waits for a coroutine; anything else is a result already."""
        return self.loop.run_until_complete(work) if asyncio.iscoroutine(work) else work

    @contextmanager
    def recorded(self, table: str, cell: Any) -> Iterator[None]:
        """Notes how a cell of a table went, and starts it on clean ground."""
        self.server.reset()
        self.spans.clear()
        self.guard.admitted.clear()
        results = self.results.setdefault(table, {})
        results[cell.row, cell.column] = "failed"
        try:
            yield
        except NotInThisSdkError:
            results[cell.row, cell.column] = "absent"
            return
        results[cell.row, cell.column] = "passed"

    def finished(self) -> list[ReadableSpan]:
        """The spans of a cell: all that were started have ended, none is left current, and nothing is held.

        Each span is of a call that the gate has let pass once and that was settled once, unless it was refused.
        """
        if self.spans.started != len(self.spans.ended):
            self.loop.run_until_complete(asyncio.sleep(0.01))  # finalizers of async generators run in the loop
            gc.collect()
            self.loop.run_until_complete(asyncio.sleep(0.01))
        assert self.spans.started == len(self.spans.ended), "a span has not ended"
        assert trace.get_current_span() is trace.INVALID_SPAN
        assert [len(call.ends) for call in self.guard.admitted] == [1] * len(self.guard.admitted)
        return list(self.spans.ended)

    def sent(self) -> list[tuple[Any, Any]]:
        """How each call ended that was sent: with what came back, and with which error."""
        return [call.ends[0] for call in self.guard.admitted if call.sent]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with (
        pytest.MonkeyPatch.context() as patch,
        ProviderServer() as http,
        RealtimeServer() as realtime,
        LiveServer() as live,
    ):
        patch.setenv("VIGILO_HOME", str(tmp_path_factory.mktemp("home")))
        guard = AdmittingGuard()
        gate.add_guard(guard)
        spans, tracer_provider, meter_provider = Spans(), TracerProvider(), MeterProvider()
        tracer_provider.add_span_processor(spans)
        vigilo.instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)
        bench = Bench(Servers(http, realtime, live), spans, guard)
        yield bench
        bench.close()
        vigilo.uninstrument()
        gate.remove_guard(guard)
        _write(bench.results)
        tracer_provider.shutdown()
        meter_provider.shutdown()


def _write(results: dict[str, dict[tuple[str, str], str]]) -> None:
    """Adds the results to the file that ``MATRIX_RESULTS`` names, where it is set: by table, row and outcome."""
    if not (target := os.environ.get("MATRIX_RESULTS")):
        return
    path = Path(target)
    tables = json.loads(path.read_text("utf-8"))["tables"] if path.is_file() else {}
    for table, outcomes in results.items():
        rows = tables[table] = {}
        for (row, column), outcome in sorted(outcomes.items()):
            rows.setdefault(row, {}).setdefault(outcome, []).append(column)
    told = {"sdks": {sdk: version(sdk) for sdk in SDKS}, "tables": tables}
    path.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", "utf-8")
