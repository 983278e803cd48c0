SELECT
    $__timeInterval(Timestamp) AS time,
    RequestModel AS model,
    sum(InputTokens) / $__interval_s AS input,
    sum(OutputTokens) / $__interval_s AS output
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
GROUP BY time, model
ORDER BY time, model
