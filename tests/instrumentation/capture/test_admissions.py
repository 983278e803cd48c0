"""Whatever becomes of a call, each admission is settled once, with what came back and with the error of the app."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types
from opentelemetry.instrumentation.utils import suppress_instrumentation
from tests.matrix.admitting import Admitted, AdmittingGuard

import vigilo
from vigilo.capture import gate
from vigilo.policy.pause import Pause
from vigilo.settings import app_settings
from vigilo.testing import Usage
from vigilo.testing.google_live import LiveServer
from vigilo.testing.realtime import RealtimeServer

ASKED = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "gpt-4o-mini", "messages": ASKED}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": ASKED}
GENERATE = {"model": "gemini-2.5-flash", "contents": "Hello"}
USAGE = Usage(input_tokens=120, output_tokens=40)
NOBODY = "http://127.0.0.1:9"
IMPATIENT_S = 0.2


@pytest.fixture
def guard(instrumented):
    guard = AdmittingGuard()
    gate.add_guard(guard)
    yield guard
    gate.remove_guard(guard)


class Slow:
    """Has each call wait, and says whether it was left while it waited."""

    def __init__(self, wait_s):
        self.wait_s = wait_s
        self.waits = threading.Event()
        self.left_by = None

    def __call__(self, request):
        try:
            self.waits.set()
            yield Pause(self.wait_s)
        except BaseException as error:
            self.left_by = type(error)
            raise
        return None


@pytest.fixture
def slow():
    slow = Slow(30.0)
    gate.add_guard(slow)
    yield slow
    gate.remove_guard(slow)


def settled(guard):
    """How the only call ended."""
    gc.collect()
    (admitted,) = guard.admitted
    assert len(admitted.ends) == 1
    return admitted.ends[0]


class Caller:
    """One SDK's client and its plainest call."""

    def __init__(self, make, close, call, refused, **options):
        self.client = make(**options)
        self._close, self.call, self.refused = close, call, refused

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._close(self.client)


def openai_caller(url=None, timeout_s=None, retries=0):
    options = {"max_retries": retries, "timeout": timeout_s} if timeout_s else {"max_retries": retries}
    if url:
        options["base_url"] = f"{url}/v1"
    return Caller(
        openai.OpenAI,
        lambda client: client.close(),
        lambda client: client.chat.completions.create(**CHAT),
        openai.APIError,
        **options,
    )


def anthropic_caller(url=None, timeout_s=None, retries=0):
    options = {"max_retries": retries, "timeout": timeout_s} if timeout_s else {"max_retries": retries}
    if url:
        options["base_url"] = url
    return Caller(
        anthropic.Anthropic,
        lambda client: client.close(),
        lambda client: client.messages.create(**MESSAGE),
        anthropic.APIError,
        **options,
    )


def google_caller(url=None, timeout_s=None, retries=0):
    options = types.HttpOptions(
        base_url=url,
        timeout=int(timeout_s * 1000) if timeout_s else None,
        retry_options=types.HttpRetryOptions(attempts=retries + 1, initial_delay=0.01) if retries else None,
    )
    return Caller(
        genai.Client,
        lambda client: client.close(),
        lambda client: client.models.generate_content(**GENERATE),
        Exception,  # an error of its own for a status, and its HTTP client's for all else
        http_options=options,
    )


CALLERS = pytest.mark.parametrize(
    "caller", [openai_caller, anthropic_caller, google_caller], ids=["openai", "anthropic", "google"]
)


@CALLERS
def test_an_answer(guard, server, caller):
    server.reply(usage=USAGE)
    with caller() as app:
        app.call(app.client)
    response, error = settled(guard)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (120, 40)
    assert error is None


@CALLERS
@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_error_status(guard, server, caller, status):
    server.fail(status, retry_after_s=0.01)
    with caller() as app, pytest.raises(app.refused) as raised:
        app.call(app.client)
    assert settled(guard) == (None, raised.value)


