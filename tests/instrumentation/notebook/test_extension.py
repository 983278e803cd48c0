"""The extension in real kernels: what is on after it is loaded, between cells, and after it is unloaded."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from tests.instrumentation.notebook.kernel import GPUS, kernel, kernel_environment
from tests.instrumentation.notebook.world import KAGGLE, World

from vigilo.notebook.extension import Extension
from vigilo.testing import ProviderServer

LOAD = "%load_ext vigilo"
STATE = """
import json, signal, threading
from vigilo.instrumentors import INSTRUMENTORS
def _state():
    shell = get_ipython()
    return {
        "pre": len(shell.events.callbacks["pre_run_cell"]),
        "post": len(shell.events.callbacks["post_run_cell"]),
        "magic": "vigilo" in shell.magics_manager.magics["line"],
        "sigterm": repr(signal.getsignal(signal.SIGTERM)),
        "instrumented": [one().is_instrumented_by_opentelemetry for one in INSTRUMENTORS],
        "threads": sorted(thread.name for thread in threading.enumerate() if "vigilo" in thread.name),
    }
"""


@pytest.fixture
def notebook(tmp_path):
    with kernel(tmp_path) as started:
        yield started


def state(notebook):
    return json.loads(notebook.run("print(json.dumps(_state()))").text)


def test_loading_says_one_line_and_a_second_load_changes_nothing(notebook):
    notebook.run(STATE)
    ran = notebook.run(LOAD)
    assert re.match(rf"vigilo on this machine{GPUS} · session: ", ran.text)
    assert len(ran.text.splitlines()) == 1
    assert ran.broken == []
    once = state(notebook)
    assert once["magic"]
    assert all(once["instrumented"])
    again = notebook.run("from vigilo.notebook import extension\nextension.load_ipython_extension(get_ipython())")
    assert (again.text, again.broken) == ("", [])
    assert state(notebook) == once


def test_the_first_line_waits_for_the_accelerator_that_limits_the_session(tmp_path, capsys):
    world = World(tmp_path / "root", tmp_path / "home", dict(KAGGLE), gpus=["Tesla T4"], driver_s=0.3)
    world.boot()
    extension = Extension(None)
    extension.session = world.session()
    extension.session.start()
    try:
        extension._say_hello()
    finally:
        extension.session.stop()
    assert "1 x Tesla T4 · session: 9 h 00 min left of about 9 h 00 min · GPU quota: " in capsys.readouterr().out


def test_unloading_restores_everything(notebook):
    notebook.run("import openai\nbefore = vars(openai._base_client.SyncAPIClient).copy()")
    notebook.run(STATE)
    fresh = state(notebook)
    notebook.run(LOAD)
    notebook.run("%vigilo status")
    assert state(notebook) != fresh
    notebook.run("%unload_ext vigilo")
    after = state(notebook)
    # Helpers that wait, and hold nothing of the notebook's: of the driver, of looks at memory, of the end.
    waiting = ("vigilo-gpu", "vigilo-peaks", "vigilo-checkpoint-end")
    after["threads"] = [name for name in after["threads"] if name not in waiting]
    assert after == fresh
    same = "vars(openai._base_client.SyncAPIClient).copy() == before"
    assert notebook.run(same).result == "True"
    assert "vigilo on this machine" in notebook.run(LOAD).text
    assert notebook.run("1 + 1").result == "2"


def test_off_can_be_undone(notebook):
    notebook.run(STATE)
    fresh = state(notebook)
    notebook.run(LOAD)
    assert "is off" in notebook.run("%vigilo off").text
    off = state(notebook)
    assert (off["pre"], off["post"], off["magic"]) == (fresh["pre"], fresh["post"], False)
    assert "vigilo on this machine" in notebook.run(LOAD).text
    assert state(notebook)["magic"]


def test_reloading_works(notebook):
    notebook.run(STATE)
    notebook.run(LOAD)
    once = state(notebook)
    ran = notebook.run("%reload_ext vigilo")
    assert ran.broken == []
    assert {**state(notebook), "sigterm": ""} == {**once, "sigterm": ""}


def test_a_magic_of_the_same_name_comes_back(notebook):
    notebook.run("get_ipython().register_magic_function(lambda line: print('mine'), 'line', 'vigilo')")
    notebook.run(LOAD)
    assert notebook.run("%vigilo nonsense").text.startswith("%vigilo [status]")
    notebook.run("%vigilo off")
    assert notebook.run("%vigilo").text == "mine\n"


def test_a_quote_that_is_open_is_no_traceback(notebook):
    notebook.run(LOAD)
    assert notebook.run("%vigilo report --since 'x").text == "vigilo: No closing quotation\n"


def test_cells_are_counted_once_whatever_they_run(notebook):
    notebook.run(LOAD)
    cells = "from vigilo.notebook.session import shared_session\nshared_session().status()['idle']['cells']"
    first = int(notebook.run(cells).result)
    notebook.run("get_ipython().run_cell('1 + 1')\nget_ipython().run_cell('')")
    notebook.run("1 / 0", may_fail=True)
    notebook.run("this is no python", may_fail=True)
    idle = notebook.run("shared_session().status()['idle']").result
    idle = eval(idle, {})
    assert idle["cells"] == first + 4
    assert idle["failed_cells"] == 1
    assert idle["busy"] is True


def test_a_cell_that_loads_and_trains_is_seen_to_run(notebook):
    ran = notebook.run(f"{LOAD}\nfrom vigilo.notebook.session import shared_session\nshared_session().status()['idle']")
    assert eval(ran.result, {})["busy"] is True


def test_loops_that_a_cell_left_do_not_run_for_ever(notebook):
    notebook.run(LOAD)
    notebook.run("from vigilo.notebook.tasks import task, tasks\nfor step in task('train', 3): 1 / 0", may_fail=True)
    assert notebook.run("[(one.name, one.state) for one in tasks()]").result == "[('train', 'stopped')]"


def test_the_card_changes_while_a_cell_runs_and_not_while_none_does(notebook):
    notebook.run(f"{LOAD}\nfrom vigilo.notebook import card\ncard.Card.__init__.__defaults__ = (0.2,)")
    shown = notebook.run("%vigilo status").displays
    assert len(shown) == 1
    assert set(shown[0]["data"]) == {"text/html", "text/plain"}
    notebook.run("from vigilo.notebook.tasks import task\nimport time")
    ran = notebook.run("for step in task('train <b>', 20): time.sleep(0.1)")
    assert {one["transient"]["display_id"] for one in ran.updates} == {shown[0]["transient"]["display_id"]}
    texts = [one["data"]["text/plain"] for one in ran.updates]
    assert any("train <b>" in text and " left" in text for text in texts)
    assert all("train <b>" not in one["data"]["text/html"] for one in ran.updates)
    assert not ran.displays
    notebook.later_messages(1.0)
    assert notebook.later_messages(1.5) == [], "an idle kernel is left alone"


def test_the_card_changes_in_the_cell_that_shows_it(notebook):
    notebook.run(f"{LOAD}\nfrom vigilo.notebook import card\ncard.Card.__init__.__defaults__ = (0.2,)")
    ran = notebook.run(
        "from vigilo.notebook.tasks import task\nimport time\n%vigilo status\n"
        "for step in task('train', 20): time.sleep(0.1)"
    )
    assert len(ran.displays) == 1
    assert len(ran.updates) > 2, "not only after its end"


def test_the_card_is_not_caught_by_cells_that_capture(notebook):
    notebook.run(f"{LOAD}\nfrom vigilo.notebook import card\ncard.Card.__init__.__defaults__ = (0.2,)")
    notebook.run("%vigilo status")
    notebook.run("%%capture caught\nimport time\ntime.sleep(1.5)\nprint('hello')")
    assert notebook.run("len(caught.outputs), caught.stdout").result == "(0, 'hello\\n')"


def test_calls_are_recorded_and_reported(tmp_path):
    with ProviderServer() as server, kernel(tmp_path, **server.environment()) as notebook:
        notebook.run(LOAD)
        ask = "[{'role': 'user', 'content': 'My card is 4111 1111 1111 1111'}]"
        notebook.run(f"import openai\nclient = openai.OpenAI()\nmodel = 'gpt-4o-mini'\nask = {ask}")
        for _ in range(3):
            notebook.run("client.chat.completions.create(model=model, messages=ask)")
        report = json.loads(notebook.run("%vigilo report --format json").text)
        notebook.run("%vigilo off")
        notebook.run("client.chat.completions.create(model=model, messages=ask)")
        notebook.run(LOAD)
        later = json.loads(notebook.run("%vigilo report --format json").text)
    assert report["totals"]["calls"] == 3
    assert later["totals"]["calls"] == 3


def test_what_the_user_configured_is_left_alone(notebook):
    notebook.run("from opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider")
    notebook.run("mine = TracerProvider()\ntrace.set_tracer_provider(mine)\nimport vigilo\nvigilo.instrument()")
    notebook.run(LOAD)
    assert notebook.run("trace.get_tracer_provider() is mine").result == "True"
    notebook.run("%vigilo off")
    notebook.run(STATE)
    assert all(state(notebook)["instrumented"])


def test_a_setting_that_is_wrong_does_not_stop_the_notebook(tmp_path):
    (tmp_path / "a file").write_text("")
    home = tmp_path / "a file" / "home"
    with kernel(tmp_path, VIGILO_HOME=home, VIGILO_RAISE_INTERNAL="0", VIGILO_PEAK_INTERVAL_S="soon") as notebook:
        ran = notebook.run(LOAD)
        assert "VIGILO_PEAK_INTERVAL_S" in ran.errors
        assert "vigilo on this machine" in ran.text
        assert notebook.run("1 + 1").result == "2"
        notebook.run("%vigilo off")


def test_a_terminal_gets_text(tmp_path):
    code = "run = get_ipython().run_line_magic; run('load_ext', 'vigilo.notebook.extension'); run('vigilo', 'status')"
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor", "-c", code]
    done = subprocess.run(
        command, env=kernel_environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "vigilo on this machine" in done.stdout
    assert "platform" in done.stdout
    assert "<table" not in done.stdout


def test_the_doctor_runs_in_a_cell(notebook):
    notebook.run(LOAD)
    text = notebook.run("%vigilo doctor").text
    assert text.startswith("```\nvigilo notebook doctor\n")
    assert "failed:" not in text
