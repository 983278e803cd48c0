SELECT
    if(AppOperation != '', AppOperation, Operation) AS "Operation",
    sum(Calls) AS "Calls",
    sum(Errors) AS "Errors",
    sum(InputTokens + OutputTokens) AS "Tokens",
    sum(Cost) AS "Cost"
FROM ({{by_hour}})
GROUP BY "Operation"
ORDER BY "Cost" DESC, "Operation"
LIMIT 20
