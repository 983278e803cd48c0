"""The local provider's live sessions through Google's own SDK."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from google import genai
from google.genai import types

from vigilo.testing import ToolCall, Usage
from vigilo.testing.google_live import LiveServer

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "gemini-live-2.5-flash"
HELLO = types.Content(role="user", parts=[types.Part(text="Hello there")])


@pytest.fixture
def live() -> Iterator[LiveServer]:
    with LiveServer() as server:
        yield server


@asynccontextmanager
async def connected(live: LiveServer, modality: str):
    client = genai.Client(api_key="any", vertexai=False)
    live.adopt(client)
    async with client.aio.live.connect(model=MODEL, config={"response_modalities": [modality]}) as session:
        yield session
    client._api_client._httpx_client.close()
    await client._api_client._async_httpx_client.aclose()


async def test_answers_a_turn_with_its_usage(live: LiveServer) -> None:
    live.reply("one two", usage=Usage(input_tokens=12, output_tokens=4))
    async with connected(live, "TEXT") as session:
        await session.send_client_content(turns=HELLO)
        messages = [message async for message in session.receive()]
    assert "".join(message.text or "" for message in messages) == "one two"
    used = messages[-1].usage_metadata
    assert (used.prompt_token_count, used.response_token_count, used.total_token_count) == (12, 4, 16)
    assert [next(iter(message)) for message in live.messages] == ["setup", "client_content"]


async def test_speaks_when_the_sound_ends(live: LiveServer) -> None:
    live.reply("Yes, I can.", usage=Usage(input_tokens=12, output_tokens=4, output_audio_tokens=3))
    async with connected(live, "AUDIO") as session:
        await session.send_realtime_input(audio=types.Blob(data=b"00", mime_type="audio/pcm"))
        await session.send_realtime_input(audio_stream_end=True)
        messages = [message async for message in session.receive()]
    contents = [message.server_content for message in messages]
    assert contents[0].input_transcription.text == "Hello there, can you hear me?"
    assert any(content.output_transcription and content.output_transcription.text for content in contents)
    assert all(message.data for message in messages if message.server_content.model_turn)
    assert messages[-1].usage_metadata.response_tokens_details[1].token_count == 3


async def test_calls_a_tool_and_answers_its_result(live: LiveServer) -> None:
    live.reply("", tool_calls=[ToolCall("look")])
    async with connected(live, "TEXT") as session:
        await session.send_client_content(turns=HELLO)
        called = (await anext(session.receive())).tool_call.function_calls[0]
        result = types.FunctionResponse(id=called.id, name=called.name, response={"seen": "a cat"})
        await session.send_tool_response(function_responses=[result])
        said = "".join([message.text or "" async for message in session.receive()])
    assert said == "I looked it up for you: {'seen': 'a cat'}"
