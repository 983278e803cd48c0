from __future__ import annotations

import pytest
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from vigilo import checkpoint, semconv
from vigilo.notebook.alerts import CALM_S, Alert, Alerts
from vigilo.notebook.place import Place


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def alerts(tmp_path, clock):
    return Alerts(Place(tmp_path, {}, clock, clock))


def levels(alerts):
    return [entry["level"] for entry in alerts.told]


def test_each_level_once_upwards(alerts):
    for level in ("", "watch", "watch", "warn", "watch", "warn", "critical", "critical"):
        alerts.look(Alert("disk", level, "text"))
    assert levels(alerts) == ["watch", "warn", "critical"]


def test_again_after_calm(alerts, clock):
    alerts.look(Alert("disk", "warn", "text"))
    alerts.look(Alert("disk", ""))
    clock.now_s += CALM_S - 1
    alerts.look(Alert("disk", ""))
    alerts.look(Alert("disk", "warn", "text"))
    assert levels(alerts) == ["warn"]
    alerts.look(Alert("disk", ""))
    clock.now_s += CALM_S
    alerts.look(Alert("disk", ""))
    alerts.look(Alert("disk", "warn", "text"))
    assert levels(alerts) == ["warn", "warn"]


def test_kinds_have_levels_of_their_own(alerts):
    alerts.look(Alert("disk", "warn", "text"))
    alerts.look(Alert("quota", "watch", "text"))
    alerts.over("disk")
    alerts.look(Alert("disk", "watch", "text"))
    assert [(entry["kind"], entry["level"]) for entry in alerts.told] == [
        ("disk", "warn"),
        ("quota", "watch"),
        ("disk", "watch"),
    ]


def test_what_happens_is_told_each_time_and_not_for_ever(alerts):
    for _ in range(60):
        alerts.happened(Alert("restart", "watch", "text"))
    assert len(alerts.told) == 50


def test_lines_that_may_not_be_logged_now_wait_and_not_all_of_them(tmp_path, clock, caplog):
    may_log = False
    alerts = Alerts(Place(tmp_path, {}, clock, clock), lambda: may_log)

    def fail(_):
        raise ValueError("theirs")

    alerts.callbacks.append(fail)
    alerts.happened(Alert("idle", "warn", "first"))
    assert levels(alerts) == ["warn"]
    assert not caplog.records
    alerts.log_waiting()
    assert [record.message for record in caplog.records] == [
        "vigilo: first",
        "vigilo: a function that is told warnings of the notebook raised ValueError",
    ]
    caplog.clear()
    alerts.callbacks.clear()
    for at in range(60):
        alerts.happened(Alert("idle", "warn", str(at)))
    alerts.log_waiting()
    alerts.log_waiting()
    assert [record.message for record in caplog.records] == [f"vigilo: {at}" for at in range(10, 60)]
    may_log = True
    alerts.happened(Alert("idle", "warn", "at once"))
    assert caplog.records[-1].message == "vigilo: at once"


def test_checkpoints_are_asked_for_where_that_is_meant(alerts, monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoint, "request", asked.append)
    alerts.look(Alert("idle", "watch", "text"))
    alerts.look(Alert("idle", "warn", "text", save=True))
    alerts.look(Alert("drive", "critical", "text", save=True))
    assert asked == ["idle"]


def test_the_event(alerts, monkeypatch):
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr(_logs, "get_logger", lambda name: provider.get_logger(name))
    alerts.look(Alert("session", "critical", "the session ends in 2 min"))
    (record,) = (one.log_record for one in exporter.get_finished_logs())
    assert record.event_name == "notebook.warning"
    assert dict(record.attributes) == {semconv.NOTEBOOK_WARNING_KIND: "session"}
    assert (record.body, record.severity_text) == ("the session ends in 2 min", "ERROR")
    provider.shutdown()
