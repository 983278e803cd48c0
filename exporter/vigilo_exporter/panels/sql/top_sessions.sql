SELECT
    SessionId AS "Session",
    toDateTime64(max(End), 9) AS "Latest call",
    sum(Calls) AS "Calls",
    sum(Tokens) AS "Tokens",
    sum(Cost) AS "Cost",
    dateDiff('second', min(Start), max(End)) AS "Length"
FROM ({{activities ID=SessionId ROLLUP=llm_sessions}})
GROUP BY "Session"
ORDER BY "Cost" DESC, "Session"
LIMIT 20
