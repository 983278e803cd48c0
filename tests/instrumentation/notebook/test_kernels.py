"""What becomes of a computation in real kernels: platforms, restarts, signals, an end while busy, kill -9 in a save."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from tests.instrumentation.notebook.kernel import GPUS, kernel, kernel_environment, wait_until

LOAD = "%load_ext vigilo"
MODEL = """
import time
import numpy
from vigilo import checkpoint

class Model:
    def __init__(self, size=100_000):
        self.weights = numpy.zeros(size)
    def state_dict(self):
        return {"weights": self.weights}
    def load_state_dict(self, state):
        self.weights = state["weights"]

model = Model()
checkpoint.register("model", model)
resumed = checkpoint.resume()
start = resumed.step if resumed else 0

def train():
    model.weights += 1
    time.sleep(0.01)
"""
WHOLE = "bool((model.weights == resumed.step).all())"
BUSY = "for number in range(start, 1_000_000):\n    train()\n    checkpoint.step()"


def checkpoints(folder):
    """Those that are published, oldest first. Others go while this looks: folders are not gone into."""
    found = []
    for parent, names, _ in os.walk(folder):
        found += [Path(parent) / name for name in names if name.startswith("ckpt-")]
        names[:] = [name for name in names if not name.startswith(("ckpt-", ".tmp-", ".trash-"))]
    return sorted(found)


def saves_under_way(folder):
    """Whether a checkpoint is half written."""
    return any(name.startswith(".tmp-") for _, names, _ in os.walk(folder) for name in names)


def manifest(path):
    return json.loads((path / "manifest.json").read_text("utf-8"))["checkpoint"]


def began(folder):
    """Whether the cell that writes this file got going."""
    return (folder / "began").exists()


@pytest.fixture
def notebook(tmp_path):
    with kernel(tmp_path) as started:
        started.run(LOAD)
        started.run(MODEL)
        yield started


def run_notebook(folder, environ, *cells):
    """Runs a notebook as Kaggle does in the background; the text of its cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(made, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbclient's own, of the event loop
        client.execute(env=environ)
    text = {"stream": lambda one: one.text, "execute_result": lambda one: one.data["text/plain"]}
    return [
        "".join(text[one.output_type](one) for one in cell.outputs if one.output_type in text) for cell in made.cells
    ]


def machine(folder, *lines, folders=(), uptime_s=600.0):
    """A root of a machine that was started ten minutes ago, with these mounts and folders."""
    root = folder / "root"
    for name in ("proc/self", *folders):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "proc/uptime").write_text(f"{uptime_s} 0.0\n")
    (root / "proc/self/mounts").write_text("".join(f"{line}\n" for line in ("overlay / overlay rw 0 0", *lines)))
    return root


@pytest.mark.parametrize("run_type", ["Interactive", "Batch"])
def test_on_kaggle_checkpoints_are_output(tmp_path, run_type):
    root = machine(tmp_path, folders=("kaggle/working", "kaggle/input"))
    environ = kernel_environment(
        tmp_path,
        VIGILO_PLATFORM_ROOT=root,
        KAGGLE_KERNEL_RUN_TYPE=run_type,
        KAGGLE_USER_SECRETS_TOKEN="a-secret-token",
        COLAB_RELEASE_TAG="release-colab-external-images_20260514-060047_RC00",
    )
    cells = run_notebook(
        tmp_path,
        environ,
        LOAD,
        MODEL,
        "for number in range(3): train(); checkpoint.step()\nprint(checkpoint.save().path)",
        "%vigilo status",
        "!vigilo notebook doctor",
    )
    assert re.match(rf"vigilo on Kaggle \({run_type.lower()}\){GPUS} · session: ", cells[0])
    assert " left of " in cells[0]
    # One more is written as the kernel ends, maybe in the same second.
    (saved,) = [path for path in checkpoints(root / "kaggle" / "working") if manifest(path)["reason"] == "manual"]
    assert str(saved) == cells[2].strip()
    assert manifest(saved)["step"] == 3
    assert f"name: kaggle {run_type.lower()}" in cells[4]
    assert "KAGGLE_USER_SECRETS_TOKEN" in cells[4]
    assert not [cell for cell in cells if "a-secret-token" in cell]


def test_on_colab_checkpoints_go_to_drive_as_well(tmp_path):
    root = machine(
        tmp_path,
        "drive /content/drive fuse.drive rw 0 0",
        folders=("content/drive/MyDrive", "content/drive/My Drive", "kaggle/input"),
    )
    environ = kernel_environment(tmp_path, VIGILO_PLATFORM_ROOT=root, TBE_RUNTIME_ADDR="172.28.0.1:8011", COLAB_GPU="")
    cells = run_notebook(
        tmp_path,
        environ,
        LOAD,
        MODEL,
        "train(); checkpoint.step(); saved = checkpoint.save(); saved.local_ok, saved.mount_ok",
    )
    assert re.match(rf"vigilo on Colab{GPUS} · session: 11 h ", cells[0])
    assert cells[2] == "(True, True)"
    on_drive = [path.name for path in checkpoints(root / "content" / "drive" / "MyDrive")]
    assert on_drive
    assert on_drive == [path.name for path in checkpoints(tmp_path / "home")]


def test_what_is_asked_for_in_a_cell_is_written_after_it(notebook, tmp_path):
    notebook.run("for number in range(5): train(); checkpoint.step()")
    ran = notebook.run("checkpoint.request('memory')\ncheckpoint.status()['asked']")
    assert "memory" in ran.result
    assert wait_until(lambda: len(checkpoints(tmp_path)) == 1)
    assert manifest(checkpoints(tmp_path)[0])["step"] == 5
    assert "memory" not in notebook.run("checkpoint.status()['asked']").result


