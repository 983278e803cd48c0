SELECT quantileOrNullIf(0.95)(TimeToFirstChunkNs, TimeToFirstChunkNs > 0) / 1e9 AS p95
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
