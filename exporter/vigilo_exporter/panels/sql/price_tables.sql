-- The rollup has one cost for an hour of a model in a service. Where price tables share it, the calls tell them apart.
SELECT
    multiIf(CostSource = 'span', 'other instrumentors', CostSource = 'provider', 'the provider itself', CostSource)
        AS "Priced by",
    if(CostSnapshot = '', '-', CostSnapshot) AS "Price table",
    sum(Calls) AS "Calls",
    sum(Cost) AS "Cost",
    max(Hour) AS "Latest hour"
FROM
(
    SELECT
        Hour,
        splitByChar('\t', Prices[1])[1] AS CostSource,
        splitByChar('\t', Prices[1])[2] AS CostSnapshot,
        Calls,
        Cost
    FROM
    (
        {{prices_by_hour}}
    )
    WHERE length(Prices) = 1
    UNION ALL
    SELECT toStartOfHour(Timestamp), CostSource, CostSnapshot, 1, toFloat64(CostUsd)
    FROM llm_calls
    WHERE $__timeFilter(Timestamp)
        AND (
            Timestamp < toStartOfHour($__fromTime + 3599) OR Timestamp >= toStartOfHour($__toTime)
            OR (toStartOfHour(Timestamp), ServiceName, Model) IN (
                SELECT Hour, ServiceName, Model
                FROM
                (
                    {{prices_by_hour}}
                )
                WHERE length(Prices) > 1
            )
        )
        AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
        AND $__conditionalAll(Model IN (${model:singlequote}), $model)
        AND Priced
)
GROUP BY "Priced by", "Price table"
ORDER BY "Calls" DESC, "Priced by", "Price table"
LIMIT 20