def test_a_cell_that_fails_leaves_a_checkpoint(notebook, tmp_path):
    notebook.run("for number in range(7):\n    train()\n    checkpoint.step()\nraise MemoryError", may_fail=True)
    assert wait_until(lambda: len(checkpoints(tmp_path)) == 1)
    saved = manifest(checkpoints(tmp_path)[0])
    assert (saved["step"], saved["reason"], saved["consistency"]) == (7, "exception", "interrupted")


def test_the_magic_writes_a_checkpoint(notebook, tmp_path):
    notebook.run("train(); checkpoint.step()")
    text = notebook.run("%vigilo checkpoint").text
    assert text.startswith("vigilo: step 1, ")
    assert str(checkpoints(tmp_path)[0]) in text
    assert "step 1, " in notebook.run("%vigilo status").displays[0]["data"]["text/plain"]


def test_the_magic_says_what_to_do_where_nothing_is_registered(tmp_path):
    with kernel(tmp_path) as notebook:
        notebook.run(LOAD)
        ran = notebook.run("%vigilo checkpoint")
        assert ran.text.startswith("vigilo: nothing is registered: vigilo.checkpoint.register(")


def test_an_interrupted_cell_leaves_the_kernel_as_it_was(notebook, tmp_path):
    notebook.begin(f"open('began', 'w')\n{BUSY}")
    assert wait_until(lambda: began(tmp_path))
    notebook.manager.interrupt_kernel()
    # What is sent right behind a cell that failed is not run.
    assert wait_until(lambda: notebook.run("1 + 1").result == "2")
    # The step that was interrupted may be done in part.
    assert notebook.run("int(model.weights[0]) - checkpoint.status()['step']").result in ("0", "1")
    assert not checkpoints(tmp_path), "who interrupts a cell stays"


def test_a_restarted_kernel_goes_on_at_the_right_step(notebook, tmp_path):
    notebook.run("for number in range(4): train(); checkpoint.step()\nsaved = checkpoint.save()")
    notebook.restart()
    assert "the kernel was restarted" in notebook.run(LOAD).text
    notebook.run(MODEL)
    assert notebook.run("start").result == "4"
    assert notebook.run(WHOLE).result == "True"


@pytest.mark.parametrize("end", ["SIGTERM busy", "SIGTERM asleep", "SIGTERM idle", "shutdown busy", "shutdown idle"])
def test_a_kernel_that_is_told_to_end_saves_what_it_has(notebook, tmp_path, end):
    how, what = end.split()
    if what == "busy":
        notebook.begin(f"{BUSY}\n    if number == start + 9: open('began', 'w').close()")
    elif what == "asleep":
        notebook.run("for number in range(6): train(); checkpoint.step()")
        notebook.begin("open('began', 'w')\ntime.sleep(600)")
    else:
        notebook.run("for number in range(6): train(); checkpoint.step()\nopen('began', 'w').close()")
    assert wait_until(lambda: began(tmp_path))
    assert not checkpoints(tmp_path)
    pid = notebook.pid
    if how == "SIGTERM":
        os.kill(pid, signal.SIGTERM)
        assert wait_until(lambda: not notebook.manager.is_alive()), "the kernel ends"
    else:
        notebook.shut_down()
    (saved,) = checkpoints(tmp_path)
    assert manifest(saved)["reason"] in ("sigterm", "exit")
    with kernel(tmp_path) as again:
        again.run(LOAD)
        again.run(MODEL)
        step = int(again.run("start").result)
        assert step == manifest(saved)["step"] >= 6
        weights = again.run("sorted(set(model.weights.tolist()))").result
        # A step that was under way may be in the state already; Jupyter interrupts what it shuts down.
        under_way = manifest(saved)["consistency"] == "interrupted" or end == "shutdown busy"
        assert json.loads(weights) in ([[step]] if not under_way else [[step], [step + 1], [step, step + 1]])


def test_kill_9_in_the_middle_of_saves(tmp_path):
    """Twenty times: the newest checkpoint is whole, and the next kernel goes on where it was."""
    chance, reached = random.Random(7), 0
    in_the_middle = 0
    with kernel(tmp_path, VIGILO_HOST_METRICS="off", VIGILO_OOM_FORECAST="false") as notebook:
        for _ in range(20):
            notebook.run(LOAD)
            notebook.run(MODEL.replace("100_000", "1_000_000"))
            step = int(notebook.run("start").result)
            assert step >= reached, "nothing that was saved is lost"
            if step:
                assert notebook.run(WHOLE).result == "True"
            before = len(checkpoints(tmp_path)) and checkpoints(tmp_path)[-1].name
            notebook.begin("while True:\n    train()\n    checkpoint.step()\n    checkpoint.save()")
            assert wait_until(lambda before=before: checkpoints(tmp_path) and checkpoints(tmp_path)[-1].name != before)
            reached = manifest(checkpoints(tmp_path)[-1])["step"]
            wait_until(lambda: saves_under_way(tmp_path), seconds=5)
            time.sleep(chance.uniform(0, 0.02))
            os.kill(notebook.pid, signal.SIGKILL)
            in_the_middle += saves_under_way(tmp_path)
            notebook.restart(now=True)
        notebook.run(LOAD)
        notebook.run(MODEL)
        assert notebook.run(WHOLE).result == "True"
        assert int(notebook.run("start").result) >= reached
    assert in_the_middle >= 5, "it was killed while it saved"
