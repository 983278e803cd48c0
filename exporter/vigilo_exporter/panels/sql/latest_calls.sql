SELECT
    Timestamp AS "Time",
    ServiceName AS "Service",
    if(AppOperation != '', AppOperation, Operation) AS "Operation",
    Provider AS "Provider",
    if(RequestModel != '', RequestModel, ResponseModel) AS "Model",
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
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
ORDER BY Timestamp DESC
LIMIT 100
