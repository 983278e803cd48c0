"""Blocks hold in threads that are started inside and in jobs given to pools inside, and in no others."""

import asyncio
import inspect
import multiprocessing.pool
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import vigilo
from vigilo.capture.context import current


def user():
    found = current()
    return None if found is None else found.user


def seen_by(make_thread):
    """What a thread that is started inside a block sees, and what the next one outside sees."""
    seen = []
    with vigilo.track(user="ada"):
        inside = make_thread(lambda: seen.append(user()))
        inside.start()
    inside.join()
    outside = make_thread(lambda: seen.append(user()))
    outside.start()
    outside.join()
    return seen


class Worker(threading.Thread):
    def __init__(self, job):
        super().__init__()
        self._job = job

    def run(self):
        self._job()


def thread_with_run(job):
    thread = threading.Thread()
    thread.run = job
    return thread


@pytest.mark.parametrize(
    "make_thread",
    [lambda job: threading.Thread(target=job), Worker, lambda job: threading.Timer(0.01, job), thread_with_run],
    ids=["target", "subclass", "timer", "run set"],
)
def test_a_thread_has_the_block_that_it_is_started_in(make_thread):
    assert seen_by(make_thread) == ["ada", None]


def test_a_thread_keeps_its_block_when_the_block_ends():
    ended, seen = threading.Event(), []

    def job():
        ended.wait()
        seen.append((current().user, current().operation))

    with vigilo.track(user="ada"), vigilo.track(operation="later"):
        thread = threading.Thread(target=job)
        thread.start()
    ended.set()
    thread.join()
    assert seen == [("ada", "later")]


def test_blocks_in_a_thread_stay_in_it():
    def job():
        with vigilo.track(user="bob"):
            done.append(user())
        done.append(user())

    done = []
    with vigilo.track(user="ada"):
        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
        assert (done, user()) == (["bob", "ada"], "ada")


def test_threads_look_as_before():
    with vigilo.track(user="ada"):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        assert "run" not in vars(thread)
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
        assert "run" not in vars(thread)
    assert str(inspect.signature(threading.Thread.start)) == "(self)"
    assert str(inspect.signature(ThreadPoolExecutor.submit)) == "(self, fn, /, *args, **kwargs)"
    assert threading.Thread.start.__qualname__ == "Thread.start"


def test_an_error_in_a_thread_is_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: told.append(arguments.exc_type))
    with vigilo.track(user="ada"):
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    assert told == [ZeroDivisionError]


def test_jobs_have_the_block_that_they_were_given_in_and_workers_have_none():
    with ThreadPoolExecutor(1) as pool:
        with vigilo.track(user="ada"):
            first = pool.submit(user)  # starts the only worker
            mapped = pool.map(lambda _: user(), range(2))
        with vigilo.track(user="bob"):
            second = pool.submit(user)
        outside = pool.submit(user)
        assert [future.result() for future in (first, second, outside)] == ["ada", "bob", None]
        assert list(mapped) == ["ada", "ada"]


def test_a_job_gets_its_arguments_and_its_error_comes_back():
    with ThreadPoolExecutor(1) as pool, vigilo.track(user="ada"):
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        assert pool.submit(dict, fn=1, self=2).result() == {"fn": 1, "self": 2}
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()


def test_jobs_of_multiprocessings_thread_pool_have_the_block_too():
    with vigilo.track(user="starter"):
        pool = multiprocessing.pool.ThreadPool(2)
    with pool:
        with vigilo.track(user="ada"):
            inside = [
                pool.apply(user),
                pool.apply_async(user).get(),
                *pool.map(lambda _: user(), range(2)),
                *pool.map_async(lambda _: user(), range(2)).get(),
                *pool.starmap(lambda *_: user(), [(1, 2)]),
                *pool.imap(lambda _: user(), range(3), chunksize=2),
                *pool.imap_unordered(func=lambda _: user(), iterable=range(2)),
            ]
        assert set(inside) == {"ada"}
        assert len(inside) == 12
        assert pool.apply(user) is None
        assert pool.map(lambda _: user(), range(8)) == [None] * 8
        pool.terminate()
        pool.join()


