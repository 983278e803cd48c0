SELECT
    multiIf(CostSource = 'span', 'other instrumentors', CostSource = 'provider', 'the provider itself', CostSource)
        AS "Priced by",
    if(CostSnapshot = '', '-', CostSnapshot) AS "Price table",
    count() AS "Calls",
    toFloat64(sum(CostUsd)) AS "Cost",
    max(Timestamp) AS "Latest call"
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
    AND Priced
GROUP BY "Priced by", "Price table"
ORDER BY "Calls" DESC, "Priced by", "Price table"
LIMIT 20