@CALLERS
def test_all_attempts_failed(guard, server, caller):
    server.fail(429, retry_after_s=0.01, times=3)
    with caller(retries=2) as app, pytest.raises(app.refused) as raised:
        app.call(app.client)
    assert len(server.requests) == 3
    assert settled(guard) == (None, raised.value)


@CALLERS
def test_an_attempt_failed_and_the_next_one_did_not(guard, server, caller):
    server.fail(500)
    server.reply(usage=USAGE)
    with caller(retries=2) as app:
        app.call(app.client)
    assert len(server.requests) == 2
    response, error = settled(guard)
    assert response.usage.output_tokens == 40
    assert error is None


@CALLERS
def test_a_connection_that_was_refused(guard, server, caller):
    with caller(NOBODY) as app, pytest.raises(app.refused) as raised:
        app.call(app.client)
    assert settled(guard) == (None, raised.value)


@CALLERS
def test_a_time_out(guard, server, caller):
    server.hang()
    with caller(timeout_s=IMPATIENT_S) as app, pytest.raises(app.refused) as raised:
        app.call(app.client)
    assert settled(guard) == (None, raised.value)


@CALLERS
def test_an_answer_that_was_cut_off(guard, server, caller):
    server.drop(after_chunks=0)
    with caller() as app, pytest.raises(app.refused) as raised:
        app.call(app.client)
    assert settled(guard) == (None, raised.value)


@CALLERS
def test_a_call_in_a_thread(guard, server, caller):
    with caller() as app:
        thread = threading.Thread(target=app.call, args=(app.client,))
        thread.start()
        thread.join()
    assert settled(guard)[1] is None


def test_a_body_that_cannot_be_sent(guard, server):
    with openai.OpenAI() as client, pytest.raises(TypeError) as raised:
        client.chat.completions.create(**CHAT, extra_body={"unsendable": object()})
    assert server.requests == []
    assert settled(guard) == (None, raised.value)


@CALLERS
@pytest.mark.parametrize("fails", [False, True])
def test_a_call_that_somebody_else_records(guard, instrumented, server, caller, fails):
    if fails:
        server.fail(400)
    else:
        server.reply(usage=USAGE)
    with caller() as app, suppress_instrumentation(), vigilo.balance() as b:
        if fails:
            with pytest.raises(app.refused):
                app.call(app.client)
        else:
            app.call(app.client)
    response, error = settled(guard)
    assert (response is None) is (error is not None) is fails
    assert b.delta[:3] == ((0, 0, 0) if fails else (1, 120, 40))
    assert instrumented.spans() == []


RAW = {
    "raw, dropped": lambda client: client.chat.completions.with_raw_response.create(**CHAT),
    "raw stream, dropped": lambda client: client.chat.completions.with_raw_response.create(**CHAT, stream=True),
    "never entered": lambda client: client.chat.completions.with_streaming_response.create(**CHAT),
}


@pytest.mark.parametrize("call", RAW.values(), ids=RAW)
def test_a_raw_response_that_nobody_reads(guard, server, call):
    with openai.OpenAI() as client:
        call(client)
        if not server.requests:
            assert guard.admitted == []  # nothing is sent, and so nobody is asked, before it is entered
            return
        response, error = settled(guard)
    assert response is not None
    assert error is None


@pytest.mark.parametrize("streams", [False, True])
def test_a_streaming_response_that_is_left_early(guard, server, streams):
    asked = {**CHAT, "stream": True} if streams else CHAT
    with openai.OpenAI() as client:
        with client.chat.completions.with_streaming_response.create(**asked):
            pass
        response, error = settled(guard)
    assert response is not None
    assert error is None


def test_a_stream_that_broke_off_tells_what_came(guard, server):
    server.reply("one two three four five six", chunks=6, drop_after_chunks=5)
    with anthropic.Anthropic() as client, pytest.raises(Exception) as raised:
        list(client.messages.create(**MESSAGE, stream=True))
    response, error = settled(guard)
    assert error is raised.value
    assert response.usage.input_tokens
    assert response.usage.output_tokens is None
    assert response.output[0]["parts"][0]["content"].startswith("one")


