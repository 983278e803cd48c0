    SELECT toDateTime(Timestamp) AS Began, Model, DURATION AS Nanoseconds
    FROM llm_calls
    WHERE $__timeFilter(Timestamp)
        AND $__toTime - $__fromTime <= 86400
        AND DURATION > 0
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
