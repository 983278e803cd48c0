"""A loop that leaks memory of its GPU: the forecast comes in time, a checkpoint is written, a new kernel goes on."""

from __future__ import annotations

import json

import pytest
from tests.instrumentation.gauges.scripted_gpu import TWO_T4, build, compiler
from tests.instrumentation.notebook.kernel import kernel, wait_until

LOAD = "%load_ext vigilo"
MODEL = """
import os, time
from pathlib import Path
from vigilo import checkpoint
from vigilo.notebook.tasks import task

class Model:
    def __init__(self):
        self.steps_learnt = 0
    def state_dict(self):
        return {"steps_learnt": self.steps_learnt}
    def load_state_dict(self, state):
        self.steps_learnt = state["steps_learnt"]

model = Model()
checkpoint.register("model", model)
resumed = checkpoint.resume()
start = resumed.step if resumed else 0

used = 1_000_000_000
LIMIT = 15 * 2**30
script = Path(os.environ["SCRIPTED_NVML"])

def allocate(size):
    '''What the driver tells from now on: this process holds more.'''
    global used
    used += size
    if used > LIMIT:
        raise MemoryError("CUDA out of memory")
    lines = script.read_text().splitlines()
    new = [f"gpu0.used {used}" if line.startswith("gpu0.used") else line for line in lines]
    script.with_suffix(".new").write_text("\\n".join(new) + "\\n")
    script.with_suffix(".new").replace(script)
"""
LEAK = """
began = time.monotonic()
for step in task("train", total=100_000, done=start):
    model.steps_learnt += 1
    if time.monotonic() - began > 24:  # the first epoch was well; then somebody keeps the losses with their graphs
        allocate(75_000_000)
    time.sleep(0.25)
    checkpoint.step()
    if checkpoint.status()["last"]:
        Path("saved.new").write_text(f"{used}")
        Path("saved.new").replace("saved")
"""


@pytest.fixture
def gpu_variables(tmp_path):
    if compiler() is None:
        pytest.skip("there is no C compiler for the library in the place of NVIDIA's")
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    folder = tmp_path / "nvml"
    folder.mkdir()
    script = tmp_path / "gpus.txt"
    script.write_text(TWO_T4)
    return {"LD_LIBRARY_PATH": build(folder), "SCRIPTED_NVML": script, "VIGILO_PEAK_INTERVAL_S": "0.5"}


def test_a_leak_is_foreseen_saved_and_gone_on_from(tmp_path, gpu_variables):
    with kernel(tmp_path, **gpu_variables) as notebook:
        hello = notebook.run(LOAD)
        assert "Tesla T4" in notebook.run("%vigilo status").displays[0]["data"]["text/plain"]
        assert hello.broken == []
        notebook.run(MODEL)
        warnings = notebook.run("from vigilo.gauges import memory_watch\nseen = []\nmemory_watch.on_level(seen.append)")
        assert warnings.broken == []
        notebook.begin(LEAK)
        assert wait_until(lambda: (tmp_path / "saved").exists(), seconds=110), "it is saved before memory runs out"
        used = int((tmp_path / "saved").read_text())
        assert used < 15 * 2**30
        notebook.shut_down(now=True)  # as the kernel of Linux ends what has no memory left

    (saved,) = [path for path in (tmp_path / "home").rglob("ckpt-*") if (path / "manifest.json").exists()]
    told = json.loads((saved / "manifest.json").read_text("utf-8"))["checkpoint"]
    assert told["reason"] == "memory"
    assert told["step"] > 0

    gpu_variables["SCRIPTED_NVML"].write_text(TWO_T4)
    with kernel(tmp_path, **gpu_variables) as again:
        again.run(LOAD)
        again.run(MODEL)
        assert int(again.run("start").result) == told["step"]
        assert int(again.run("model.steps_learnt").result) == told["step"]
        again.run("for step in task('train', total=start + 3, done=start): model.steps_learnt += 1; checkpoint.step()")
        assert int(again.run("checkpoint.status()['step']").result) == told["step"] + 3
        assert int(again.run("model.steps_learnt").result) == told["step"] + 3
