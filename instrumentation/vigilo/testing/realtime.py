"""OpenAI's websockets on 127.0.0.1, for realtime sessions and for responses.

It needs the package ``websockets``, so nothing else here imports this module.

    with RealtimeServer() as server:
        client = openai.OpenAI(base_url=server.openai_url, websocket_base_url=server.websocket_url, api_key="any")
        server.reply("Hello, Ada!", usage=Usage(input_tokens=12, output_tokens=4))
        with client.realtime.connect(model="gpt-realtime") as connection:
            connection.response.create()

Shapes: the API reference of OpenAI, "Realtime client events" and "Realtime server events" (2026-11); clients that send
the header of the beta get its names of events.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from vigilo.testing.openai_responses import responses
from vigilo.testing.realtime_session import Failed, RealtimeSession, cut
from vigilo.testing.script import Reply, ReplyFields
from vigilo.testing.wire import Call

if TYPE_CHECKING:
    from typing_extensions import Unpack
    from websockets.sync.server import ServerConnection

    from vigilo.testing.wire import Json


class RealtimeServer:
    """Realtime sessions for apps and tests that must run without a key. Use it as a context manager.

    What is scripted with ``reply``, ``fail`` and ``refuse`` is used up by responses in the order it was given. A reply
    with ``chunk_delay_s`` can be cancelled, or run beside another response; one with ``drop_after_chunks`` cuts the
    connection after so many pieces.
    """

    def __init__(self) -> None:
        self.events: list[Json] = []
        """What clients sent, oldest first."""
        self._steps: deque[Reply | Failed] = deque()
        self._count = 0

    def __enter__(self) -> RealtimeServer:
        self._server = serve(self._serve, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever, name="vigilo-realtime", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()

    @property
    def openai_url(self) -> str:
        return f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/v1"

    @property
    def websocket_url(self) -> str:
        """The same for a client's ``websocket_base_url``, which older SDKs need to go without TLS."""
        return self.openai_url.replace("http:", "ws:")

    def reply(self, text: str | None = None, **fields: Unpack[ReplyFields]) -> None:
        """Answers the next response with this text, spoken unless only text is asked for."""
        self._steps.append(Reply(text=text, **fields))

    def fail(self, code: str, message: str = "The local provider was told to fail.") -> None:
        """Ends the next response as failed."""
        self._steps.append(Failed(code, message, refused=False))

    def refuse(self, code: str, message: str = "The local provider was told to refuse.") -> None:
        """Answers the next ``response.create`` with an error event."""
        self._steps.append(Failed(code, message, refused=True))

    def _serve(self, connection: ServerConnection) -> None:
        path = urlsplit(connection.request.path if connection.request else "").path
        if path.endswith("/responses"):
            _serve_responses(self, connection)
        else:
            RealtimeSession(self, connection).run()

    def take(self) -> tuple[int, Reply | Failed]:
        self._count += 1
        return self._count, self._steps.popleft() if self._steps else Reply()


def _serve_responses(server: RealtimeServer, connection: ServerConnection) -> None:
    """Responses over a websocket: the events of a stream, for one ``response.create`` after the other."""
    with suppress(ConnectionClosed):
        for message in connection:
            event = json.loads(message)
            server.events.append(event)
            number, step = server.take()
            lane = {"stream_id": event["stream_id"]} if "stream_id" in event else {}
            if isinstance(step, Failed):
                error = {"type": "invalid_request_error", "code": step.code, "message": step.message}
                connection.send(json.dumps({"type": "error", "status": 400, "error": error, **lane}))
                continue
            answer = responses(Call("/v1/responses", {}, {**event, "stream": True}, step, number))
            for index, sent in enumerate(answer.events or ()):
                if index == step.drop_after_chunks:
                    cut(connection)
                    return
                _, _, data = sent.partition(b"data: ")
                connection.send(json.dumps({**json.loads(data), **lane}))
