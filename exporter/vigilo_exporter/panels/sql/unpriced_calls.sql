SELECT
    Provider AS "Provider",
    Model AS "Model",
    sum(UnpricedCalls) AS "Calls",
    sum(UnpricedTokens) AS "Tokens",
    maxIf(Hour, UnpricedCalls > 0) AS "Latest hour"
FROM ({{by_hour}})
GROUP BY "Provider", "Model"
HAVING "Calls" > 0
ORDER BY "Calls" DESC, "Model", "Provider"
LIMIT 20
