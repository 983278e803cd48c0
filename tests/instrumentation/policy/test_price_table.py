"""The price table loads beside the app: without the network, without a stall, and safely across a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest


def run(program):
    """What a fresh process prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


COST = "call_cost('openai', 'gpt-4o', Usage(1000, 500), None, time.time())"
IMPORTS = (
    "import time; from vigilo.capture.call import Usage; from vigilo.policy.pricing import call_cost, warm_up; "
    "from vigilo.policy import live_prices; live_prices.FIRST_CALL_WAIT_S = 60.0"  # a busy machine may take long
)


def test_nothing_is_loaded_before_it_is_needed():
    assert run(
        "import sys, vigilo.policy.pricing; print('genai_prices' in sys.modules, 'pydantic' in sys.modules)"
    ) == [
        "False",
        "False",
    ]


def test_loading_reaches_no_network_and_leaves_no_thread():
    assert run(f"""
        import sys, threading
        sys.addaudithook(lambda event, args: event.startswith("socket.") and print("network:", event))
        {IMPORTS}
        print({COST}.usd)
        live_prices.live.join(60)
        print(threading.active_count())
    """) == ["0.007500000", "1"]


def test_a_first_call_waits_for_the_table_that_is_being_loaded():
    assert run(f"{IMPORTS}; warm_up(); warm_up(); print({COST}.usd)") == ["0.007500000"]


def test_a_table_that_does_not_come_in_time_is_waited_for_once():
    """Holds the import lock of the table, as another thread's long import would."""
    assert run(f"""
        import importlib._bootstrap as bootstrap, threading
        {IMPORTS}
        from vigilo.policy import live_prices
        live_prices.FIRST_CALL_WAIT_S = 0.2
        held, free = threading.Event(), threading.Event()
        def hold():
            with bootstrap._ModuleLockManager("genai_prices"):
                held.set(); free.wait()
        holder = threading.Thread(target=hold); holder.start(); held.wait()
        started = time.monotonic()
        print([{COST} for _ in range(50)] == [None] * 50, time.monotonic() - started < 5)
        free.set(); holder.join(); live_prices.live.wait(60)
        print({COST}.usd)
    """) == ["True", "True", "0.007500000"]


def test_a_table_that_cannot_be_loaded_leaves_calls_unpriced():
    assert run(f"""
        import sys; sys.modules["genai_prices"] = None
        {IMPORTS}
        print({COST})
        from vigilo import VigiloError
        from vigilo.policy.pricing import price
        try:
            price("openai", "gpt-4o", {{"input_tokens": 1}})
        except VigiloError as error:
            print("genai-prices" in str(error))
    """) == ["None", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_child_forked_while_the_table_loads_prices_too():
    assert run(f"""
        import os
        {IMPORTS}
        warm_up()
        child = os.fork()
        if child == 0:
            import pydantic
            os._exit(0 if str({COST}.usd) == "0.007500000" else 1)
        print(os.waitpid(child, 0)[1], {COST}.usd)
    """) == ["0", "0.007500000"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_child_forked_before_the_table_loads_loads_its_own():
    assert run(f"""
        import os
        {IMPORTS}
        child = os.fork()
        if child == 0:
            os._exit(0 if str({COST}.usd) == "0.007500000" else 1)
        print(os.waitpid(child, 0)[1])
    """) == ["0"]
