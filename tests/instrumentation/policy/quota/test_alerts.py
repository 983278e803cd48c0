"""Who hears of a threshold: the log, a metric, a function, and a webhook that may be slow, broken or gone."""

from __future__ import annotations

import asyncio
import http.server
import json
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from vigilo import semconv
from vigilo.policy.quota import alerts, outbox, webhook
from vigilo.policy.quota.status import QuotaStatus
from vigilo.tallies import REFUSALS, THRESHOLDS

GUIDE = Path(__file__).parents[4] / "docs" / "quotas.md"
STATUS = QuotaStatus(
    rule="user=u_1 tokens/day",
    scope="user=u_1",
    metric="tokens",
    window="day",
    mode="block",
    limit=1000,
    used=790,
    held=20,
    remaining=190,
    resets_at=datetime(2026, 11, 22, tzinfo=timezone.utc),
)
LABELS = {
    semconv.QUOTA_SCOPE: "user=u_1",
    semconv.QUOTA_METRIC: "tokens",
    semconv.QUOTA_WINDOW: "day",
    semconv.QUOTA_MODE: "block",
}
heard: list[dict] = []


def hear(message):
    heard.append(message)


async def hear_later(message):
    await asyncio.sleep(0)
    heard.append(message)


def fail(message):
    raise ValueError(f"cannot take {message['rule']}")


@pytest.fixture(autouse=True)
def _told_anew(monkeypatch):
    monkeypatch.setattr(outbox, "BACK_OFF_S", 0.001)
    monkeypatch.setattr(webhook, "TIMEOUT_S", 60)
    heard.clear()
    alerts._told.cache_clear()
    alerts._refusals_logged.clear()
    yield
    alerts._told.cache_clear()


@pytest.fixture
def settings_file(tmp_path, monkeypatch):
    """Writes what `[quota]` of the settings file says."""

    def write(text):
        path = tmp_path / "vigilo.toml"
        path.write_text(f"[quota]\n{text}\n", "utf-8")
        monkeypatch.setenv("VIGILO_CONFIG", str(path))

    return write


class Receiver:
    """An HTTP server that answers with ``codes`` in turn, the last one for good."""

    def __init__(self):
        self.codes = [204]
        self.headers = {}
        self.got = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers), json.loads(body)))
                receiver.may_answer.wait(30)
                code = receiver.codes.pop(0) if len(receiver.codes) > 1 else receiver.codes[0]
                self.send_response(code)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 - where a redirect would lead

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/SECRET-TOKEN"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver(settings_file):
    """The webhook of the settings."""
    made = Receiver()
    settings_file(f'webhook = "{made.url}"')
    yield made
    made.close()


def all_told():
    told = alerts._told()
    return all(box.flush(30) for box in (told.webhook, told.function) if box is not None)


def counted(tally):
    return {tuple(sorted(labels.items())): count for count, labels in tally.read()}


def test_a_threshold_is_logged_and_counted(caplog):
    labels = tuple(sorted({**LABELS, semconv.QUOTA_LEVEL: "0.8"}.items()))
    before = counted(THRESHOLDS).get(labels, 0)
    alerts.reached(STATUS, 0.8)
    assert counted(THRESHOLDS)[labels] == before + 1
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("vigilo", logging.WARNING)
    assert record.getMessage() == (
        "vigilo: user=u_1 tokens/day has reached 80 % of its limit: 790 used and 20 held of 1,000, "
        "until 2026-11-22T00:00:00+00:00"
    )


def test_what_is_nearly_or_wholly_used_is_an_error(caplog):
    alerts.reached(STATUS, 0.95)
    alerts.reached(STATUS._replace(mode="warn", metric="usd", used=1200.5, resets_at=None), 1.0)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert caplog.messages[1].endswith("user=u_1 tokens/day has passed its limit: 1,200.5 used and 20 held of 1,000")


def test_refusals_are_all_counted_and_logged_once_a_window(caplog):
    labels = tuple(sorted(LABELS.items()))
    before = counted(REFUSALS).get(labels, 0)
    for _ in range(3):
        alerts.refused(STATUS)
    assert counted(REFUSALS)[labels] == before + 3
    alerts.refused(STATUS._replace(resets_at=datetime(2026, 11, 23, tzinfo=timezone.utc)))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "calls are refused by user=u_1 tokens/day: 790 used and 20 held of 1,000" in caplog.text


