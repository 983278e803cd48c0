"""Which rules are in force in a process, and what it tells of them."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from vigilo import semconv
from vigilo.capture import gate
from vigilo.capture.call import Request
from vigilo.errors import QuotaExceeded
from vigilo.policy import guard
from vigilo.policy.guard import Guard
from vigilo.policy.quota.rules import to_json
from vigilo.settings import app_settings
from vigilo.state import STATE_FILE
from vigilo.state.memory import MemoryStore
from vigilo.state.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable

from .guarding import ANSWER, CHAT, Clock, admit, counts, in_a_child, rule

# What was used lately


def test_counters_that_were_used_are_told(settings):
    clock = Clock(datetime(2026, 11, 21, 12, 0, 30, tzinfo=timezone.utc).timestamp())
    own = Guard(settings, MemoryStore(clock), None, [rule(5, user="*"), rule(9, window="minute", mode="observe")])
    assert own.seen() == []
    admit(own)
    admit(own, scopes={"user": ("u2",)}).settle(CHAT, ANSWER, None, None)

    assert [(one.rule, one.used, one.held, one.limit, one.remaining) for one in own.seen()] == [
        ("user=u1 requests/day", 0, 1, 5, 4),
        ("user=u2 requests/day", 1, 0, 5, 4),
        ("global requests/minute", 1, 1, 9, 7),
    ]
    clock.now_s += 60
    assert [one.rule for one in own.seen()] == ["user=u1 requests/day", "user=u2 requests/day"]
    clock.now_s += 86_400
    assert own.seen() == []


def test_status_of_dollars_is_in_dollars(settings, store):
    own = Guard(settings, store, None, [rule(1.5, "usd", window="total")])

    (one,) = own.status({})

    assert (one.rule, one.scope, one.limit, one.remaining) == ("global usd/total", "global", 1.5, 1.5)
    assert one.resets_at is None


# In force


def again(until: Callable[[], bool]) -> None:
    """Asks until it is so, for 5 s at the most."""
    end = time.monotonic() + 5
    while not until() and time.monotonic() < end:
        time.sleep(0.05)
    assert until()


def test_nothing_is_in_force_and_no_file_is_made_without_a_rule(home):
    assert guard.in_force() is None
    guard.look_again()
    assert guard.in_force() is None
    assert not (home / STATE_FILE).exists()


def test_personal_mode_is_in_force(home, monkeypatch):
    monkeypatch.setenv("VIGILO_PERSONAL", "true")
    app_settings.cache_clear()

    own = guard.in_force()

    assert own is not None
    assert own is guard.in_force()
    assert own.wants_input
    assert [one.limit for one in own.status({"user": ("u1",)})] == [10_000, 100]
    assert not (home / STATE_FILE).exists()
    assert gate.run(own.steps(CHAT, {})) is None  # nobody's call


def test_rules_of_the_file_are_in_force(tmp_path, monkeypatch):
    config = tmp_path / "vigilo.toml"
    config.write_text('personal = true\n[[quota.rules]]\nmetric = "requests"\nlimit = 7\nmode = "block"\nuser = "*"\n')
    monkeypatch.setenv("VIGILO_CONFIG", str(config))
    app_settings.cache_clear()

    own = guard.in_force()

    assert own is not None
    limits = {one.rule: (one.limit, one.mode) for one in own.status({"user": ("u1",)})}
    assert limits == {"user=u1 requests/day": (7, "block"), "user=u1 tokens/day": (10_000, "block")}


def test_rules_that_others_set_are_in_force_within_a_second(home):
    assert guard.in_force() is None
    others = SqliteStore(home / STATE_FILE)

    others.put_rule("a", to_json(rule(3)))
    again(lambda: guard.in_force() is not None)
    own = guard.in_force()
    assert own is not None
    assert not own.wants_input

    others.put_rule("a", to_json(rule(9)))
    again(lambda: [one.limit for one in own.status({})] == [9] or guard.in_force() is None)
    others.drop_rule("a")
    again(lambda: guard.in_force() is None)
    others.close()


def test_a_call_that_hears_of_new_rules_has_them_read(home):
    others = SqliteStore(home / STATE_FILE)
    others.put_rule("a", to_json(rule(3)))
    own = guard.in_force()
    assert own is not None
    admit(own).settle(CHAT, ANSWER, None, None)

    others.put_rule("a", to_json(rule(1)))
    admit(own).settle(CHAT, ANSWER, None, None)  # by the rule as it was
    own = guard.in_force()
    assert own is not None
    with pytest.raises(QuotaExceeded):
        admit(own)

    assert counts(own) == {"global requests/day": (2, 0)}
    others.close()


def test_state_that_cannot_be_opened_is_logged_and_calls_go_on(monkeypatch, caplog):
    monkeypatch.setenv("VIGILO_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("VIGILO_PERSONAL", "true")
    monkeypatch.setitem(sys.modules, "redis", None)
    app_settings.cache_clear()

    with caplog.at_level(logging.ERROR, "vigilo"):
        own = guard.in_force()

    assert own is not None
    assert "the shared state of quotas cannot be used" in caplog.text
    assert admit(own, Request("speech", "openai", "tts-1")).settle(CHAT, ANSWER, None, None).attributes == {
        semconv.QUOTA_STATE: "local"
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_a_guard_of_its_own(home):
    others = SqliteStore(home / STATE_FILE)
    others.put_rule("a", to_json(rule(1)))
    others.close()
    own = guard.in_force()
    assert own is not None

    def call() -> bool:
        theirs = guard.in_force()
        if theirs is None or theirs is own:
            return False
        admit(theirs).settle(CHAT, ANSWER, None, None)
        return True

    assert in_a_child(call)
    with pytest.raises(QuotaExceeded):
        admit(own)


def test_threads_that_begin_together_all_see_the_first_rules(monkeypatch):
    monkeypatch.setenv("VIGILO_PERSONAL", "true")
    app_settings.cache_clear()
    seen, start = [], threading.Barrier(8)

    def look() -> None:
        start.wait()
        seen.append(guard.in_force())

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8
    assert len(set(map(id, seen))) == 1
    assert seen[0] is not None
