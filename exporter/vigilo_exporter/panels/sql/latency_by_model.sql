SELECT $__timeInterval(Timestamp) AS time, RequestModel AS model, quantile(0.95)(DurationNs) / 1e9 AS p95
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
GROUP BY time, model
ORDER BY time, model
