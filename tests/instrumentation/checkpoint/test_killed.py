"""Processes that end while they save, in every way there is: what lies on disk afterwards is whole."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from vigilo.checkpoint.keeping import clean, list_checkpoints
from vigilo.checkpoint.manifest import find_fault
from vigilo.checkpoint.writing import UNFINISHED

TRAIN = """
import os, sys, time
from vigilo import checkpoint
state, blob = {"i": 0}, bytearray(1_000_000)
checkpoint.register("state", state)
checkpoint.register("blob", blob)
resumed = checkpoint.resume()
start = resumed.step if resumed else 0
print("from", start, flush=True)
assert state["i"] == start, (state, start)
assert blob == bytes([start % 256]) * len(blob)
saved = None
for step in range(start + 1, start + 1_000_000):
    state["i"] = step
    blob[:] = bytes([step % 256]) * len(blob)
    checkpoint.request("manual")
    checkpoint.step(step)
    last = checkpoint.status()["last"]
    if last and last["step"] != saved:
        saved = last["step"]
        print(saved, flush=True)
"""


def read_line(process):
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return line.split()


def test_killed_twenty_times_while_it_saves(start_python, folder):
    """Each time another process goes on from the newest, and finds in it what was so at that step."""
    seed = random.randrange(1_000_000)
    rng, begins, unfinished = random.Random(seed), [], 0
    for _ in range(20):
        process = start_python(TRAIN)
        begins.append(int(read_line(process)[1]))
        for _ in range(rng.randrange(0, 4)):
            read_line(process)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.communicate()
        unfinished += len(list(folder.glob(UNFINISHED + "*")))
        found = list_checkpoints(folder)
        assert all(not find_fault(one.path, one.manifest) for one in found), f"seed {seed}"
    assert begins == sorted(begins), f"seed {seed}: {begins}"
    assert begins[-1] > 0, f"seed {seed}: {begins}"
    assert unfinished, "never killed while it wrote: the test says nothing"
    clean(folder)
    assert list(folder.glob(".*")) == []


def test_two_processes_save_to_one_folder_and_one_is_killed(start_python, folder):
    other = start_python(TRAIN)
    read_line(other)
    one = start_python(TRAIN.replace("resumed = checkpoint.resume()", "resumed = None"))
    for process in itertools.islice(itertools.cycle((one, other)), 30):
        read_line(process)
    one.kill()
    one.communicate()
    for _ in range(5):
        read_line(other)
    other.kill()
    other.communicate()
    found = list_checkpoints(folder)
    assert len({item.manifest.lineage for item in found}) == 2, "the newest of each stays"
    assert not any(find_fault(item.path, item.manifest) for item in found)
    process = start_python(TRAIN)
    assert int(read_line(process)[1]) == found[0].manifest.step


STEPS = """
import os, signal, sys, time
from vigilo import checkpoint
state = {"i": 0, "half": False}
checkpoint.register("state", state)
resumed = checkpoint.resume()
if resumed:
    print("resumed", resumed.step, resumed.reason, resumed.consistency, state["i"], state["half"], flush=True)
%s
print("ready", flush=True)
while True:
    state["half"] = True
    time.sleep(0.02)
    state["i"] += 1
    state["half"] = False
    checkpoint.step()
    if state["i"] == 3:
        print("third", flush=True)
"""


def resumed_by(start_python, code=STEPS % ""):
    process = start_python(code)
    words = read_line(process)
    process.kill()
    return words


def test_sigterm_waits_for_the_end_of_the_step(start_python, wait_until):
    process = start_python(STEPS % "")
    assert (read_line(process), read_line(process)) == (["ready"], ["third"])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    word, step, reason, consistency, i, half = resumed_by(start_python)
    assert (word, reason, consistency, half) == ("resumed", "sigterm", "step", "False")
    assert int(step) == int(i) > 0


def test_sigterm_where_no_step_ends_in_time(start_python):
    code = STEPS.replace("time.sleep(0.02)", 'time.sleep(0.02 if state["i"] < 5 else 60); time.sleep(60)')
    code = code.replace("time.sleep(60)", 'time.sleep(60 if state["i"] == 5 else 0)') % ""
    process = start_python(
        code.replace('state["half"] = True', 'state["half"] = True; print("at", state["i"])'),
        VIGILO_CHECKPOINT_BUDGET_S="2",
    )
    while read_line(process) != ["at", "5"]:
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert resumed_by(start_python) == ["resumed", "5", "sigterm", "interrupted", "5", "True"]


def test_the_handler_that_was_there_runs_afterwards(start_python):
    code = (
        STEPS.replace(
            "from vigilo",
            """
def bye(number, frame):
    print("bye", number, flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, bye)
from vigilo""",
        )
        % ""
    )
    process = start_python(code)
    assert (read_line(process), read_line(process)) == (["ready"], ["third"])
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out.split()) == (3, ["bye", "15"]), err
    assert resumed_by(start_python)[2:4] == ["sigterm", "step"]


def test_sigterm_outside_of_any_step(start_python):
    code = STEPS.split("while True")[0] % 'state["i"] = 7; checkpoint.step(7)' + "time.sleep(60)"
    process = start_python(code)
    read_line(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert resumed_by(start_python)[:5] == ["resumed", "7", "sigterm", "interrupted", "7"]


@pytest.mark.parametrize(
    ("end", "reason", "consistency"),
    [("", "exit", "exit"), ("sys.exit(1)", "exit", "exit"), ("raise ValueError", "exception", "interrupted")],
)
def test_the_end_of_the_process(start_python, end, reason, consistency):
    code = STEPS.split("while True")[0] % 'state["i"] = 3; checkpoint.step(3)' + end
    process = start_python(code)
    process.communicate(timeout=30)
    assert resumed_by(start_python)[:5] == ["resumed", "3", reason, consistency, "3"]


def test_a_save_that_hangs_ends_with_the_budget(start_python, folder):
    code = """
