    -- Up to a day the calls themselves, step by step. Over a day whole hours from the rollup, so a step is an hour at
    -- least, and what the range has of its first and last hour from the calls.
    SELECT Hour AS Began, Model, InputTokens, OutputTokens, toFloat64(CostUsd) AS Cost
    FROM llm_hourly
    WHERE $__toTime - $__fromTime > 86400
        AND Hour >= toStartOfHour($__fromTime + 3599) AND Hour < toStartOfHour($__toTime)
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
    UNION ALL
    SELECT toDateTime(Timestamp), Model, InputTokens, OutputTokens, toFloat64(CostUsd)
    FROM llm_calls
    WHERE $__timeFilter(Timestamp)
        AND ($__toTime - $__fromTime <= 86400
            OR Timestamp < toStartOfHour($__fromTime + 3599) OR Timestamp >= toStartOfHour($__toTime))
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
