"""Log records of a real LoggerProvider, read back from the store that took in their segments."""

import logging
import time

import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from vigilo_exporter.exporters import ClickHouseLogExporter

START_NS = 1_795_253_894_714_369_686
RESOURCE = Resource({"service.name": "shop"}, schema_url="https://schema/r")


@pytest.fixture
def exporter(home):
    return ClickHouseLogExporter(home=home)


@pytest.fixture
def logger(exporter):
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    yield provider.get_logger("library", "1.2", schema_url="https://schema/s", attributes={"a": 1})
    provider.shutdown()


def test_nothing_of_a_log_record_is_lost(ask, logger):
    context = SpanContext(0xA, 0xB, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    logger.emit(
        timestamp=START_NS,
        observed_timestamp=START_NS + 9,
        context=trace.set_span_in_context(NonRecordingSpan(context)),
        severity_number=SeverityNumber.WARN,
        severity_text="WARNING",
        body={"messages": [{"content": "naïve \0"}], "n": 1},
        attributes={"k": "v", "nested": {"x": [1, None]}},
        event_name="vigilo.test",
    )
    [[row]] = ask("SELECT * FROM otel_logs")["answers"]
    assert row == {
        "Timestamp": "2026-11-21 09:38:14.714369686",
        "TimestampTime": "2026-11-21 09:38:14",
        "TraceId": "0000000000000000000000000000000a",
        "SpanId": "000000000000000b",
        "TraceFlags": 1,
        "SeverityText": "WARNING",
        "SeverityNumber": 13,
        "ServiceName": "shop",
        "Body": '{"messages":[{"content":"naïve \\u0000"}],"n":1}',
        "ResourceSchemaUrl": "https://schema/r",
        "ResourceAttributes": {"service.name": "shop"},
        "ScopeSchemaUrl": "https://schema/s",
        "ScopeName": "library",
        "ScopeVersion": "1.2",
        "ScopeAttributes": {"a": "1"},
        "LogAttributes": {
            "k": "v",
            "nested": '{"x":[1,null]}',
            "otel.observed_time_unix_nano": str(START_NS + 9),
        },
        "EventName": "vigilo.test",
    }


def test_a_record_with_nothing_but_its_moment_is_kept(ask, logger):
    before_s = int(time.time())
    logger.emit()
    [[row]] = ask(
        "SELECT toUnixTimestamp(Timestamp) AS at_s, TraceId, SpanId, SeverityText, SeverityNumber, Body, LogAttributes,"
        " EventName FROM otel_logs"
    )["answers"]
    assert before_s <= row.pop("at_s") <= time.time()
    assert row == {
        "TraceId": "",
        "SpanId": "",
        "SeverityText": "",
        "SeverityNumber": 0,
        "Body": "",
        "LogAttributes": {},
        "EventName": "",
    }


@pytest.mark.parametrize("number", [SeverityNumber.UNSPECIFIED, SeverityNumber.TRACE, SeverityNumber.FATAL4])
def test_severities_are_their_numbers(ask, logger, number):
    logger.emit(severity_number=number)
    assert ask("SELECT SeverityNumber AS n FROM otel_logs")["answers"] == [[{"n": number.value}]]


def test_an_exception_comes_with_its_attributes(ask, logger):
    logger.emit(exception=ValueError("it failed"))
    [[row]] = ask(
        "SELECT LogAttributes['exception.type'] AS type, LogAttributes['exception.message'] AS message FROM otel_logs"
    )["answers"]
    assert row == {"type": "ValueError", "message": "it failed"}


def test_records_that_cannot_be_converted_cost_nobody_else(ask, exporter, caplog):
    def record(**arguments):
        return ReadableLogRecord(LogRecord(**arguments), RESOURCE)

    batch = [
        record(body="one"),
        record(body=10**5000),
        record(timestamp=2**70),
        record(body="two", attributes={"k": None}),
    ]
    with caplog.at_level(logging.ERROR, "vigilo"):
        assert exporter.export(batch) is LogRecordExportResult.SUCCESS
    assert exporter.dropped == 2
    assert ask("SELECT Body, LogAttributes FROM otel_logs ORDER BY Body")["answers"] == [
        [{"Body": "one", "LogAttributes": {}}, {"Body": "two", "LogAttributes": {"k": ""}}]
    ]