def test_a_webhook_gets_the_whole_of_it(receiver):
    alerts.reached(STATUS, 0.8)
    assert all_told()
    ((path, headers, body),) = receiver.got
    assert path == "/hook/SECRET-TOKEN"
    assert headers["Content-Type"] == "application/json"
    assert datetime.fromisoformat(body.pop("at")).tzinfo is not None
    assert body == {
        "event": "vigilo.quota.threshold",
        "severity": "warning",
        "text": "user=u_1 tokens/day has reached 80 % of its limit: 790 used and 20 held of 1,000, "
        "until 2026-11-22T00:00:00+00:00",
        "rule": "user=u_1 tokens/day",
        "scope": "user=u_1",
        "metric": "tokens",
        "window": "day",
        "mode": "block",
        "level": 0.8,
        "used": 790,
        "held": 20,
        "limit": 1000,
        "remaining": 190,
        "resets_at": "2026-11-22T00:00:00+00:00",
    }
    documented = alerts.__doc__.split("keys:")[1]
    assert all(key in documented for key in body)
    shown = re.search(r"```json\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert set(json.loads(shown[1])) == {*body, "at"}


def test_a_webhook_that_fails_is_asked_again(receiver, caplog):
    receiver.codes = [500, 429, 200]
    alerts.reached(STATUS, 0.8)
    assert all_told()
    assert len(receiver.got) == outbox.ATTEMPTS
    assert alerts._told().webhook.dropped == 0
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("code", "attempts"), [(500, 3), (503, 3), (400, 1), (404, 1), (410, 1), (301, 1), (307, 1)])
def test_a_webhook_that_goes_on_failing_is_given_up_and_logged_once(receiver, caplog, code, attempts):
    receiver.codes = [code]
    receiver.headers = {"Location": receiver.url}
    for _ in range(2):
        alerts.reached(STATUS, 0.8)
        assert all_told()
    assert len(receiver.got) == 2 * attempts
    assert alerts._told().webhook.dropped == 2
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [f"vigilo: the webhook of quotas is not told of a threshold: it answered {code} (logged once)"]
    assert "SECRET" not in caplog.text


def test_a_webhook_that_is_not_there_is_no_fault(receiver, caplog):
    receiver.close()
    alerts.reached(STATUS, 0.8)
    assert all_told()
    assert "not told of a threshold: no answer: ConnectionRefusedError" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_webhook_that_does_not_answer_in_time_is_given_up(receiver, caplog, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.05)
    receiver.may_answer.clear()
    alerts.reached(STATUS, 0.8)
    assert all_told()
    assert "not told of a threshold: no answer: TimeoutError" in caplog.text


def test_nobody_waits_for_a_slow_webhook(receiver, caplog):
    receiver.may_answer.clear()
    for _ in range(outbox.MOST_WAITING + 50):
        alerts.reached(STATUS, 0.8)
    told = alerts._told().webhook
    assert 49 <= told.dropped <= 50  # one may have been taken out already
    assert not told.flush(0.01)
    assert caplog.text.count("more of them than it takes (logged once)") == 1
    receiver.may_answer.set()
    assert told.flush(30)
    assert len(receiver.got) + told.dropped == outbox.MOST_WAITING + 50


@pytest.mark.parametrize("name", ["hear", "hear_later"])
def test_a_function_of_the_app_is_called(settings_file, name):
    settings_file(f'alert = "{__name__}:{name}"')
    alerts.reached(STATUS, 0.95)
    assert all_told()
    (message,) = heard
    assert (message["level"], message["severity"]) == (0.95, "critical")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("fail", "ValueError"), ("absent", "AttributeError"), ("heard", "TypeError")],
)
def test_a_function_that_raises_harms_nobody(settings_file, caplog, name, kind):
    settings_file(f'alert = "{__name__}:{name}"')
    for _ in range(2):
        alerts.reached(STATUS, 0.8)
        assert all_told()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [f"vigilo: the alert function of quotas is not told of a threshold: {kind} (logged once)"]


def test_without_a_webhook_there_is_no_thread(settings_file):
    settings_file("")
    alerts.reached(STATUS, 0.8)
    assert alerts._told() == (None, None)


def _tell_from_child():
    alerts.reached(STATUS, 0.95)
    os._exit(0 if all_told() else 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_tells_for_itself(receiver):
    receiver.may_answer.clear()
    alerts.reached(STATUS, 0.8)
    alerts.reached(STATUS, 0.8)
    child = multiprocessing.get_context("fork").Process(target=_tell_from_child)
    child.start()
    while len(receiver.got) < 2:
        time.sleep(0.005)
    receiver.may_answer.set()
    child.join()
    assert child.exitcode == 0
    assert all_told()
    assert sorted(body["level"] for _, _, body in receiver.got) == [0.8, 0.8, 0.95]


EXITING = f"""
import sys
from vigilo.policy.quota import alerts
from vigilo.policy.quota.status import QuotaStatus
alerts.reached(QuotaStatus(*{tuple(STATUS[:-1])!r}, None), 0.8)
"""


def test_what_waits_is_told_before_the_interpreter_exits(receiver):
    done = subprocess.run([sys.executable, "-c", EXITING], capture_output=True, text=True, check=True)
    assert len(receiver.got) == 1
    assert "Traceback" not in done.stderr


def test_a_webhook_that_never_answers_does_not_keep_the_interpreter(receiver):
    receiver.may_answer.clear()
    done = subprocess.run([sys.executable, "-c", EXITING], capture_output=True, text=True, check=True, timeout=60)
    assert len(receiver.got) == 1
    assert "Traceback" not in done.stderr
