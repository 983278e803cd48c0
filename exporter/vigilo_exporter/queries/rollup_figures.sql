-- Figures by KEY: whole hours or days from a rollup, and what a range has of its first and last one from the calls, which
-- count once more or once less. All are exact but latencies, which are counts of log buckets.
SELECT
    key,
    provider,
    sum(part.calls) AS calls,
    sum(part.errors) AS errors,
    sum(part.retries) AS retries,
    sum(part.input_tokens) AS input_tokens,
    sum(part.output_tokens) AS output_tokens,
    sum(part.cache_read_tokens) AS cache_read_tokens,
    sum(part.cache_write_tokens) AS cache_write_tokens,
    sum(part.reasoning_tokens) AS reasoning_tokens,
    sum(part.cost_usd) AS cost_usd,
    sum(part.priced_calls) AS priced_calls,
    sumMap(part.priced_by) AS priced_by,
    sum(part.unpriced_calls) AS unpriced_calls,
    sum(part.unpriced_tokens) AS unpriced_tokens,
    sumMap(part.duration_buckets) AS duration_buckets,
    sumMap(part.first_chunk_buckets) AS first_chunk_buckets
FROM
(
    SELECT
        KEY AS key,
        PROVIDER AS provider,
        sum(Calls) AS calls,
        sum(Errors) AS errors,
        sum(Resends) AS retries,
        sum(InputTokens) AS input_tokens,
        sum(OutputTokens) AS output_tokens,
        sum(CacheReadTokens) AS cache_read_tokens,
        sum(CacheWriteTokens) AS cache_write_tokens,
        sum(ReasoningTokens) AS reasoning_tokens,
        sum(CostUsd) AS cost_usd,
        sum(PricedCalls) AS priced_calls,
        sumMap(PricedBy) AS priced_by,
        sum(UnpricedCalls) AS unpriced_calls,
        sum(UnpricedTokens) AS unpriced_tokens,
        CAST(sumMap(DurationBuckets), 'Map(Int16, Int64)') AS duration_buckets,
        CAST(sumMap(TimeToFirstChunkBuckets), 'Map(Int16, Int64)') AS first_chunk_buckets
    FROM ROLLUP
    WHERE PERIOD >= {whole_since:PERIOD_TYPE} AND PERIOD < {whole_until:PERIOD_TYPE} AND CHOSEN
    GROUP BY key, provider

    UNION ALL

    WITH
        if(Timestamp >= {head_since:DateTime64(9)} AND Timestamp < {head_until:DateTime64(9)},
            {head_sign:Int8}, {tail_sign:Int8}) AS sign,
        concat(CostSource, '\t', CostSnapshot) AS price
    SELECT
        KEY AS key,
        PROVIDER AS provider,
        sum(sign) AS calls,
        sumIf(sign, Status = 'Error') AS errors,
        sum(sign * ResendCount) AS retries,
        sum(sign * c.InputTokens) AS input_tokens,
        sum(sign * c.OutputTokens) AS output_tokens,
        sum(sign * c.CacheReadTokens) AS cache_read_tokens,
        sum(sign * c.CacheWriteTokens) AS cache_write_tokens,
        sum(sign * c.ReasoningTokens) AS reasoning_tokens,
        sum(sign * c.CostUsd) AS cost_usd,
        sumIf(sign, Priced) AS priced_calls,
        sumMapIf(map(price, toInt64(sign)), Priced) AS priced_by,
        sumIf(sign, NOT Priced AND (c.InputTokens + c.OutputTokens > 0 OR notEmpty(OtherUsage))) AS unpriced_calls,
        sumIf(sign * (c.InputTokens + c.OutputTokens), NOT Priced) AS unpriced_tokens,
        sumMap(map(toInt16(floor(log2(greatest(DurationNs, 1)) * 8)), toInt64(sign))) AS duration_buckets,
        sumMapIf(
            map(toInt16(floor(log2(greatest(TimeToFirstChunkNs, 1)) * 8)), toInt64(sign)), TimeToFirstChunkNs > 0
        ) AS first_chunk_buckets
    FROM llm_calls AS c
    WHERE (
            (Timestamp >= {head_since:DateTime64(9)} AND Timestamp < {head_until:DateTime64(9)})
            OR (Timestamp >= {tail_since:DateTime64(9)} AND Timestamp < {tail_until:DateTime64(9)})
        )
        AND CHOSEN
    GROUP BY key, provider
) AS part
GROUP BY key, provider
HAVING calls > 0
ORDER BY cost_usd DESC, calls DESC, key, provider