async def test_asyncios_ways_into_threads_have_the_block():
    loop = asyncio.get_running_loop()
    seen = []
    with vigilo.track(user="ada"):
        seen += [await asyncio.to_thread(user), await loop.run_in_executor(None, user)]
        with ThreadPoolExecutor(1) as pool:
            seen.append(await loop.run_in_executor(pool, user))
    assert seen == ["ada"] * 3
    assert [await asyncio.to_thread(user), await loop.run_in_executor(None, user)] == [None, None]


async def test_a_coroutine_that_a_thread_gives_to_a_loop_has_the_threads_block():
    loop = asyncio.get_running_loop()

    async def seen():
        return user()

    def give():
        with vigilo.track(user="ada"):
            return asyncio.run_coroutine_threadsafe(seen(), loop).result()

    assert await asyncio.to_thread(give) == "ada"


def test_the_apps_spans_stay_where_they_were():
    tracer = TracerProvider().get_tracer("app")
    spans = []

    def job():
        spans.append(trace.get_current_span())

    with (
        vigilo.track(user="ada"),
        tracer.start_as_current_span("app"),
        ThreadPoolExecutor(1) as pool,
    ):
        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
        pool.submit(job).result()
    assert spans == [trace.INVALID_SPAN] * 2


def test_nothing_is_patched_before_the_first_block():
    program = (
        "import threading, concurrent.futures.thread as pools\n"
        "before = threading.Thread.start, pools.ThreadPoolExecutor.submit\n"
        "import vigilo\n"
        "vigilo.track\n"
        "vigilo.instrument()\n"
        "assert (threading.Thread.start, pools.ThreadPoolExecutor.submit) == before\n"
        "with vigilo.track(user='ada'): pass\n"
        "once = threading.Thread.start, pools.ThreadPoolExecutor.submit\n"
        "assert once[0] is not before[0] and once[1] is not before[1]\n"
        "with vigilo.track(user='ada'): pass\n"
        "assert (threading.Thread.start, pools.ThreadPoolExecutor.submit) == once\n"
        "assert once[0].__wrapped__ is before[0]\n"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


NEIGHBOUR = """
import sys, threading, wrapt
from concurrent.futures import ThreadPoolExecutor
import vigilo
from vigilo.capture.context import current

def passed(wrapped, instance, args, kwargs):
    seen.append(wrapped.__name__)
    return wrapped(*args, **kwargs)

def wrap():
    for owner, name in ((threading.Thread, "start"), (threading.Thread, "run"), (threading.Timer, "start"),
                        (threading.Timer, "run"), (ThreadPoolExecutor, "submit")):
        wrapt.wrap_function_wrapper(owner, name, passed)

def enter():
    with vigilo.track():
        pass

seen, users = [], []
for step in {"neighbour": (wrap, enter), "vigilo": (enter, wrap)}[sys.argv[1]]:
    step()
with vigilo.track(user="ada"), ThreadPoolExecutor(1) as pool:
    for thread in (threading.Thread(target=lambda: users.append(current().user)),
                   threading.Timer(0, lambda: users.append(current().user))):
        thread.start()
        thread.join()
    users.append(pool.submit(lambda: current().user).result())
print(users, sorted(set(seen)))
"""


@pytest.mark.parametrize("first", ["neighbour", "vigilo"])
def test_blocks_hold_beside_others_that_wrap_threads(first):
    """Wraps what `opentelemetry-instrumentation-threading` wraps, and as it does."""
    done = subprocess.run([sys.executable, "-c", NEIGHBOUR, first], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['ada', 'ada', 'ada'] ['run', 'start', 'submit']\n", "")
