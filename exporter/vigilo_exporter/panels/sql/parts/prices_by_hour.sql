        SELECT
            Hour,
            ServiceName,
            Model,
            sum(PricedCalls) AS Calls,
            toFloat64(sum(CostUsd)) AS Cost,
            arrayFilter((price, calls) -> calls > 0, mapKeys(sumMap(PricedBy)), mapValues(sumMap(PricedBy))) AS Prices
        FROM llm_hourly
        WHERE Hour >= toStartOfHour($__fromTime + 3599) AND Hour < toStartOfHour($__toTime)
            AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
            AND $__conditionalAll(Model IN (${model:singlequote}), $model)
        GROUP BY Hour, ServiceName, Model
