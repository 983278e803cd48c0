-- Whole hours, so that a range shorter than one is not empty.
SELECT $__timeInterval(Hour) AS time, RequestModel AS model, toFloat64(sum(CostUsd)) AS cost
FROM llm_hourly
WHERE Hour >= toStartOfHour($__fromTime) AND Hour <= $__toTime
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
GROUP BY time, model
ORDER BY time, model
