-- A trace is read from when it began until it ended. For all services together only the newest days are read, as many as
-- have two hundred spans, which ClickHouse knows without reading any.
SELECT
    Timestamp AS "Time",
    ServiceName AS "Service",
    SpanName AS "Span",
    SpanKind AS "Kind",
    StatusCode AS "Status",
    Duration / 1e9 AS "Duration",
    TraceId AS "Trace"
FROM otel_traces
WHERE $__timeFilter(Timestamp)
    AND Timestamp >= if($__conditionalAll(1 = 0, $service) AND $__conditionalAll(1 = 0, $trace), (
        SELECT toDateTime(min(day))
        FROM
        (
            SELECT toDate(Timestamp) AS day, sum(count()) OVER (ORDER BY day DESC) - count() AS newer
            FROM otel_traces
            WHERE toDate(Timestamp) >= toDate($__fromTime) AND toDate(Timestamp) < toDate($__toTime)
            GROUP BY day
        )
        WHERE newer < 200
    ), toDateTime(0))
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(
        TraceId IN (${trace:singlequote})
            AND Timestamp >= (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId IN (${trace:singlequote}))
            AND Timestamp < (SELECT max(End) + 1 FROM otel_traces_trace_id_ts WHERE TraceId IN (${trace:singlequote})),
        $trace)
ORDER BY Timestamp DESC
LIMIT 200
