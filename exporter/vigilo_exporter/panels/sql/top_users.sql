SELECT
    if(UserId = '', '(not set)', UserId) AS "User",
    count() AS "Calls",
    countIf(Status = 'Error') AS "Errors",
    sum(InputTokens + OutputTokens) AS "Tokens",
    toFloat64(sum(CostUsd)) AS "Cost"
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
GROUP BY "User"
ORDER BY "Cost" DESC, "User"
LIMIT 20
