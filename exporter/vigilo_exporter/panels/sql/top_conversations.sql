SELECT
    ConversationId AS "Conversation",
    max(Timestamp) AS "Latest call",
    count() AS "Calls",
    sum(InputTokens + OutputTokens) AS "Tokens",
    toFloat64(sum(CostUsd)) AS "Cost",
    dateDiff('second', min(Timestamp), max(Timestamp)) AS "Length"
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
    AND ConversationId != ''
GROUP BY "Conversation"
ORDER BY "Cost" DESC, "Conversation"
LIMIT 20
