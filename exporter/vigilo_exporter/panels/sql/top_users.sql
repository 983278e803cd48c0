SELECT
    if(UserId = '', '(not set)', UserId) AS "User",
    sum(Calls) AS "Calls",
    sum(Errors) AS "Errors",
    sum(Tokens) AS "Tokens",
    sum(Cost) AS "Cost"
FROM ({{by_user}})
GROUP BY "User"
HAVING "Calls" > 0
ORDER BY "Cost" DESC, "User"
LIMIT 20
