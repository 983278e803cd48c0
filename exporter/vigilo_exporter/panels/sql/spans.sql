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
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(TraceId IN (${trace:singlequote}), $trace)
ORDER BY Timestamp DESC
LIMIT 200
