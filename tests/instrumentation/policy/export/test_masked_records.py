"""Log records of other instrumentors, in whatever order processors were added."""

from __future__ import annotations

import copy
import json
import logging
import warnings

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource

MAIL = "jane.roe@example.com"


class WrittenLogs(LogRecordExporter):
    def __init__(self):
        self.records = []

    def export(self, batch):
        self.records += [json.loads(record.to_json()) for record in batch]
        return LogRecordExportResult.SUCCESS

    def shutdown(self): ...

    def force_flush(self, timeout_millis=30000):
        return True


class Adding(LogRecordProcessor):
    """Changes records, as processors may; and exports by itself what it sees."""

    def __init__(self, exporter=None):
        self.seen = []

    def on_emit(self, log_record):
        record = log_record.log_record
        record.attributes["added"] = MAIL
        record.attributes.update({"more": [MAIL]})
        record.body = [record.body, MAIL]
        self.seen.append(repr((vars(record), record.body, dict(record.attributes), record.event_name)))

    def shutdown(self): ...

    def force_flush(self, timeout_millis=30000):
        return True


@pytest.fixture
def exporter():
    return WrittenLogs()


@pytest.fixture
def logs(in_force, exporter):
    provider = LoggerProvider(resource=Resource.create({"owner": MAIL}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (MAIL, "[EMAIL]"),
        ({"to": [MAIL, {MAIL: 1}]}, {"to": ["[EMAIL]", {"[EMAIL]": 1}]}),
        ([MAIL, 1], ["[EMAIL]", 1]),
        (b"jane", "[BYTES 4]"),
        (4111111111111111, "[CARD]"),
        (f'{{"to":"{MAIL}"}}', '{"to":"[EMAIL]"}'),
        ("all is well", "all is well"),
        (None, None),
        (7, 7),
    ],
)
def test_bodies_of_every_type_are_masked(logs, exporter, body, shown):
    logs.get_logger("another").emit(LogRecord(body=body))
    assert exporter.records[0]["body"] == shown


def test_every_part_is_masked(logs, exporter):
    logger = logs.get_logger("another", attributes={"team": MAIL})
    record = LogRecord(
        body="failed",
        attributes={"who": MAIL, "nested": {"to": [MAIL]}, MAIL: 1},
        event_name=f"sent to {MAIL}",
        severity_text=f"bad for {MAIL}",
        exception=ValueError(MAIL),
    )
    logger.emit(record)
    (written,) = exporter.records
    assert "jane" not in str(written)
    assert written["attributes"]["who"] == "[EMAIL]"
    assert written["attributes"]["exception.message"] == "[EMAIL]"
    assert written["event_name"] == "sent to [EMAIL]"
    assert written["resource"]["attributes"]["owner"] == "[EMAIL]"
    assert record.body == "failed"
    assert record.exception.args == (MAIL,)  # the app's own record is left alone


@pytest.mark.parametrize("make", [SimpleLogRecordProcessor, BatchLogRecordProcessor])
def test_what_processors_add_is_masked_whatever_their_order(in_force, make):
    first, last, adding = WrittenLogs(), WrittenLogs(), Adding()
    provider = LoggerProvider(shutdown_on_exit=False)
    for processor in (make(first), adding, make(last)):
        provider.add_log_record_processor(processor)
    provider.get_logger("another").emit(LogRecord(body=MAIL, attributes={"who": MAIL}, event_name=MAIL))
    provider.force_flush()
    provider.shutdown()
    assert "jane" not in str((first.records, last.records, adding.seen))
    assert last.records[0]["attributes"] == {"who": "[EMAIL]", "added": "[EMAIL]", "more": ["[EMAIL]"]}
    assert last.records[0]["body"] == ["[EMAIL]", "[EMAIL]"]


def test_the_logging_of_python_is_masked(logs, exporter):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        handler = LoggingHandler(logger_provider=logs)
    log = logging.getLogger("shop.orders")
    log.propagate = False
    log.addHandler(handler)
    try:
        try:
            raise ValueError(MAIL)
        except ValueError:
            log.exception("no order of %s", MAIL, extra={"customer": MAIL})
        log.warning({"customer": MAIL})
    finally:
        log.removeHandler(handler)
        log.propagate = True
    first, second = exporter.records
    assert "jane" not in str((first, second))
    assert first["body"] == "no order of [EMAIL]"
    assert first["attributes"]["customer"] == "[EMAIL]"
    assert "[EMAIL]" in first["attributes"]["exception.stacktrace"]
    assert first["attributes"]["code.function.name"] == "test_the_logging_of_python_is_masked"
    assert second["body"] == {"customer": "[EMAIL]"}


def test_what_needs_no_masking_is_kept(logs, exporter):
    record = LogRecord(body="well", attributes={"a": 1}, timestamp=5, observed_timestamp=6, event_name="e")
    logs.get_logger("another").emit(record)
    (written,) = exporter.records
    assert (written["body"], written["attributes"], written["event_name"]) == ("well", {"a": 1}, "e")
    assert (written["timestamp"], written["dropped_attributes"]) == ("1970-01-01T00:00:00.000000Z", 0)


def test_copies_of_a_record_are_masked(in_force):
    class Copying(Adding):
        def on_emit(self, log_record):
            self.seen.append(copy.deepcopy(log_record.log_record))

    copying = Copying()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(copying)
    provider.get_logger("another").emit(LogRecord(body=MAIL, attributes={"who": MAIL}))
    (record,) = copying.seen
    assert (record.body, dict(record.attributes)) == ("[EMAIL]", {"who": "[EMAIL]"})
    assert "jane" not in repr(vars(record))
    provider.shutdown()


def test_the_exception_of_a_record_that_the_app_made_is_told(logs, exporter):
    record = LogRecord(body="failed", exception=ValueError(MAIL))
    logs.get_logger("another").emit(ReadWriteLogRecord(log_record=record, resource=logs._resource))
    (written,) = exporter.records
    assert written["attributes"]["exception.type"] == "ValueError"
    assert written["attributes"]["exception.message"] == "[EMAIL]"
    assert "jane" not in str(written)


def test_without_content_events_of_models_have_no_body(logs, exporter, set_up):
    set_up(VIGILO_CONTENT="off")
    logger = logs.get_logger("another")
    logger.emit(LogRecord(event_name="gen_ai.user.message", body={"content": "hello"}, attributes={"input.value": "x"}))
    logger.emit(LogRecord(event_name="shop.opened", body="hello"))
    assert [record["body"] for record in exporter.records] == [None, "hello"]
    assert exporter.records[0]["attributes"] is None


def test_vigilos_own_events_are_not_masked_again(logs, exporter):
    messages = [{"role": "user", "parts": [{"type": "text", "content": MAIL}]}]
    for scope in ("vigilo", "another"):
        logs.get_logger(scope).emit(
            LogRecord(event_name="x", attributes={"gen_ai.input.messages": messages, "added": MAIL})
        )
    own, other = exporter.records
    assert own["attributes"] == {"gen_ai.input.messages": messages, "added": "[EMAIL]"}
    assert "jane" not in str(other)
