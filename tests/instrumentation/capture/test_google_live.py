"""Live sessions of google-genai: each turn of the model is one span."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from google import genai
from google.genai import errors, types
from websockets.exceptions import ConnectionClosed

import vigilo
from vigilo.capture import gate
from vigilo.testing import ToolCall, Usage
from vigilo.testing.google_live import LiveServer

MODEL = "gemini-live-2.5-flash"
BROKEN = (errors.APIError, ConnectionClosed)  # as the version of the SDK has it
TOKENS = Usage(input_tokens=120, output_tokens=40, output_reasoning_tokens=16)
SPOKEN = Usage(input_tokens=120, output_tokens=40, input_audio_tokens=100, output_audio_tokens=30)
TEXT = {"response_modalities": ["TEXT"]}
SOUND = types.Blob(data=b"0" * 64, mime_type="audio/pcm;rate=16000")


@pytest.fixture
def live():
    with LiveServer() as server:
        yield server


@asynccontextmanager
async def connected(live, *, vertexai=False, model=MODEL, config=TEXT, client=None):
    client = client or genai.Client(api_key="any", vertexai=vertexai)
    live.adopt(client)
    try:
        async with client.aio.live.connect(model=model, config=config) as session:
            yield session
    finally:
        inner = client._api_client
        inner._httpx_client.close()
        await inner._async_httpx_client.aclose()


def hello(text="Hello there"):
    return types.Content(role="user", parts=[types.Part(text=text)])


async def ask(session, text="Hello there"):
    await session.send_client_content(turns=hello(text))
    return [message async for message in session.receive()]


def tokens(span):
    told = span.attributes
    return told.get("gen_ai.usage.input_tokens"), told.get("gen_ai.usage.output_tokens")


def said(span):
    return json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"]


@pytest.mark.parametrize(("vertexai", "provider"), [(False, "gcp.gemini"), (True, "gcp.vertex_ai")])
async def test_each_turn_is_one_span(instrumented, live, vertexai, provider):
    live.reply("Hello, Ada!", usage=TOKENS)
    live.reply("Bye, Ada!", usage=TOKENS)
    config = {**TEXT, "temperature": 0.5, "system_instruction": "Be kind"}
    async with connected(live, vertexai=vertexai, config=config) as session:
        await ask(session)
        await ask(session, "Bye")
    first, second = instrumented.spans()
    told = first.attributes
    assert first.name == f"generate_content {MODEL}"
    assert first.kind.name == "CLIENT"
    assert told["gen_ai.provider.name"] == provider
    assert told["gen_ai.request.temperature"] == 0.5
    assert told["gen_ai.request.stream"] is True
    assert told["gen_ai.output.type"] == "text"
    assert told.get("gen_ai.conversation.id") == ("session-1" if hasattr(session, "session_id") else None)
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.usage.reasoning.output_tokens"] == 16
    assert told["gen_ai.usage.cost"] > 0
    assert 0 < told["gen_ai.response.time_to_first_chunk"] < 60
    assert json.loads(told["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be kind"}]
    assert json.loads(told["gen_ai.input.messages"])[0]["parts"] == [{"type": "text", "content": "Hello there"}]
    assert [tokens(span) for span in (first, second)] == [(120, 40), (120, 40)]
    assert said(first) == [{"type": "text", "content": "Hello, Ada!"}]
    assert said(second) == [{"type": "text", "content": "Bye, Ada!"}]
    assert "Hello there" not in second.attributes["gen_ai.input.messages"]
    points = instrumented.points()
    assert sum(point.count for point in points["gen_ai.client.operation.duration"]) == 2


async def test_sound_is_told_by_its_tokens_and_its_words_never_by_its_bytes(instrumented, live):
    live.reply("Yes, I can.", usage=SPOKEN)
    async with connected(live, config={"response_modalities": ["AUDIO"]}) as session:
        await session.send_realtime_input(audio=SOUND)
        await session.send_realtime_input(audio=SOUND)
        assert instrumented.spans() == []
        await session.send_realtime_input(audio_stream_end=True)
        assert [message async for message in session.receive()]
    span = instrumented.span()
    told = span.attributes
    assert tokens(span) == (120, 40)
    assert (told["gen_ai.usage.audio.input_tokens"], told["gen_ai.usage.audio.output_tokens"]) == (100, 30)
    assert told["gen_ai.output.type"] == "speech"
    assert said(span) == [
        {"type": "blob", "modality": "audio", "mime_type": "audio/pcm;rate=24000"},
        {"type": "text", "content": "Yes, I can."},
    ]
    (heard,) = json.loads(told["gen_ai.input.messages"])
    assert heard["parts"] == [{"type": "text", "content": "Hello there, can you hear me?"}]
    assert 0 < told["gen_ai.response.time_to_first_chunk"] < 60


async def test_text_in_real_time_asks_too(instrumented, live):
    live.reply("Hello, Ada!", usage=TOKENS)
    async with connected(live) as session:
        await session.send_realtime_input(text="Hello there")
        assert [message async for message in session.receive()]
    assert tokens(instrumented.span()) == (120, 40)


async def test_contents_that_go_on_are_asked_together(instrumented, live):
    live.reply("Hello, Ada!", usage=TOKENS)
    async with connected(live) as session:
        await session.send_client_content(turns=hello("I am Ada."), turn_complete=False)
        assert instrumented.spans() == []
        await ask(session)
    asked = json.loads(instrumented.span().attributes["gen_ai.input.messages"])
    assert [message["parts"][0]["content"] for message in asked] == ["I am Ada.", "Hello there"]


async def test_a_call_of_a_tool_ends_a_turn_and_its_result_begins_one(instrumented, live):
    live.reply("", tool_calls=[ToolCall("look", {"where": "here"})], usage=TOKENS)
    live.reply("A cat.", usage=TOKENS)
    look = {"function_declarations": [{"name": "look"}]}
    async with connected(live, config={**TEXT, "tools": [look]}) as session:
        await session.send_client_content(turns=hello())
        called = (await anext(session.receive())).tool_call.function_calls[0]
        result = types.FunctionResponse(id=called.id, name=called.name, response={"seen": "a cat"})
        await session.send_tool_response(function_responses=[result])
        assert [message async for message in session.receive()]
    first, second = instrumented.spans()
    assert first.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert said(first) == [{"type": "tool_call", "id": "fc_0", "name": "look", "arguments": {"where": "here"}}]
    assert json.loads(first.attributes["gen_ai.tool.definitions"])[0]["name"] == "look"
    (answered,) = json.loads(second.attributes["gen_ai.input.messages"])[0]["parts"]
    assert answered == {"type": "tool_call_response", "id": "fc_0", "response": {"seen": "a cat"}}
    assert [tokens(span) for span in (first, second)] == [(120, 40), (120, 40)]


async def test_an_interrupted_turn_says_so(instrumented, live):
    live.reply("one two three", finish_reason="interrupted", usage=TOKENS)
    async with connected(live) as session:
        await ask(session)
    span = instrumented.span()
    assert span.attributes["gen_ai.response.finish_reasons"] == ("interrupted",)
    assert tokens(span) == (120, 40)
    assert said(span) == [{"type": "text", "content": "one "}]


async def test_a_session_that_breaks_off_fails_its_turn(instrumented, live):
    live.close(1011)
    with pytest.raises(BROKEN, match="bye"):
        async with connected(live) as session:
            await ask(session)
    span = instrumented.span()
    assert span.attributes["error.type"].endswith(("APIError", "ConnectionClosedError"))
    assert "http.response.status_code" not in span.attributes  # 1011 is a code of the websocket
    assert span.attributes["vigilo.live.go_away"] is True
    assert said(span) == [{"type": "text", "content": "I "}]


async def test_a_connection_that_is_cut_fails_its_turn(instrumented, live):
    live.reply("one two three", drop_after_chunks=1)
    with pytest.raises(BROKEN):
        async with connected(live) as session:
            await ask(session)
    assert instrumented.span().status.status_code.name == "ERROR"


async def test_a_session_that_is_closed_in_order_does_not_fail(instrumented, live):
    live.close(1000)
    with pytest.raises(BROKEN):
        async with connected(live) as session:
            await ask(session)
    span = instrumented.span()
    assert span.status.status_code.name == "UNSET"
    assert span.attributes["vigilo.stream.ended_by"] == "close"


async def test_leaving_a_session_ends_its_turn(instrumented, live):
    live.reply("one two three", chunk_delay_s=0.05)
    async with connected(live) as session:
        await session.send_client_content(turns=hello())
        await anext(session.receive())
        assert instrumented.spans() == []
    assert instrumented.span().attributes["vigilo.stream.ended_by"] == "close"


async def test_a_wait_that_is_given_up_loses_nothing(instrumented, live):
    live.reply("one two", chunk_delay_s=0.3, usage=TOKENS)
    async with connected(live) as session:
        await session.send_client_content(turns=hello())
        await anext(session.receive())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(session.receive()), 0.05)
        assert instrumented.spans() == []
        assert [message async for message in session.receive()]
    assert tokens(instrumented.span()) == (120, 40)


async def test_a_session_that_does_not_open_is_a_failed_call(instrumented, live):
    with pytest.raises(BROKEN, match="quota"):
        async with connected(live, model="quota"):
            pass
    span = instrumented.span()
    assert span.name == "generate_content quota"
    assert span.attributes["error.type"].endswith(("APIError", "ConnectionClosedError"))


async def test_a_session_without_a_turn_makes_no_span(instrumented, live):
    async with connected(live):
        pass
    assert instrumented.spans() == []


async def test_spans_of_the_app_keep_their_parent(instrumented, live):
    tracer = instrumented.tracer_provider.get_tracer("app")
    with tracer.start_as_current_span("outer") as outer:
        async with connected(live) as session:
            await session.send_client_content(turns=hello())
            async for _ in session.receive():
                with tracer.start_as_current_span("inner"):
                    pass
    spans = [span for span in instrumented.spans() if span.name != "outer"]
    assert len(spans) > 2
    assert {span.parent.span_id for span in spans} == {outer.get_span_context().span_id}


async def test_the_gate_keeps_a_session_from_opening(instrumented, live):
    with refusing("no more"), pytest.raises(PermissionError, match="no more"):
        async with connected(live):
            pass
    assert live.messages == []
    assert instrumented.span().attributes["error.type"] == "PermissionError"


async def test_the_gate_keeps_a_turn_from_the_provider_and_the_session_goes_on(instrumented, live):
    async with connected(live) as session:
        with refusing("not now"), pytest.raises(PermissionError, match="not now"):
            await session.send_client_content(turns=hello("secret"))
        await ask(session)
    assert "secret" not in json.dumps(live.messages)
    refused, answered = instrumented.spans()
    assert refused.attributes["error.type"] == "PermissionError"
    assert answered.attributes["gen_ai.response.finish_reasons"] == ("stop",)


class refusing:  # noqa: N801 - used like a function
    def __init__(self, words):
        self._words = words

    def __enter__(self):
        gate.add_guard(self._guard)

    def __exit__(self, *_):
        gate.remove_guard(self._guard)

    def _guard(self, request):
        raise PermissionError(self._words)


async def test_a_wrapped_client_is_seen_alone(telemetry, live):
    seen = genai.Client(api_key="any")
    vigilo.wrap(seen, **telemetry.providers)
    async with connected(live) as session:
        await ask(session)
    assert telemetry.spans() == []
    async with connected(live, client=seen) as session:
        await ask(session)
    assert len(telemetry.spans()) == 1
    vigilo.unwrap(seen)


async def test_private_sessions_tell_no_words(telemetry, live, monkeypatch):
    monkeypatch.setenv("VIGILO_CONTENT", "off")
    vigilo.instrument(**telemetry.providers)
    try:
        live.reply("Yes, I can.", usage=SPOKEN)
        async with connected(live) as session:
            await ask(session, "my secret")
    finally:
        vigilo.uninstrument()
    span = telemetry.span()
    assert tokens(span) == (120, 40)
    assert "secret" not in span.to_json()
    assert "Yes" not in span.to_json()
