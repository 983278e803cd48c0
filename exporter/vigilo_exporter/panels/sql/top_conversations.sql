SELECT
    ConversationId AS "Conversation",
    toDateTime64(max(End), 9) AS "Latest call",
    sum(Calls) AS "Calls",
    sum(Tokens) AS "Tokens",
    sum(Cost) AS "Cost",
    dateDiff('second', min(Start), max(End)) AS "Length"
FROM ({{activities ID=ConversationId ROLLUP=llm_conversations}})
GROUP BY "Conversation"
ORDER BY "Cost" DESC, "Conversation"
LIMIT 20
