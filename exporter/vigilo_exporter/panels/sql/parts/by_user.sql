    -- Over a day whole days from the rollup. What the range has of its first and last one comes from the calls: those
    -- inside count once more, or those outside once less, which are none while the range ends now.
    SELECT UserId, Calls, Errors, InputTokens + OutputTokens AS Tokens, toFloat64(CostUsd) AS Cost
    FROM llm_user_daily
    WHERE $__toTime - $__fromTime > 86400
        AND Day >= toDate($__fromTime + 43200) AND Day <= toDate($__toTime)
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
    UNION ALL
    WITH if(Timestamp >= $__fromTime AND Timestamp <= $__toTime, 1, -1) AS Sign
    SELECT UserId, Sign, if(Status = 'Error', Sign, 0), (InputTokens + OutputTokens) * Sign, toFloat64(CostUsd) * Sign
    FROM llm_calls
    WHERE if($__toTime - $__fromTime <= 86400,
            $__timeFilter(Timestamp),
            (Timestamp >= least($__fromTime, toStartOfDay($__fromTime + 43200))
                AND Timestamp < greatest($__fromTime, toStartOfDay($__fromTime + 43200)))
            OR (Timestamp > $__toTime AND Timestamp < toStartOfDay($__toTime + 86400)))
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
