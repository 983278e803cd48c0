-- Only the newest hours are read, as many as have a hundred calls by the rollup.
SELECT
    Timestamp AS "Time",
    ServiceName AS "Service",
    if(AppOperation != '', AppOperation, Operation) AS "Operation",
    Provider AS "Provider",
    Model AS "Model",
    if(Status = 'Error', ErrorType, FinishReason) AS "Outcome",
    DurationNs / 1e9 AS "Duration",
    if(TimeToFirstChunkNs > 0, TimeToFirstChunkNs / 1e9, NULL) AS "First chunk",
    InputTokens AS "Input",
    OutputTokens AS "Output",
    ResendCount AS "Retries",
    if(Priced, toFloat64(CostUsd), NULL) AS "Cost",
    TraceId AS "Trace"
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND Timestamp >= (
        SELECT min(Hour)
        FROM
        (
            SELECT Hour, sum(sum(Calls)) OVER (ORDER BY Hour DESC) - sum(Calls) AS newer
            FROM llm_hourly
            WHERE Hour >= toStartOfHour($__fromTime) AND Hour < toStartOfHour($__toTime)
                AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
                AND $__conditionalAll(Model IN (${model:singlequote}), $model)
            GROUP BY Hour
        )
        WHERE newer < 100
    )
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(Model IN (${model:singlequote}), $model)
ORDER BY Timestamp DESC
LIMIT 100
