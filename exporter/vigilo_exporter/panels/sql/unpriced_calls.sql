SELECT
    Provider AS "Provider",
    RequestModel AS "Model",
    count() AS "Calls",
    sum(InputTokens + OutputTokens) AS "Tokens",
    max(Timestamp) AS "Latest call"
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
    AND NOT Priced
    AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage))
GROUP BY "Provider", "Model"
ORDER BY "Calls" DESC, "Model"
LIMIT 20
