"""What the gate refuses is never sent, in any style of call."""

import anthropic
import openai
import pytest
from google import genai
from pydantic import BaseModel

from vigilo.capture import gate

ASKED = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "gpt-4o-mini", "messages": ASKED}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": ASKED}
GENERATE = {"model": "gemini-2.5-flash", "contents": "Hello"}


class Answer(BaseModel):
    text: str


class RefusedError(Exception):
    pass


@pytest.fixture
def closed():
    """A gate that refuses everything; gives the requests it was asked about."""
    asked = []

    def refuse(request):
        asked.append(request)
        raise RefusedError(request.operation)

    gate.add_guard(refuse)
    gate.add_guard(refuse)
    yield asked
    gate.remove_guard(refuse)


def enter(manager):
    with manager:
        pass


OPENAI = {
    "chat": lambda c: c.chat.completions.create(**CHAT),
    "chat stream": lambda c: c.chat.completions.create(**CHAT, stream=True),
    "chat raw": lambda c: c.chat.completions.with_raw_response.create(**CHAT),
    "chat streaming response": lambda c: enter(c.chat.completions.with_streaming_response.create(**CHAT)),
    "chat parse": lambda c: c.chat.completions.parse(**CHAT, response_format=Answer),
    "chat helper": lambda c: enter(c.chat.completions.stream(**CHAT)),
    "chat copy": lambda c: c.with_options(max_retries=5).chat.completions.create(**CHAT),
    "responses": lambda c: c.responses.create(model="gpt-4o-mini", input="Hello"),
    "responses stream": lambda c: c.responses.create(model="gpt-4o-mini", input="Hello", stream=True),
    "responses parse": lambda c: c.responses.parse(model="gpt-4o-mini", input="Hello", text_format=Answer),
    "responses helper": lambda c: enter(c.responses.stream(model="gpt-4o-mini", input="Hello")),
    "embeddings": lambda c: c.embeddings.create(model="text-embedding-3-small", input="Hello"),
    "completions": lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hello"),
    "images": lambda c: c.images.generate(model="gpt-image-1", prompt="Hello"),
    "speech": lambda c: c.audio.speech.create(model="tts-1", voice="alloy", input="Hello"),
    "transcription": lambda c: c.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF")),
    "moderations": lambda c: c.moderations.create(input="Hello"),
}
ANTHROPIC = {
    "messages": lambda c: c.messages.create(**MESSAGE),
    "messages stream": lambda c: c.messages.create(**MESSAGE, stream=True),
    "messages raw": lambda c: c.messages.with_raw_response.create(**MESSAGE),
    "messages helper": lambda c: enter(c.messages.stream(**MESSAGE)),
    "beta": lambda c: c.beta.messages.create(**MESSAGE),
    "count tokens": lambda c: c.messages.count_tokens(model="claude-haiku-4-5", messages=ASKED),
    "copy": lambda c: c.with_options(max_retries=5).messages.create(**MESSAGE),
}
GOOGLE = {
    "generate": lambda c: c.models.generate_content(**GENERATE),
    "stream": lambda c: list(c.models.generate_content_stream(**GENERATE)),
    "chat": lambda c: c.chats.create(model="gemini-2.5-flash").send_message("Hello"),
    "embed": lambda c: c.models.embed_content(model="gemini-embedding-001", contents="Hello"),
}
STYLES = [
    (client, name, call)
    for client, calls in ((openai.OpenAI, OPENAI), (anthropic.Anthropic, ANTHROPIC), (genai.Client, GOOGLE))
    for name, call in calls.items()
]


@pytest.mark.parametrize(("client", "call"), [(c, call) for c, _, call in STYLES], ids=[name for _, name, _ in STYLES])
def test_a_refused_call_is_not_sent_and_the_app_gets_the_refusal(instrumented, server, closed, client, call):
    with client() as opened, pytest.raises(RefusedError):
        call(opened)
    assert server.requests == []
    assert len(closed) == 1  # asked once a call, however often the guard was added
    span = instrumented.span()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["error.type"].endswith(".RefusedError")


ASYNC = {
    openai.AsyncOpenAI: (
        lambda c: c.chat.completions.create(**CHAT),
        lambda c: c.chat.completions.create(**CHAT, stream=True),
        lambda c: c.chat.completions.with_raw_response.create(**CHAT),
        lambda c: c.chat.completions.stream(**CHAT).__aenter__(),
    ),
    anthropic.AsyncAnthropic: (
        lambda c: c.messages.create(**MESSAGE),
        lambda c: c.messages.stream(**MESSAGE).__aenter__(),
    ),
}


@pytest.mark.parametrize(("client", "call"), [(client, call) for client, calls in ASYNC.items() for call in calls])
async def test_a_refused_async_call_is_not_sent(instrumented, server, closed, client, call):
    async with client() as opened:
        with pytest.raises(RefusedError):
            await call(opened)
    assert server.requests == []
    assert instrumented.span().status.status_code.name == "ERROR"


async def test_a_refused_async_call_of_google_is_not_sent(instrumented, server, closed):
    client = genai.Client()
    with pytest.raises(RefusedError):
        await client.aio.models.generate_content(**GENERATE)
    with pytest.raises(RefusedError):
        await (await client.aio.models.generate_content_stream(**GENERATE)).__anext__()
    await client.aio.aclose()
    client.close()
    assert server.requests == []
    assert len(instrumented.spans()) == 2


def test_the_guard_sees_what_is_asked_and_may_let_it_pass(instrumented, server):
    seen = []
    gate.add_guard(seen.append)
    try:
        with openai.OpenAI() as client:
            server.fail(429, retry_after_s=0.01)
            client.chat.completions.create(**CHAT)
    finally:
        gate.remove_guard(seen.append)
    (request,) = seen  # once for both attempts
    assert (request.operation, request.provider, request.model) == ("chat", "openai", "gpt-4o-mini")
    assert len(server.requests) == 2