@pytest.mark.parametrize("content", ["masked", "off"])
@pytest.mark.parametrize("sdk", ["openai", "responses", "anthropic", "google"])
def test_what_came_of_a_dropped_stream_is_known_to_guards_only_where_content_is_off(
    guard, instrumented, server, monkeypatch, content, sdk
):
    with monkeypatch.context() as patch:
        patch.setenv("VIGILO_CONTENT", content)
        _reinstrument(instrumented)
        server.reply("one two three four five six seven eight", chunks=8)
        calls = {
            "openai": (openai.OpenAI, lambda c: c.chat.completions.create(**CHAT, stream=True)),
            "responses": (openai.OpenAI, lambda c: c.responses.create(model="gpt-4o-mini", input="Hi", stream=True)),
            "anthropic": (anthropic.Anthropic, lambda c: c.messages.create(**MESSAGE, stream=True)),
            "google": (genai.Client, lambda c: c.models.generate_content_stream(**GENERATE)),
        }
        make, call = calls[sdk]
        with make() as client:
            stream = call(client)
            for _ in range(6):
                next(stream)
            del stream
            response, error = settled(guard)
    assert error is None
    assert response.output[0]["parts"][0]["content"].startswith("one")
    assert ("gen_ai.output.messages" in instrumented.span().attributes) is (content == "masked")


def _reinstrument(telemetry):
    app_settings.cache_clear()
    vigilo.uninstrument()
    vigilo.instrument(**telemetry.providers)


async def read(stream):
    return [chunk async for chunk in await stream]


ASYNC = {
    "openai": (openai.AsyncOpenAI, lambda c: c.chat.completions.create(**CHAT)),
    "openai, stream": (openai.AsyncOpenAI, lambda c: c.chat.completions.create(**CHAT, stream=True)),
    "anthropic": (anthropic.AsyncAnthropic, lambda c: c.messages.create(**MESSAGE)),
    "google": (genai.Client, lambda c: c.aio.models.generate_content(**GENERATE)),
    "google, stream": (genai.Client, lambda c: read(c.aio.models.generate_content_stream(**GENERATE))),
}
ASYNC_CALLS = pytest.mark.parametrize(("make", "call"), ASYNC.values(), ids=ASYNC)


async def close(client):
    if isinstance(client, genai.Client):
        await client.aio.aclose()
        client.close()
    else:
        await client.close()


@ASYNC_CALLS
async def test_a_task_that_is_cancelled_before_the_answer(guard, server, make, call):
    server.hang()
    client = make()
    task = asyncio.ensure_future(call(client))
    while not server.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await close(client)
    response, error = settled(guard)
    assert response is None
    assert isinstance(error, asyncio.CancelledError)


@ASYNC_CALLS
async def test_a_task_that_is_cancelled_while_it_waits_for_its_turn(guard, slow, server, make, call):
    client = make()
    task = asyncio.ensure_future(call(client))
    while not slow.waits.is_set():
        await asyncio.sleep(0.01)  # the loop goes on while the call waits
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await close(client)
    assert server.requests == []
    assert slow.left_by is GeneratorExit
    assert settled(guard) == (None, None)  # it was let pass by the first guard, and taken back


