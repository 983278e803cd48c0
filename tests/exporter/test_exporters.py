"""What OpenTelemetry and the app may rely on: success is on disk, failure is a word in the log and no exception."""

import logging
import os
import signal
import threading

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from vigilo_exporter.exporters import ClickHouseLogExporter, ClickHouseMetricExporter, ClickHouseSpanExporter
from vigilo_exporter.spool import Spool


def spans():
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("t").start_span("s").end()
    return memory.get_finished_spans()


def metrics():
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("t").create_counter("c").add(1)
    provider.get_meter("t").create_histogram("h").record(1)
    return reader.get_metrics_data()


def logs():
    records = []

    class Keep(ClickHouseLogExporter):
        def export(self, batch):
            records.extend(batch)
            return LogRecordExportResult.SUCCESS

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(Keep()))
    provider.get_logger("t").emit(body="l")
    return records


SIGNALS = pytest.mark.parametrize(
    ("make", "batch", "results", "segments"),
    [
        (ClickHouseSpanExporter, spans, SpanExportResult, ["otel_traces"]),
        (ClickHouseMetricExporter, metrics, MetricExportResult, ["otel_metrics_histogram", "otel_metrics_sum"]),
        (ClickHouseLogExporter, logs, LogRecordExportResult, ["otel_logs"]),
    ],
    ids=["spans", "metrics", "logs"],
)


def tables(home):
    return sorted(path.name.split(".")[1] for path in Spool(home).segments())


@SIGNALS
def test_without_arguments_the_home_is_the_settings(make, batch, results, segments, home, monkeypatch):
    monkeypatch.setenv("VIGILO_HOME", str(home))
    exporter = make()
    assert exporter.export(batch()) is results.SUCCESS
    assert tables(home) == segments
    assert exporter.force_flush() is True


def said(caplog):
    """What this test logged, and no thread that another one left."""
    return [record for record in caplog.records if record.thread == threading.get_ident()]


@SIGNALS
def test_after_shutdown_nothing_is_written_and_nothing_said(make, batch, results, segments, home, caplog):
    exporter = make(home=home)
    exporter.shutdown()
    assert exporter.export(batch()) is results.FAILURE
    assert tables(home) == []
    assert said(caplog) == []


@SIGNALS
def test_a_folder_that_refuses_is_a_failure_said_once(make, batch, results, segments, home, caplog):
    home.mkdir()
    (home / "spool").write_text("a file where the folder should be")
    exporter = make(home=home)
    with caplog.at_level(logging.ERROR, "vigilo"):
        outcomes = [exporter.export(batch()) for _ in range(3)]
    assert outcomes == [results.FAILURE] * 3
    [record] = said(caplog)
    assert str(home / "spool") in record.getMessage()
    (home / "spool").unlink()
    assert exporter.export(batch()) is results.SUCCESS
    assert tables(home) == segments


FULL_DISK = """
import resource, sys
from pathlib import Path
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from vigilo_exporter.exporters import ClickHouseSpanExporter
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
provider.get_tracer("t").start_span("s").end()
exporter = ClickHouseSpanExporter(home=Path(sys.argv[1]))
for limit in (10, resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    print(exporter.export(memory.get_finished_spans()).name)
"""


def test_a_full_disk_is_a_failure_and_leaves_nothing_behind(home, python):
    done = python("-c", FULL_DISK, home)
    assert done.stdout.split() == ["FAILURE", "SUCCESS"], done.stderr
    assert done.stderr.count("\n") == 1
    (segment,) = Spool(home).segments()
    assert set(os.listdir(home / "spool")) == {segment.name, ".lock", "dropped.jsonl"}


def test_threads_export_through_one_exporter(ask, home):
    exporter = ClickHouseSpanExporter(home=home)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")

    def run(thread):
        for number in range(20):
            tracer.start_span(f"{thread}:{number}").end()

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [[row]] = ask("SELECT count() AS n, uniqExact(SpanName) AS names FROM otel_traces")["answers"]
    assert row == {"n": 120, "names": 120}


FORK = """
import os, sys
from pathlib import Path
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from vigilo_exporter.exporters import ClickHouseSpanExporter
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ClickHouseSpanExporter(home=Path(sys.argv[1]))))
tracer = provider.get_tracer("t")
tracer.start_span("before").end()
provider.force_flush()
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        for each in range(50):
            tracer.start_span(f"child {number}:{each}").end()
        provider.shutdown()
        os._exit(0)
    children.append(child)
tracer.start_span("parent").end()
provider.shutdown()
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
"""


def test_forked_workers_lose_and_double_nothing(ask, home, python):
    done = python("-c", FORK, home)
    assert done.returncode == 0, done.stderr
    [[row]] = ask("SELECT count() AS n, uniqExact(SpanName) AS names FROM otel_traces")["answers"]
    assert row == {"n": 152, "names": 152}


KILLED = """
import os, signal, sys
from pathlib import Path
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from vigilo_exporter.exporters import ClickHouseSpanExporter
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ClickHouseSpanExporter(home=Path(sys.argv[1]))))
for number in range(1000):
    provider.get_tracer("t").start_span(f"s {number}").end()
provider.force_flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_right_after_a_flush_loses_nothing_that_was_flushed(ask, home, python):
    assert python("-c", KILLED, home).returncode == -signal.SIGKILL
    [[row]] = ask("SELECT count() AS n, uniqExact(SpanName) AS names FROM otel_traces")["answers"]
    assert row == {"n": 1000, "names": 1000}


def test_what_ended_before_shutdown_is_written_by_it(ask, home):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(ClickHouseSpanExporter(home=home)))
    provider.get_tracer("t").start_span("last").end()
    provider.shutdown()
    assert ask("SELECT SpanName FROM otel_traces")["answers"] == [[{"SpanName": "last"}]]


def test_neither_the_engine_nor_a_client_is_loaded(python):
    code = (
        "import sys, vigilo_exporter.exporters; print([n for n in sys.modules if n.startswith(('chdb', 'clickhouse'))])"
    )
    assert python("-c", code).stdout == "[]\n"