import time
from vigilo import checkpoint
checkpoint.register("slow", save=lambda path: time.sleep(120), load=print)
checkpoint.step()
"""
    began_s = time.monotonic()
    process = start_python(code, VIGILO_CHECKPOINT_BUDGET_S="1")
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began_s < 50
    assert "checkpoint_budget_s" in err
    assert process.returncode == 0
    clean(folder)
    assert list(folder.glob("*")) + list(folder.glob(".*")) == []


def test_a_forked_child_saves_nothing_and_its_sigterm_is_its_own(start_python, folder):
    code = """
import os, signal, sys, time
from vigilo import checkpoint
state = {"who": "parent"}
checkpoint.register("state", state)
checkpoint.step(1)
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    state["who"] = "child"
    checkpoint.step(50)
    checkpoint.request("session")
    checkpoint.serve()
    print("ready", flush=True)
    os.write(write, b"x")
    time.sleep(60)
os.read(read, 1)
os.kill(pid, signal.SIGTERM)
print(os.waitpid(pid, 0)[1], flush=True)
"""
    process = start_python(code)
    out, err = process.communicate(timeout=30)
    assert out.split() == ["ready", "15"], err
    (found,) = list_checkpoints(folder)
    assert (found.manifest.step, found.manifest.reason) == (1, "exit")


def test_what_dead_processes_left_is_removed_and_not_what_living_ones_write(folder, make_engine):
    from vigilo.checkpoint.machine import machine, writer

    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    folder.mkdir()
    (folder / f"{UNFINISHED}{machine()}-{done.pid}-123-aaaaaaaa").mkdir()
    (folder / f".trash-{machine()}-{done.pid}-123-aaaaaaaa").mkdir()
    (folder / f"ckpt-7/{UNFINISHED}x").mkdir(parents=True)
    (folder / f"ckpt-7/{UNFINISHED}x").rmdir()
    (folder / f"ckpt-7/{UNFINISHED}{machine()}-{done.pid}-123").touch()
    mine = folder / f"{UNFINISHED}{writer()}-bbbbbbbb"
    mine.mkdir()
    foreign = folder / f"{UNFINISHED}01234567-1-1-cccccccc"
    foreign.mkdir()
    engine = make_engine()
    engine.register("state", {"a": 1})
    engine.save()
    left = sorted(path.name for path in folder.iterdir() if path.name.startswith(".") or path.name == "ckpt-7")
    assert left == sorted([mine.name, foreign.name])
    os.utime(foreign, (0, 0))
    clean(folder)
    assert not foreign.exists()


def test_sigterm_in_the_middle_of_a_save_lets_it_end(start_python, folder):
    code = """
import time
from vigilo import checkpoint

def save(path):
    print("saving", flush=True)
    time.sleep(1)
    path.write_text("whole")

checkpoint.register("slow", save=save, load=print)
checkpoint.step(5)
checkpoint.save()
time.sleep(60)
"""
    process = start_python(code)
    read_line(process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (-signal.SIGTERM, ""), err
    (found,) = list_checkpoints(folder)
    assert (found.manifest.step, found.manifest.reason) == (5, "manual")


def test_sigterm_after_the_handlers_were_removed(start_python, folder):
    code = STEPS.replace("while True", "checkpoint.remove_handlers()\nwhile True") % ""
    process = start_python(code)
    assert (read_line(process), read_line(process)) == (["ready"], ["third"])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert list_checkpoints(folder) == []


def test_sigterm_in_a_save_that_hangs_ends_with_the_budget(start_python, folder):
    code = """
import time
from vigilo import checkpoint

def save(path):
    print("saving", flush=True)
    for _ in range(600):
        time.sleep(0.1)

checkpoint.register("slow", save=save, load=print)
checkpoint.step(5)
checkpoint.save()
"""
    process = start_python(code, VIGILO_CHECKPOINT_BUDGET_S="1")
    read_line(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert list_checkpoints(folder) == []


def test_a_handler_that_was_put_over_ours_ends_the_process_after_ours_came_back(start_python, folder):
    code = """
import os, signal, sys
from vigilo import checkpoint
state = {"i": 1}
checkpoint.register("state", state)
below = signal.getsignal(signal.SIGTERM)

def over(number, frame):
    print("over", flush=True)
    below(number, frame)

signal.signal(signal.SIGTERM, over)
checkpoint.remove_handlers()
checkpoint.register("state", state)
checkpoint.step(7)
os.kill(os.getpid(), signal.SIGTERM)
"""
    process = start_python(code)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out.split()) == (-signal.SIGTERM, ["over"]), err
    (found,) = list_checkpoints(folder)
    assert (found.manifest.step, found.manifest.reason) == (7, "sigterm")
