"""Limits a minute that several processes share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = Path(__file__).parents[4] / "instrumentation"
PER_MINUTE, EACH, PROCESSES = 30, 25, 2
SCRIPT = """
import json, sys
import openai, vigilo
from vigilo.errors import RateLimited

vigilo.instrument()
passed, refused = 0, []
with openai.OpenAI(api_key="any", max_retries=0) as client, vigilo.track(user="u1"):
    for _ in range(int(sys.argv[1])):
        try:
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
            passed += 1
        except RateLimited as error:
            refused.append(error.reason)
print(json.dumps([passed, sorted(set(refused))]))
"""


def run_all(**settings):
    """What each process tells, and how long all of it took."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(PACKAGES),
        "VIGILO_PACING": "true",
        "VIGILO_PACE_MAX_WAIT_S": "0",
        **{f"VIGILO_{name.upper()}": str(value) for name, value in settings.items()},
    }
    began_s = time.monotonic()
    command = [sys.executable, "-c", SCRIPT, str(EACH)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(PROCESSES)]
    told = [json.loads(process.communicate()[0]) for process in processes]
    return told, time.monotonic() - began_s


def test_the_limit_of_all_users_holds_over_all_processes(server):
    told, took_s = run_all(pace_user_per_minute=0, pace_global_per_minute=PER_MINUTE)
    passed = sum(count for count, _ in told)
    # What comes back meanwhile may pass as well, and nothing beyond it.
    assert PER_MINUTE <= passed <= PER_MINUTE + took_s * PER_MINUTE / 60
    assert passed == len(server.requests)
    assert {reason for _, reasons in told for reason in reasons} == {"global"}


def test_the_limit_of_a_user_holds_over_all_processes(server):
    told, took_s = run_all(pace_user_per_minute=PER_MINUTE)
    passed = sum(count for count, _ in told)
    assert PER_MINUTE <= passed <= PER_MINUTE + took_s * PER_MINUTE / 60
    assert {reason for _, reasons in told for reason in reasons} == {"user"}
