-- What calls are there to be priced from {since} until {until}: by day and by all that a rate card depends on.
SELECT
    toString(toDate(Timestamp)) AS day,
    Provider AS provider,
    RequestModel AS request_model,
    ResponseModel AS response_model,
    BilledAs AS billed_as,
    ServiceTier AS tier,
    if(CostSource = 'provider', 'provider', if(CostParts > 0, 'parts', 'store')) AS priced_by,
    count() AS calls,
    countIf(NOT Priced) AS unpriced_calls,
    sum(CostUsd) AS cost_usd
FROM llm_calls
WHERE Timestamp >= {since:DateTime64(9)} AND Timestamp < {until:DateTime64(9)}
    AND (NOT {only_unpriced:Bool} OR NOT Priced)
    AND ({provider:String} = '' OR Provider = {provider:String})
    AND ({model:String} = '' OR RequestModel = {model:String} OR ResponseModel = {model:String})
    AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage) OR Priced)
    AND NOT startsWith(UserId, '\terasing\t') -- being erased: their sums are settled
GROUP BY day, provider, request_model, response_model, billed_as, tier, priced_by
ORDER BY day, provider, request_model, response_model, billed_as, tier, priced_by
