-- Null without calls: no ratio is known then.
SELECT countIf(Status = 'Error') / nullIf(count(), 0) AS ratio
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
