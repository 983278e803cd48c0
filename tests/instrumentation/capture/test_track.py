"""Blocks, and functions, coroutines and generators that are blocks: what is in force where."""

import asyncio
import contextvars
import enum
import gc
import inspect
import logging
import threading
import uuid
from contextlib import aclosing, asynccontextmanager, contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import vigilo
from vigilo.capture.context import current


def user():
    found = current()
    return None if found is None else found.user


def test_blocks_nest_and_end():
    assert current() is None
    with vigilo.track(user="ada", operation="outer", tags={"a": "1", "c": "outer"}):
        with vigilo.track(operation="inner", tags={"b": "2", "c": "inner"}):
            inner = current()
        assert current().operation == "outer"
        assert current().tags == {"a": "1", "c": "outer"}
    assert current() is None
    assert (inner.user, inner.operation, inner.tags) == ("ada", "inner", {"a": "1", "b": "2", "c": "inner"})


def test_one_block_may_be_entered_again_inside_itself():
    block = vigilo.track(user="ada")
    with block, block:
        assert user() == "ada"
    assert current() is None


def test_a_block_ends_with_its_exception():
    with pytest.raises(KeyError), vigilo.track(user="ada"):
        raise KeyError
    assert current() is None


def test_blocks_that_end_in_any_order_leave_nothing_behind():
    first, second, third = (vigilo.track(user=name) for name in ("ada", "bob", "cyd"))
    for block in (first, second, third):
        block.__enter__()
    first.__exit__()
    second.__exit__()
    assert user() == "cyd"
    third.__exit__()
    assert current() is None


def test_a_span_outlives_the_block_that_it_was_started_in():
    tracer = TracerProvider().get_tracer("app")
    block = vigilo.track(user="ada")
    block.__enter__()
    with tracer.start_as_current_span("outer") as span:
        block.__exit__()
        assert trace.get_current_span() is span
        assert current() is None
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_leaving_in_another_context_or_thread_is_silent(caplog):
    block = vigilo.track(user="ada")
    contextvars.copy_context().run(block.__enter__)
    thread = threading.Thread(target=block.__exit__)
    with caplog.at_level(logging.DEBUG):
        block.__exit__()
        thread.start()
        thread.join()
    assert caplog.records == []
    assert current() is None


async def test_a_generator_may_be_closed_by_another_task_than_reads_it(caplog):
    async def chunks():
        with vigilo.track(user="ada"):
            yield 1
            yield 2

    stream = chunks()
    await asyncio.create_task(anext(stream))
    with caplog.at_level(logging.DEBUG, "opentelemetry"):
        await asyncio.create_task(stream.aclose())
    assert caplog.records == []
    assert current() is None


def test_ended_blocks_are_not_kept_alive_by_those_started_inside():
    """An app that starts its next round inside the last one's block must not grow."""

    def rounds(left):
        with vigilo.track(operation=str(left)):
            here = contextvars.copy_context()
        if left:
            return here.run(rounds, left - 1)
        return here

    from vigilo.capture.context import Frame

    kept = rounds(20)
    gc.collect()
    frames = [found for found in gc.get_objects() if isinstance(found, Frame)]
    assert kept
    assert len(frames) < 5


async def test_an_async_block_reaches_the_tasks_started_in_it():
    async def seen():
        return user()

    async with vigilo.track(user="ada"):
        task = asyncio.create_task(seen())
    assert await task == "ada"
    assert current() is None


async def test_one_object_is_entered_by_several_tasks_at_once():
    shared = vigilo.track(operation="shared")

    async def called(name, wait_s):
        with vigilo.track(user=name), shared:
            await asyncio.sleep(wait_s)
            seen = current()
        return seen.user, seen.operation, user()

    assert await asyncio.gather(called("a", 0.02), called("b", 0.0), called("c", 0.01)) == [
        ("a", "shared", None),
        ("b", "shared", None),
        ("c", "shared", None),
    ]


async def test_anyio_tasks_and_threads_have_the_block():
    import anyio
    import anyio.to_thread

    seen = []

    async def task():
        seen.append(user())

    with vigilo.track(user="ada"):
        async with anyio.create_task_group() as group:
            group.start_soon(task)
        seen.append(await anyio.to_thread.run_sync(user))
    seen.append(await anyio.to_thread.run_sync(user))
    assert seen == ["ada", "ada", None]


# Functions


def test_a_decorated_function_is_a_block():
    @vigilo.track(user="ada")
    def called(greeting: str, *, loud: bool = False) -> str:
        """Greets."""
        return f"{greeting} {user()} {loud}"

    assert called("hello", loud=True) == "hello ada True"
    assert current() is None
    assert (called.__name__, called.__doc__) == ("called", "Greets.")
    assert str(inspect.signature(called)) == "(greeting: str, *, loud: bool = False) -> str"


