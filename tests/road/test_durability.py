"""Nothing is lost and nothing counted twice: several writers, a reader among them, and a kill."""

import signal
import subprocess
import sys

CHATS = """
import openai
with openai.OpenAI() as client:
    for number in range({calls}):
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{{"role": "user", "content": f"Hello {{number}}"}}]
        )
"""
COUNTS = (
    "SELECT count() AS n, uniqExact(SpanId) AS ids FROM otel_traces",
    "SELECT count() AS n, uniqExact(SpanId) AS ids FROM llm_calls",
    "SELECT sum(Calls) AS n FROM llm_hourly",
)


def test_three_apps_and_a_report_at_the_same_time(road, server):
    often = {"OTEL_BSP_SCHEDULE_DELAY": "100"}  # ms; many small segments
    apps = [road.start(CHATS.format(calls=60), **often, **server.environment()) for _ in range(3)]
    reports = []
    while any(app.poll() is None for app in apps):
        reports.append(road.report()["totals"]["calls"])
    assert [app.communicate() for app in apps] == [("", "")] * 3
    assert reports == sorted(reports)
    assert road.report()["totals"]["calls"] == 180
    traces, calls, hourly = road.query(*COUNTS)
    assert traces == [{"n": 180, "ids": 180}]
    assert calls == [{"n": 180, "ids": 180}]
    assert hourly == [{"n": 180}]


def test_two_reports_at_once_both_answer(road, server):
    road.run(CHATS.format(calls=3), **server.environment())
    line = [sys.executable, "-m", "vigilo_exporter.cli", "report", "--format", "csv"]
    both = [
        subprocess.Popen(line, env=road.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0] == answers[1]


def test_a_kill_right_after_the_flush_loses_nothing_that_was_flushed(road, server):
    flush_and_die = """
import os, signal
from opentelemetry import trace
trace.get_tracer_provider().force_flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    app = road.start(CHATS.format(calls=20) + flush_and_die, **server.environment())
    app.communicate(timeout=60)
    assert app.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert road.report()["totals"]["calls"] == 20


def test_forked_workers_write_beside_their_parent(road, server):
    forked = """
import os
from opentelemetry import trace
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        with openai.OpenAI() as client:
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "child"}])
        trace.get_tracer_provider().force_flush()
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
"""
    app = road.start(CHATS.format(calls=2) + forked, **server.environment())
    _, err = app.communicate(timeout=60)
    assert app.returncode == 0, err
    assert road.report()["totals"]["calls"] == 4


def test_the_app_never_loads_the_engine(road, server):
    script = CHATS.format(calls=1) + "\nimport sys\nprint('chdb' in sys.modules)\n"
    assert road.run(script, **server.environment()).strip() == "False"


def test_an_unwritable_home_never_stops_the_app(road, server):
    road.home.parent.mkdir(exist_ok=True)
    road.home.write_text("a file, where the folder should be")
    app = road.start(CHATS.format(calls=2) + "\nprint('done')\n", **server.environment())
    out, err = app.communicate(timeout=60)
    assert (app.returncode, out) == (0, "done\n")
    assert "vigilo" in err
    assert "Traceback" not in err
