"""The provider on loopback: an HTTP server on a thread, with what it was told to answer and what it was asked."""

from __future__ import annotations

import json
import math
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from vigilo.testing.answering import answered, provider_of, refused
from vigilo.testing.rate_limit import Neighbour, RateLimit
from vigilo.testing.script import Failure, ReceivedRequest, Recorded, Reply, ReplyFields, Script
from vigilo.testing.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})


class ProviderServer:
    """OpenAI, Anthropic and Gemini on 127.0.0.1, for apps and tests that must run without a key.

    Use it as a context manager, or with ``start`` and ``stop``. Every method may be called from any thread. What is
    scripted with ``reply``, ``fail``, ``drop``, ``slow``, ``hang`` and ``raw`` is used up in the order it was given;
    ``match`` keeps a step for calls whose path or body contains that text, and ``times`` repeats it.
    """

    def __init__(self, port: int = 0) -> None:
        """``port`` 0 takes a free one."""
        self._port = port
        self._script = Script()
        self._lock = threading.Lock()
        self._requests: list[ReceivedRequest] = []
        self._answered = 0
        self._limit: RateLimit | None = None
        self._stopping = threading.Event()
        self._http: _HttpServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ProviderServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> ProviderServer:
        """Binds the port and serves on a daemon thread."""
        if self._http is not None:
            raise RuntimeError("this server is running already")
        self._stopping.clear()
        self._http = _HttpServer(("127.0.0.1", self._port), self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.02,), name="vigilo-testing", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Cuts open connections and frees the port; harmless when it is not running."""
        http, thread = self._http, self._thread
        if http is None or thread is None:
            return
        self._http = self._thread = None
        self._stopping.set()
        http.shutdown()
        thread.join()
        http.server_close()
        http.cut_connections()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        if self._http is None:
            raise RuntimeError("this server is not running: use `with ProviderServer() as server:` or start()")
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        return self.url

    @property
    def google_url(self) -> str:
        return self.url

    def environment(self) -> dict[str, str]:
        """The variables that point the three SDKs here, with keys that are worth nothing anywhere else."""
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": "sk-vigilo-testing",
            "ANTHROPIC_BASE_URL": self.anthropic_url,
            "ANTHROPIC_API_KEY": "sk-ant-vigilo-testing",
            "GOOGLE_GEMINI_BASE_URL": self.google_url,
            "GEMINI_API_KEY": "vigilo-testing",
        }

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every request so far, oldest first."""
        with self._lock:
            return list(self._requests)

    def reset(self) -> None:
        """Forgets requests, the limit and all that is still scripted."""
        self._script.clear()
        self._limit = None
        with self._lock:
            self._requests.clear()

    def reply(self, text: str | None = None, *, match: str = "", times: int = 1, **fields: Unpack[ReplyFields]) -> None:
        """Answers the next call with this text; the other fields are those of :class:`Reply`."""
        self._script.add(Reply(text=text, **fields), match, times)

    def fail(
        self,
        status: int = 500,
        *,
        message: str | None = None,
        retry_after_s: float | None = None,
        match: str = "",
        times: int = 1,
    ) -> None:
        """Answers the next call with an error in the provider's own shape.

        SDKs retry 408, 409, 429 and 5xx by themselves (OpenAI and Anthropic twice by default), so a call that shall
        fail needs ``times=3`` or a client with ``max_retries=0``; ``retry_after_s`` says how soon they come back.
        """
        said = message or f"The local provider was told to answer with status {status}."
        self._script.add(Failure(status, said, retry_after_s), match, times)

    def limit(self, calls: int, per_s: float = 60.0, *, neighbour: Neighbour | None = None) -> RateLimit:
        """Enforces a rate limit on all that is posted: so many calls at once, which come back over ``per_s`` seconds.

        Calls beyond it get a 429 that says when to come back, and every answer tells what is left, in the provider's
        own headers. What is scripted waits for a call that passes. ``neighbour`` takes a share of the limit.
        """
        self._limit = RateLimit(calls, per_s, neighbour)
        return self._limit

    def drop(self, after_chunks: int = 3, *, match: str = "", times: int = 1) -> None:
        """Cuts the connection of the next call: after that many events of a stream, or inside a whole answer."""
        self._script.add(Reply(drop_after_chunks=after_chunks), match, times)

    def slow(self, delay_s: float, *, match: str = "", times: int = 1) -> None:
        """Answers the next call as usual, but only after a pause."""
        self._script.add(Reply(delay_s=delay_s), match, times)

    def hang(self, *, match: str = "", times: int = 1) -> None:
        """Never answers the next call, until the server stops."""
        self._script.add(Reply(delay_s=math.inf), match, times)

    def raw(self, status: int, headers: Mapping[str, str], body: bytes, *, match: str = "", times: int = 1) -> None:
        """Answers the next call with a recorded answer as it is, but for headers that frame the body."""
        kept = {name: value for name, value in headers.items() if name.lower() not in _FRAMING}
        self._script.add(Recorded(status, kept, body), match, times)

    def _take(self, received: ReceivedRequest, text: str) -> tuple[Answer, Reply]:
        """The answer to a request, and the reply that says how it is sent."""
        with self._lock:
            self._requests.append(received)
            self._answered += 1
            number = self._answered
        provider, limit = provider_of(received), self._limit
        standing = limit.take() if limit is not None and received.method == "POST" else None
        limits = provider.limits(standing) if standing is not None else {}
        step = refused(standing) or self._script.take(received.path, text)
        if isinstance(step, Recorded):
            return Answer(step.status, step.headers, step.body), Reply()
        reply = step if isinstance(step, Reply) else Reply()
        if isinstance(step, Failure):
            answer = provider.failure(step, number)
        else:
            answer = answered(provider, received, reply, number)
        headers = {**provider.headers(number), **limits, **answer.headers}
        return Answer(answer.status, headers, answer.body, answer.events), reply

    def _pause(self, seconds: float) -> bool:
        """Waits; True when the server stopped meanwhile."""
        return self._stopping.wait(None if math.isinf(seconds) else seconds) if seconds > 0 else False


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], provider: ProviderServer) -> None:
        super().__init__(address, _Handler)
        self.provider = provider
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()

    def opened(self, connection: socket.socket) -> None:
        with self._connections_lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._connections_lock:
            self._connections.discard(connection)

    def cut_connections(self) -> None:
        with self._connections_lock:
            for connection in self._connections:
                _cut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that leaves early is no fault of the server's.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the client was faster
        return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: with Nagle's algorithm the second waits 40 ms for the client's delayed ACK.
    disable_nagle_algorithm = True
    server: _HttpServer

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Says nothing: the app's output is what its user wants to see."""

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        text = raw.decode("utf-8", "replace")
        received = ReceivedRequest(self.command, self.path, headers, _body(raw))
        answer, reply = self.server.provider._take(received, text)
        if self.server.provider._pause(reply.delay_s):
            self.close_connection = True
            return
        self._send(answer, reply)

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _serve  # noqa: N815 - the names that http.server looks for

    def _send(self, answer: Answer, reply: Reply) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.events is not None:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self._send_events(answer.events, reply)
            return
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if reply.drop_after_chunks is not None:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self._drop()
        else:
            self.wfile.write(answer.body)

    def _send_events(self, events: tuple[bytes, ...], reply: Reply) -> None:
        for index, event in enumerate(events):
            if index == reply.drop_after_chunks or (index and self.server.provider._pause(reply.chunk_delay_s)):
                self._drop()
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def _drop(self) -> None:
        self.close_connection = True
        _cut(self.connection)


def _body(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw
