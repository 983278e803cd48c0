SELECT sum(InputTokens) AS input, sum(OutputTokens) AS output
FROM ({{by_hour}})
