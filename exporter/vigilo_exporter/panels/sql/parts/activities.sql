    -- Whole days from the rollup. Of the first and last day those that lie inside the range, and of those that reach
    -- beyond it the calls that do not.
    SELECT ID, Start, End, Calls, Errors, InputTokens + OutputTokens AS Tokens, toFloat64(CostUsd) AS Cost
    FROM ROLLUP
    WHERE Day > toDate($__fromTime) AND Day < toDate($__toTime)
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
    UNION ALL
    SELECT ID, min(Start), max(End), sum(Calls), sum(Errors), sum(InputTokens + OutputTokens), toFloat64(sum(CostUsd))
    FROM ROLLUP
    WHERE Day IN (toDate($__fromTime), toDate($__toTime))
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
    GROUP BY ID
    HAVING min(Start) >= $__fromTime AND max(End) <= $__toTime
    UNION ALL
    SELECT ID, Timestamp, Timestamp, 1, Status = 'Error', toInt64(InputTokens + OutputTokens), toFloat64(CostUsd)
    FROM llm_calls
    WHERE $__timeFilter(Timestamp)
        AND toDate(Timestamp) IN (toDate($__fromTime), toDate($__toTime))
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
        AND ID IN (
            SELECT ID
            FROM ROLLUP
            WHERE Day IN (toDate($__fromTime), toDate($__toTime))
                AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
                AND $__conditionalAll(Model IN (${model:singlequote}), $model)
            GROUP BY ID
            HAVING (min(Start) < $__fromTime AND max(End) >= $__fromTime)
                OR (min(Start) <= $__toTime AND max(End) > $__toTime)
        )
