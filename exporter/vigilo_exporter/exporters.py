"""OpenTelemetry exporters that write to the spool: ``OTEL_TRACES_EXPORTER=vigilo_clickhouse`` and its siblings.

They need no server and no network. When ``export`` says SUCCESS the batch is on disk under its final name; a full or
read-only disk gives FAILURE and one line in the log, and never an exception. With ``clickhouse_url`` a thread sends
what is on disk to that server; ``force_flush`` and ``shutdown`` wait for it, within bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from vigilo import semconv, tallies
from vigilo.errors import internal_errors, report_internal
from vigilo.settings import app_settings
from vigilo_exporter.convert.columns import LOGS, TRACES
from vigilo_exporter.convert.logs import log_rows
from vigilo_exporter.convert.metrics import metric_rows
from vigilo_exporter.convert.rows import Dropped, block
from vigilo_exporter.convert.spans import span_rows
from vigilo_exporter.spool import Spool, SpoolLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from vigilo_exporter.convert.rows import Row
    from vigilo_exporter.shipping.shipper import Shipper


class _SpoolExport:
    """What the three exporters share: rows to the spool until shut down, and never an exception."""

    def __init__(self, home: Path | None) -> None:
        self.dropped = Dropped()
        settings = app_settings()
        home = settings.home if home is None else home
        self._spool = Spool(home, SpoolLimits.of(settings))
        self._shut_down = False
        self._shipper: Shipper | None = None
        if settings.clickhouse_url:
            from vigilo_exporter.shipping.shipper import shipper_of  # who has no server needs nothing of it

            self._shipper = shipper_of(home, settings)
            self._shipper.use()
        spool = self._spool
        tallies.SPOOL_BYTES.reads(home, lambda: spool.size_bytes)

    def write(self, rows: Callable[[Dropped], Mapping[str, Sequence[Row]]]) -> bool:
        """Converts and writes; says whether everything that could be converted is on disk.

        Args:
            rows: makes the rows of each table, and counts what has none.
        """
        if self._shut_down:
            return False
        stored = False
        with internal_errors("exporting telemetry"):
            written = [self._write_table(table, each) for table, each in rows(self.dropped).items()]
            stored = all(written)
        return stored

    def flush(self, timeout_s: float) -> bool:
        """Has the server of the settings take what is in the spool; without one it is stored as it is.

        Says whether it did. Whatever happens, nothing in the spool is lost.
        """
        with internal_errors("sending telemetry"):
            return self._shipper is None or self._shut_down or self._shipper.flush(timeout_s)
        return False

    def shut_down(self) -> None:
        """Waits for the server, ``flush_timeout_s`` at the most for all exporters of the app together."""
        if self._shut_down:
            return
        self._shut_down = True
        if self._shipper is not None:
            with internal_errors("sending telemetry"):
                self._shipper.leave()

    def _write_table(self, table: str, rows: Sequence[Row]) -> bool:
        data = block(table, rows, self.dropped)
        _count(table, "dropped", len(rows) - (data[1] if data is not None else 0))
        if data is None:
            return True
        try:
            self._spool.write(table, *data)
        except OSError as error:
            report_internal(f"writing telemetry to {self._spool.folder} ({error.strerror})", error)
            _count(table, "dropped", data[1])
            tallies.EXPORT_FAILURES.add()
            return False
        _count(table, "written", data[1])
        if self._shipper is not None:
            self._shipper.wake()
        return True


def _count(table: str, outcome: str, rows: int) -> None:
    if rows:
        tallies.EXPORT_ROWS.add(rows, {semconv.EXPORT_TABLE: table, semconv.EXPORT_OUTCOME: outcome})


class ClickHouseSpanExporter(SpanExporter):
    """Writes spans to the spool, as rows of ``otel_traces``.

    Args:
        home: the folder that holds the spool; ``VIGILO_HOME`` by default.
    """

    def __init__(self, home: Path | None = None) -> None:
        self._export = _SpoolExport(home)

    @property
    def dropped(self) -> int:
        """Spans that could not be converted."""
        return self._export.dropped.count

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        stored = self._export.write(lambda dropped: {TRACES: span_rows(spans, dropped)})
        return SpanExportResult.SUCCESS if stored else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._export.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        self._export.shut_down()


class ClickHouseMetricExporter(MetricExporter):
    """Writes metrics to the spool, as rows of the ``otel_metrics_*`` tables.

    Temporality stays the SDK's default, cumulative: it is what the Collector's tables, Prometheus and the dashboards on
    both expect, and a point that is lost costs resolution only, since the next one carries the total.

    Args:
        home: the folder that holds the spool; ``VIGILO_HOME`` by default.
    """

    def __init__(self, home: Path | None = None) -> None:
        super().__init__()
        self._export = _SpoolExport(home)

    @property
    def dropped(self) -> int:
        """Data points that could not be converted."""
        return self._export.dropped.count

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        stored = self._export.write(lambda dropped: metric_rows(metrics_data, dropped))
        return MetricExportResult.SUCCESS if stored else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._export.flush(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._export.shut_down()


class ClickHouseLogExporter(LogRecordExporter):
    """Writes log records and events to the spool, as rows of ``otel_logs``.

    Args:
        home: the folder that holds the spool; ``VIGILO_HOME`` by default.
    """

    def __init__(self, home: Path | None = None) -> None:
        self._export = _SpoolExport(home)

    @property
    def dropped(self) -> int:
        """Log records that could not be converted."""
        return self._export.dropped.count

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        stored = self._export.write(lambda dropped: {LOGS: log_rows(batch, dropped)})
        return LogRecordExportResult.SUCCESS if stored else LogRecordExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._export.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        self._export.shut_down()