def test_an_interrupt_while_a_call_waits_for_its_turn(guard, slow, server, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("vigilo.policy.pause.time.sleep", interrupt)
    with openai.OpenAI() as client, pytest.raises(KeyboardInterrupt):
        client.chat.completions.create(**CHAT)
    monkeypatch.undo()
    assert server.requests == []
    assert slow.left_by is GeneratorExit
    assert settled(guard) == (None, None)


class Retrying(Admitted):
    """Takes over the retries: has a call wait after each attempt that failed, and be made again."""

    takes_over_retries = True
    wait_s = 0.01

    def again(self, error, attempts, retries):
        self.seen = (attempts, retries)
        if attempts > retries:
            return False
        yield Pause(self.wait_s)
        return True


@pytest.fixture
def retrying():
    calls = []

    def guard(request):
        calls.append(Retrying(request))
        return calls[-1]
        yield

    gate.add_guard(guard)
    yield calls
    gate.remove_guard(guard)


@CALLERS
@pytest.mark.parametrize("failures", [1, 2, 3])
def test_retries_are_taken_over(instrumented, retrying, server, caller, failures):
    server.fail(503, times=failures)
    server.reply(usage=USAGE)
    with caller(retries=2) as app:
        if failures == 3:
            with pytest.raises(app.refused):
                app.call(app.client)
        else:
            app.call(app.client)
    (call,) = retrying
    assert len(server.requests) == min(failures + 1, 3)
    assert call.seen == (failures, 2)
    assert len(call.ends) == 1
    assert (call.ends[0][0] is None) is (failures == 3)
    assert instrumented.span().attributes["http.request.resend_count"] == min(failures, 2)


@pytest.mark.parametrize("per_request", [False, True])
async def test_retries_of_google_are_taken_over_in_tasks_and_streams(instrumented, retrying, server, per_request):
    options = {"retry_options": types.HttpRetryOptions(attempts=2)}
    asked = {**GENERATE, "config": types.GenerateContentConfig(http_options=options)} if per_request else GENERATE
    client = genai.Client(http_options=None if per_request else types.HttpOptions(**options))
    server.fail(503, times=1)
    await client.aio.models.generate_content(**asked)
    server.fail(503, times=1)
    async for _ in await client.aio.models.generate_content_stream(**asked):
        pass
    server.fail(503, times=1)
    list(client.models.generate_content_stream(**asked))
    await close(client)
    assert [call.seen for call in retrying] == [(1, 1)] * 3
    assert [len(call.ends) for call in retrying] == [1] * 3
    assert len(server.requests) == 6


async def test_a_task_that_is_cancelled_between_two_attempts(instrumented, retrying, server, monkeypatch):
    monkeypatch.setattr(Retrying, "wait_s", 30.0)
    server.fail(503)
    client = openai.AsyncOpenAI()
    task = asyncio.ensure_future(client.chat.completions.create(**CHAT))
    while not (retrying and hasattr(retrying[0], "seen")):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.close()
    (call,) = retrying
    ((response, error),) = call.ends
    assert response is None
    assert isinstance(error, asyncio.CancelledError)


def test_what_is_fetched_later_is_told_to_guards_and_never_refused(guard, server):
    server.reply("one", usage=USAGE, times=3)
    with openai.OpenAI() as client:
        made = client.responses.create(model="gpt-4o-mini", input="Hello", background=True)

        def refuse(request):
            raise RuntimeError

        gate.add_guard(refuse)
        try:
            for _ in range(2):
                assert client.responses.retrieve(f"{made.id}_guarded").status == "completed"
        finally:
            gate.remove_guard(refuse)
    started, fetched = guard.admitted
    assert (started.request.operation, fetched.request.operation) == ("chat", "fetch_response")
    assert [len(call.ends) for call in guard.admitted] == [1, 1]
    assert fetched.ends[0][0].usage.output_tokens == 40


BEGUN = """
import contextlib, os, sys
import openai
import vigilo
from vigilo.capture import gate
from tests.matrix.admitting import AdmittingGuard

os.environ["VIGILO_RAISE_INTERNAL"] = "1"
guard = AdmittingGuard()
gate.add_guard(guard)
"""
OPEN = """
vigilo.instrument()
client = openai.OpenAI()
ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
stream = client.chat.completions.create(**ASKED, stream=True)
next(stream)
raw = client.chat.completions.with_streaming_response.create(**ASKED)
unread = raw.__enter__()
"""
FORKED = """
child = os.fork()
if child == 0:
    stream.close()
    with contextlib.suppress(openai.APIConnectionError):  # the SDK's, where the answer had not come whole yet
        list(stream)
    raw.__exit__(None, None, None)
    del stream, unread, raw
    import gc
    gc.collect()
    os._exit(10 + sum(len(call.ends) for call in guard.admitted))
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 10, status
assert [len(call.ends) for call in guard.admitted] == [0, 0]
list(stream)
raw.__exit__(None, None, None)
assert [len(call.ends) for call in guard.admitted] == [1, 1]
"""
EXITING = """
import atexit

@atexit.register  # the first one comes last
def tell():
    print([len(call.ends) for call in guard.admitted], flush=True)
    os._exit(0)  # Python 3.13.0 crashes as it collects an open stream after this, without vigilo as well
"""


def run_app(script, server):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    environment = {**os.environ, **server.environment(), "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_settles_nothing_of_its_parents(server):
    run_app(BEGUN + OPEN + FORKED, server)


def test_what_is_open_when_the_interpreter_exits_is_settled(server):
    assert run_app(BEGUN + EXITING + OPEN, server).strip() == "[1, 1]"


@pytest.fixture
def live():
    with LiveServer() as server:
        yield server


async def test_a_live_turn_that_was_refused_does_not_let_the_next_one_pass_unasked(guard, live):
    client = genai.Client(api_key="any")
    live.adopt(client)
    live.reply("Hello", usage=USAGE)
    refusals = [errors.APIError, errors.APIError]

    class RefusedError(Exception):
        pass

    def refuse(request):
        if refusals:
            refusals.pop()
            raise RefusedError

    turn = types.Content(role="user", parts=[types.Part(text="Hello there")])
    async with client.aio.live.connect(model="gemini-live-2.5-flash", config={"response_modalities": ["TEXT"]}) as it:
        gate.add_guard(refuse)
        try:
            for _ in range(2):
                with pytest.raises(RefusedError):
                    await it.send_client_content(turns=turn)
            await it.send_client_content(turns=turn)
            async for _ in it.receive():
                pass
        finally:
            gate.remove_guard(refuse)
    await close(client)
    opening, *turns = guard.admitted
    assert opening.ends == [(None, None)]
    assert [call.sent for call in turns] == [False, False, True]
    assert [len(call.ends) for call in turns] == [1, 1, 1]
    assert turns[-1].ends[0][0].usage.output_tokens == 40


@pytest.mark.skipif(not hasattr(openai.OpenAI, "realtime"), reason="this SDK has the beta only")
async def test_the_loop_goes_on_while_a_response_of_a_session_waits_for_its_turn(guard):
    slow, ticks = Slow(0.3), []

    async def tick():
        while True:
            ticks.append(None)
            await asyncio.sleep(0.01)

    with RealtimeServer() as realtime:
        realtime.reply("Hello", usage=USAGE)
        urls = {"base_url": realtime.openai_url, "websocket_base_url": realtime.websocket_url}
        async with (
            openai.AsyncOpenAI(api_key="any", **urls) as client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            gate.add_guard(slow)
            ticking = asyncio.create_task(tick())
            try:
                await connection.response.create()
            finally:
                gate.remove_guard(slow)
                ticking.cancel()
            async for event in connection:
                if event.type == "response.done":
                    break
    assert len(ticks) > 3
    assert settled(guard)[0].usage.output_tokens == 40


async def test_a_turn_that_begins_with_sound_is_told_to_guards_and_not_stopped(guard, live):
    def refuse(request):
        if opened:
            raise RuntimeError

    opened = []
    client = genai.Client(api_key="any")
    live.adopt(client)
    live.reply("Yes", usage=USAGE)
    gate.add_guard(refuse)
    try:
        sound = types.Blob(data=b"0" * 64, mime_type="audio/pcm;rate=16000")
        config = {"response_modalities": ["AUDIO"]}
        async with client.aio.live.connect(model="gemini-live-2.5-flash", config=config) as session:
            opened.append(True)
            await session.send_realtime_input(audio=sound)
            await session.send_realtime_input(audio_stream_end=True)
            assert [message async for message in session.receive()]
    finally:
        gate.remove_guard(refuse)
    await close(client)
    _, turn = guard.admitted
    ((response, error),) = turn.ends
    assert response.usage.output_tokens == 40
    assert error is None
