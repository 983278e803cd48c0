"""A server that is none: it answers what a test says, and notes what came."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HANG_UP = 0
"""As the status of an answer: none comes, and the connection is closed."""


class Canned(BaseHTTPRequestHandler):
    """Answers what the test says, and notes what came."""

    protocol_version = "HTTP/1.1"
    answers = ()
    seen = ()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.seen.append((self.client_address, dict(self.headers), parameters, body))
        status, headers, content = self.answers.pop(0) if self.answers else (200, {}, b"")
        if status == HANG_UP:
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        if headers.get("Connection") == "close":
            self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def canned(*answers, context=None):
    handler = type("Handler", (Canned,), {"answers": list(answers), "seen": []})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    http.handle_error = lambda *_: None
    if context is not None:
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    handler.port = http.server_address[1]
    handler.url = f"http://127.0.0.1:{handler.port}"
    try:
        yield handler
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