def test_methods_of_all_kinds_can_be_decorated():
    class Service:
        @vigilo.track(user="ada")
        def method(self):
            return self, user()

        @classmethod
        @vigilo.track(user="ada")
        def of_class(cls):
            return cls, user()

        @staticmethod
        @vigilo.track(user="ada")
        def static():
            return user()

    service = Service()
    assert service.method() == (service, "ada")
    assert service.of_class() == (Service, "ada")
    assert service.static() == "ada"


async def test_decorated_coroutines_do_not_mix():
    @vigilo.track(operation="shared")
    async def called(name):
        with vigilo.track(user=name):
            await asyncio.sleep(0.01)
            return current().user, current().operation

    assert await asyncio.gather(called("a"), called("b")) == [("a", "shared"), ("b", "shared")]
    assert inspect.iscoroutinefunction(called)
    assert current() is None


async def test_a_cancelled_coroutine_leaves_its_block():
    @vigilo.track(user="ada")
    async def called():
        await asyncio.sleep(10)

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(called(), 0.01)
    assert current() is None


async def test_an_object_with_an_async_call_is_awaited_in_the_block():
    class Agent:
        async def __call__(self):
            await asyncio.sleep(0)
            return user()

    assert await vigilo.track(user="ada")(Agent())() == "ada"


@pytest.mark.parametrize(
    "wrong", [int, staticmethod(len), classmethod(len), property(len), "name", None], ids=lambda wrong: repr(wrong)[:20]
)
def test_what_is_no_function_cannot_be_decorated(wrong):
    with pytest.raises(TypeError, match="track decorates functions and methods"):
        vigilo.track(user="ada")(wrong)


# Generators


@vigilo.track(user="ada")
def conversation(log):
    """Says who it is to whoever asks, and what it was told."""
    log.append(("start", user()))
    try:
        heard = None
        while heard != "stop":
            try:
                heard = yield user()
            except ValueError as error:
                heard = f"error {error}"
            log.append((heard, user()))
    finally:
        log.append(("end", user()))
    return "goodbye"


def test_a_decorated_generators_body_is_in_the_block_and_its_reader_is_not():
    log = []
    body = conversation(log)
    assert log == []
    assert (next(body), user()) == ("ada", None)
    with vigilo.track(user="bob"):
        assert (body.send("hi"), user()) == ("ada", "bob")
    assert (body.throw(ValueError("oh")), user()) == ("ada", None)
    with pytest.raises(StopIteration) as stop:
        body.send("stop")
    assert stop.value.value == "goodbye"
    assert log == [("start", "ada"), ("hi", "ada"), ("error oh", "ada"), ("stop", "ada"), ("end", "ada")]
    assert current() is None


def test_a_decorated_generator_is_one():
    assert inspect.isgeneratorfunction(conversation)

    def reader():
        return (yield from conversation([]))

    body = reader()
    assert next(body) == "ada"
    with pytest.raises(StopIteration, match="goodbye"):
        body.send("stop")


@pytest.mark.parametrize("how", ["close", "drop", "throw GeneratorExit", "throw KeyError"])
def test_a_decorated_generator_ends_inside_the_block_however_it_ends(how):
    log = []
    body = conversation(log)
    next(body)
    if how == "close":
        body.close()
    elif how == "drop":
        del body
    else:
        error = {"throw GeneratorExit": GeneratorExit, "throw KeyError": KeyError}[how]
        with pytest.raises(error):
            body.throw(error())
    assert log == [("start", "ada"), ("end", "ada")]
    assert current() is None


def test_a_decorated_generator_that_will_not_close_says_so():
    @vigilo.track(user="ada")
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    body = stubborn()
    next(body)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        body.close()
    assert current() is None


def test_an_error_thrown_into_a_generator_leaves_no_cycle():
    @vigilo.track(user="ada")
    def body():
        yield 1

    class LocalError(Exception):
        pass

    gc.collect()
    gc.disable()
    try:
        running = body()
        next(running)
        with pytest.raises(LocalError):
            running.throw(LocalError())
        del running
        assert not [found for found in gc.get_objects() if isinstance(found, LocalError)]
    finally:
        gc.enable()


def test_a_block_inside_a_decorated_generator_lasts_over_its_yields():
    @vigilo.track(user="ada")
    def body():
        with vigilo.track(operation="inner"):
            yield current().operation
            yield current().operation
        yield current().operation

    running = body()
    assert (next(running), current()) == ("inner", None)
    # Each step in a context of its own, as when a framework reads it in worker threads.
    assert contextvars.copy_context().run(next, running) == "inner"
    assert contextvars.copy_context().run(next, running) is None
    assert list(running) == []
    assert current() is None


def test_a_decorated_generator_keeps_the_block_that_its_reading_began_in():
    @vigilo.track(operation="stream")
    def body():
        yield current()
        yield current()

    running = body()
    with vigilo.track(user="ada"):
        first = next(running)
    second = next(running)
    assert (first.user, first.operation) == (second.user, second.operation) == ("ada", "stream")


