    -- Calls of a range over a day by bucket of their latency: of whole hours by the rollup, and each by itself of the
    -- first and last hour.
    SELECT Hour, Model, COUNTED AS Buckets
    FROM llm_hourly
    WHERE $__toTime - $__fromTime > 86400
        AND Hour >= toStartOfHour($__fromTime + 3599) AND Hour < toStartOfHour($__toTime)
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
    UNION ALL
    SELECT toStartOfHour(Timestamp), Model, map(toInt16(floor(log2(DURATION) * 8)), toUInt64(1))
    FROM llm_calls
    WHERE $__timeFilter(Timestamp)
        AND $__toTime - $__fromTime > 86400
        AND (Timestamp < toStartOfHour($__fromTime + 3599) OR Timestamp >= toStartOfHour($__toTime))
        AND DURATION > 0
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
