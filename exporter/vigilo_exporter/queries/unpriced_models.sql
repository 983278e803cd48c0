-- Models whose calls from {since} until {until} used tokens without a known price, most calls first.
SELECT
    Provider AS provider,
    if(RequestModel != '', RequestModel, ResponseModel) AS model,
    count() AS calls,
    sum(toUInt64(InputTokens) + OutputTokens) AS tokens
FROM llm_calls
WHERE Timestamp >= {since:DateTime64(9)} AND Timestamp < {until:DateTime64(9)}
    AND NOT Priced
    AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage))
GROUP BY provider, model
ORDER BY calls DESC, provider, model
