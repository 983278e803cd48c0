    -- Whole hours from the rollup, and what the range has of its first and last hour from the calls.
    SELECT
        Hour, ServiceName, Provider, Model, Operation, AppOperation, ErrorType, Calls, Errors,
        InputTokens, OutputTokens, toFloat64(CostUsd) AS Cost, UnpricedCalls, UnpricedTokens
    FROM llm_hourly
    WHERE Hour >= toStartOfHour($__fromTime + 3599) AND Hour < toStartOfHour($__toTime)
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
    UNION ALL
    SELECT
        toStartOfHour(Timestamp), ServiceName, Provider, Model, Operation, AppOperation, ErrorType, 1, Status = 'Error',
        InputTokens, OutputTokens, toFloat64(CostUsd),
        if(NOT Priced AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage)), 1, 0),
        if(Priced, 0, toInt64(InputTokens + OutputTokens))
    FROM llm_calls
    WHERE $__timeFilter(Timestamp)
        AND (Timestamp < toStartOfHour($__fromTime + 3599) OR Timestamp >= toStartOfHour($__toTime))
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