def test_the_spans_of_a_generators_body_are_not_moved():
    tracer = TracerProvider().get_tracer("app")

    def plain():
        with tracer.start_as_current_span("outer") as outer:
            yield trace.get_current_span() is outer
            yield trace.get_current_span() is outer

    assert list(plain()) == list(vigilo.track(user="ada")(plain)()) == [True, True]


@vigilo.track(user="ada")
async def async_conversation(log):
    log.append(("start", user()))
    try:
        heard = None
        while heard != "stop":
            await asyncio.sleep(0)
            try:
                heard = yield user()
            except ValueError as error:
                heard = f"error {error}"
            log.append((heard, user()))
    finally:
        await asyncio.sleep(0)
        log.append(("end", user()))


async def test_an_async_generators_body_is_in_the_block_and_its_reader_is_not():
    log = []
    body = async_conversation(log)
    assert inspect.isasyncgenfunction(async_conversation)
    assert (await anext(body), user()) == ("ada", None)
    with vigilo.track(user="bob"):
        assert (await body.asend("hi"), user()) == ("ada", "bob")
    assert (await body.athrow(ValueError("oh")), user()) == ("ada", None)
    with pytest.raises(StopAsyncIteration):
        await body.asend("stop")
    assert log == [("start", "ada"), ("hi", "ada"), ("error oh", "ada"), ("stop", "ada"), ("end", "ada")]
    assert current() is None


@pytest.mark.parametrize("how", ["break", "close elsewhere", "drop", "throw", "cancel"])
async def test_a_decorated_async_generator_ends_inside_the_block_however_it_ends(how, caplog):
    log = []
    body = async_conversation(log)
    if how == "break":
        async with aclosing(body):
            async for _ in body:
                break
    elif how == "close elsewhere":
        await asyncio.create_task(anext(body))
        await asyncio.create_task(body.aclose())
    elif how == "drop":
        await anext(body)
        del body
        gc.collect()
        await asyncio.sleep(0.01)
    elif how == "throw":
        await anext(body)
        with pytest.raises(KeyError):
            await body.athrow(KeyError())
    else:

        async def read():
            async for _ in body:
                pass

        task = asyncio.create_task(read())
        while not log:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (log[0], log[-1]) == (("start", "ada"), ("end", "ada"))
    assert current() is None
    assert caplog.records == []


async def test_readers_of_one_decorated_async_generator_function_do_not_mix():
    @vigilo.track(operation="stream")
    async def chunks(name):
        with vigilo.track(user=name):
            for _ in range(3):
                await asyncio.sleep(0)
                yield current().user, current().operation

    async def read(name):
        return [seen async for seen in chunks(name)], current()

    assert await asyncio.gather(read("a"), read("b")) == [
        ([("a", "stream")] * 3, None),
        ([("b", "stream")] * 3, None),
    ]


async def test_decorated_context_managers_work():
    @contextmanager
    @vigilo.track(user="ada")
    def session():
        yield user()

    @asynccontextmanager
    @vigilo.track(user="ada")
    async def async_session():
        yield user()

    with session() as inside:
        assert inside == "ada"
    async with async_session() as inside:
        assert inside == "ada"
    assert current() is None


# Arguments


class Plan(str, enum.Enum):
    FREE = "free"


def test_ids_of_several_types_are_told_as_text():
    some = uuid.UUID(int=7)
    with vigilo.track(user=17, session=some, conversation=Plan.FREE, tags={"n": 1.5, "plan": Plan.FREE, "none": None}):
        said = current()
    assert (said.user, said.session, said.conversation) == ("17", str(some), "free")
    assert said.tags == {"n": "1.5", "plan": "free"}


def test_nothing_said_takes_over_what_is_in_force():
    with vigilo.track(user="ada", session="s1"), vigilo.track(user="", session=None):
        assert (current().user, current().session) == ("ada", "s1")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"user": object()}, TypeError, r"track\(user=...\) takes a str, an int or a UUID, got object"),
        ({"session": b"s1"}, TypeError, r"track\(session=...\) takes .* got bytes"),
        ({"conversation": True}, TypeError, r"track\(conversation=...\) takes .* got bool"),
        ({"operation": ["a"]}, TypeError, r"track\(operation=...\) takes .* got list"),
        ({"tags": ["plan=free"]}, TypeError, r"track\(tags=...\) takes a mapping .* got list"),
        ({"tags": {1: "free"}}, TypeError, "the name of a tag is a str, got int"),
        ({"tags": {"plan": {}}}, TypeError, "`plan` takes a str or a number, got dict"),
        ({"tags": {"": "free"}}, ValueError, "the name of a tag is neither empty"),
        ({"tags": {"a=b": "free"}}, ValueError, "got 'a=b'"),
    ],
)
def test_wrong_arguments_are_told_at_once(wrong, error, message):
    with pytest.raises(error, match=message):
        vigilo.track(**wrong)
