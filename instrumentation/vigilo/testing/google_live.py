"""Google's live API on 127.0.0.1; needs the package ``websockets``, so nothing else here imports this module.

    with LiveServer() as server:
        client = genai.Client(api_key="any")
        server.adopt(client)
        server.reply("Hello, Ada!", usage=Usage(input_tokens=12, output_tokens=4))
        async with client.aio.live.connect(model="gemini-live-2.5-flash") as session:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "Hello"}]})

Shapes: the API reference of Google, "Live API: WebSockets" (ai.google.dev, 2026-11).
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from vigilo.testing.completion import Completion, Prompt, complete
from vigilo.testing.google_usage import usage_json
from vigilo.testing.script import Reply, ReplyFields

if TYPE_CHECKING:
    from typing_extensions import Unpack
    from websockets.sync.server import ServerConnection

    from vigilo.testing.wire import Json

_SOUND = base64.b64encode(bytes(240)).decode()
_HEARD = "Hello there, can you hear me?"


class LiveServer:
    """Live sessions for apps and tests that must run without a key. Use it as a context manager.

    What is scripted with ``reply`` and ``close`` is used up by turns in the order it was given. A reply whose finish
    reason is ``interrupted`` breaks off after its first piece; one with ``drop_after_chunks`` cuts the connection after
    so many.
    """

    def __init__(self) -> None:
        self.messages: list[Json] = []
        """What clients sent, oldest first."""
        self._steps: deque[Reply | int] = deque()

    def __enter__(self) -> LiveServer:
        self._server = serve(lambda connection: _Session(self, connection).run(), "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever, name="vigilo-live", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()

    def adopt(self, client: Any) -> None:
        """Makes a ``google.genai.Client`` open its sessions here, without TLS, on which the SDK insists otherwise."""
        address = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        client._api_client._websocket_base_url = lambda *_: address
        client._api_client._websocket_ssl_ctx = {}

    def reply(self, text: str | None = None, **fields: Unpack[ReplyFields]) -> None:
        """Answers the next turn with this text, spoken where sound is asked for."""
        self._steps.append(Reply(text=text, **fields))

    def close(self, code: int) -> None:
        """Closes the connection in the next turn, after announcing it and a first piece of an answer."""
        self._steps.append(code)

    def take(self) -> Reply | int:
        return self._steps.popleft() if self._steps else Reply()


class _Session:
    """One connection: what it is told, and what it answers."""

    def __init__(self, server: LiveServer, connection: ServerConnection) -> None:
        self._server = server
        self._socket = connection
        self._setup: Json = {}
        self._said: list[str] = []

    def run(self) -> None:
        with suppress(ConnectionClosed):
            for message in self._socket:
                body = json.loads(message)
                self._server.messages.append(body)
                self._receive(body)

    def _receive(self, body: Json) -> None:
        if "setup" in body:
            self._setup = body["setup"]
            if "quota" in self._setup["model"]:
                self._socket.close(1011, "You exceeded your current quota")
                return
            self._send({"setupComplete": {"sessionId": "session-1"}})
        elif "client_content" in body:
            content = body["client_content"]
            self._said += [
                part["text"] for turn in content.get("turns") or () for part in turn["parts"] if "text" in part
            ]
            if content.get("turnComplete", content.get("turn_complete", True)):
                self._answer()
        elif "tool_response" in body:
            self._answer(tuple(str(one.get("response")) for one in body["tool_response"]["functionResponses"]))
        elif "audioStreamEnd" in body["realtime_input"] or "activityEnd" in body["realtime_input"]:
            self._send({"serverContent": {"inputTranscription": {"text": _HEARD}}})
            self._said.append(_HEARD)
            self._answer()
        elif (text := body["realtime_input"].get("text")) is not None:
            self._said.append(text)
            self._answer()

    def _answer(self, results: tuple[str, ...] = ()) -> None:
        step = self._server.take()
        if isinstance(step, int):
            self._send({"goAway": {"timeLeft": "1s"}})
            self._send({"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": "I "}]}}})
            self._socket.close(step, "bye")
            return
        made = complete(self._prompt(results), step)
        # Vertex AI, whose models have a publisher, has the names of its other endpoints here too.
        usage = usage_json(made.usage, said="candidates" if "publishers/" in self._setup["model"] else "response")
        if made.tool_calls:
            calls = [
                {"id": f"fc_{n}", "name": c.name, "args": dict(c.arguments)} for n, c in enumerate(made.tool_calls)
            ]
            self._send({"toolCall": {"functionCalls": calls}, "usageMetadata": usage})
            return
        for index, piece in enumerate(self._pieces(made)):
            if index == step.drop_after_chunks:
                with suppress(OSError):
                    self._socket.socket.shutdown(socket.SHUT_RDWR)
                return
            time.sleep(step.chunk_delay_s if index else 0)
            self._send({"serverContent": piece})
            if made.finish_reason == "interrupted":
                self._send({"serverContent": {"interrupted": True}})
                break
        else:
            self._send({"serverContent": {"generationComplete": True}})
        self._send({"serverContent": {"turnComplete": True}, "usageMetadata": usage})

    def _prompt(self, results: tuple[str, ...]) -> Prompt:
        model = self._setup["model"].rpartition("/")[2]
        last = self._said[-1] if self._said else ""
        return Prompt(model=model, texts=tuple(self._said), last_user=last, tool_results=results)

    def _pieces(self, made: Completion) -> list[Json]:
        """The messages of an answer: texts, or sound with what is said in it."""
        config = self._setup.get("generationConfig") or {}
        if "AUDIO" not in (config.get("responseModalities") or ()):
            return [{"modelTurn": {"role": "model", "parts": [{"text": piece}]}} for piece in made.pieces]
        sound = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": _SOUND}}
        told = [{"modelTurn": {"role": "model", "parts": [sound]}} for _ in made.pieces]
        return [*told, {"outputTranscription": {"text": made.text}}]

    def _send(self, body: Json) -> None:
        with suppress(ConnectionClosed):
            self._socket.send(json.dumps(body).encode())
