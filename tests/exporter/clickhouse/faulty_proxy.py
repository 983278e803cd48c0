"""A reverse proxy in the test process that makes what goes wrong between an app and its ClickHouse go wrong."""

from __future__ import annotations

import socket
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BUSY = "503"
"""Answers 503 with ClickHouse's code 202, and forwards nothing."""
SLOW = "slow"
"""Forwards only when the client has gone, or after ``slow_s`` seconds."""
DROP_BEFORE = "drop_before"
"""Closes the connection, and forwards nothing."""
DROP_AFTER = "drop_after"
"""Closes the connection after the server executed it: the answer is swallowed."""
CUT_BODY = "cut_body"
"""Closes the connection, both ways, in the middle of the body."""


@dataclass
class Seen:
    """A request that came by."""

    target: str
    headers: dict
    size: int
    is_insert: bool
    fault: str
    forwarded: bool = False

    @property
    def parameters(self):
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass
class FaultyProxy:
    """Forwards to ``server``, with faults on INSERTs. Change ``faults`` and ``always`` at any time.

    Attributes:
        faults: one for each INSERT to come, oldest first; None lets it pass.
        always: the fault of each INSERT when ``faults`` is empty; None for none.
        slow_s: how long SLOW waits.
        seen: all requests, oldest first.
    """

    server: str
    faults: deque = field(default_factory=deque)
    always: str | None = None
    slow_s: float = 1.0
    seen: list = field(default_factory=list)

    def __post_init__(self):
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._http = None
        self._port = 0
        self.accept()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    @property
    def inserts(self):
        return [request for request in self.seen if request.is_insert]

    def refuse(self):
        """Listens no more, and hangs up: connections are refused until :meth:`accept`, on the same port."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()
            for connection in list(self._http.connections):  # a kept one would be served on
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._http = None

    def accept(self):
        if self._http is None:
            self._http = _Listener(("127.0.0.1", self._port), _handler(self))
            self._port = self._http.server_address[1]
            self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
            self._thread.start()

    def close(self):
        self._stopping.set()
        self.refuse()

    def next_fault(self, is_insert):
        if not is_insert:
            return None
        with self._lock:
            return self.faults.popleft() if self.faults else self.always

    def wait_slowly(self):
        self._stopping.wait(self.slow_s)


@contextmanager
def faulty_proxy(server_url):
    """A proxy in front of a server, such as ``clickhouse_server.url``."""
    proxy = FaultyProxy(server_url)
    try:
        yield proxy
    finally:
        proxy.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, *arguments):
        self.connections = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A client that went away is what is tested here."""


def _handler(proxy):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self):
            self._forward(b"")

        def do_POST(self):
            length = int(self.headers.get("Content-Length", -1))
            query = parse_qs(urlsplit(self.path).query).get("query", [""])[0]
            begin = b"" if query or length < 0 else self.rfile.read(min(length, 20))
            is_insert = (query.encode() or begin).lstrip()[:6].upper() == b"INSERT"
            fault = proxy.next_fault(is_insert)
            if fault == CUT_BODY:
                self._saw(fault, max(length, 0), is_insert)
                self.rfile.read(max(0, length // 2 - len(begin)))
                return self._hang_up()
            body = self._chunks() if length < 0 else begin + self.rfile.read(length - len(begin))
            seen = self._saw(fault, len(body), is_insert)
            if len(body) < length:
                return self._hang_up()  # a client that died: with the rest missing it would be another insert
            if fault == BUSY:
                return self._busy()
            if fault == DROP_BEFORE:
                return self._hang_up()
            if fault == SLOW:
                proxy.wait_slowly()
            return self._forward(body, seen)

        def _saw(self, fault, size, is_insert):
            seen = Seen(self.path, dict(self.headers), size, is_insert, fault or "")
            proxy.seen.append(seen)
            return seen

        def _chunks(self):
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def _forward(self, body, seen=None):
            seen = seen or self._saw(None, 0, is_insert=False)
            parts = urlsplit(proxy.server)
            connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
            skipped = ("host", "connection", "transfer-encoding", "content-length")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
            try:
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, HTTPException):
                return self._hang_up()  # as a client without a proxy sees a server that is gone
            finally:
                connection.close()
            seen.forwarded = True
            if seen.fault == DROP_AFTER:
                return self._hang_up()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in skipped:
                    self.send_header(name, value)
            self._finish(content)

        def _busy(self):
            self.send_response_only(503)
            self.send_header("X-ClickHouse-Exception-Code", "202")
            self._finish(b"Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)\n")

        def _finish(self, content):
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _hang_up(self):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_):
            pass

    return Handler
