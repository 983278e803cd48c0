-- Figures of the calls from {since} until {until} by KEY, exact in everything. `groups` counts those beyond {rows} too.
SELECT
    KEY AS key,
    PROVIDER AS provider, -- only by model: one model bought from two providers is two rows
    count() AS calls,
    countIf(Status = 'Error') AS errors,
    sum(ResendCount) AS retries,
    sum(InputTokens) AS input_tokens,
    sum(OutputTokens) AS output_tokens,
    sum(CacheReadTokens) AS cache_read_tokens,
    sum(CacheWriteTokens) AS cache_write_tokens,
    sum(ReasoningTokens) AS reasoning_tokens,
    sum(CostUsd) AS cost_usd,
    countIf(Priced) AS priced_calls,
    groupUniqArrayIf(concat(CostSource, '\t', CostSnapshot), Priced) AS priced_by,
    countIf(NOT Priced AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage))) AS unpriced_calls,
    sumIf(InputTokens + OutputTokens, NOT Priced) AS unpriced_tokens,
    quantilesExact(0.5, 0.95)(DurationNs) AS latency_ns,
    countIf(TimeToFirstChunkNs > 0) AS streamed_calls,
    quantileExactIf(0.5)(TimeToFirstChunkNs, TimeToFirstChunkNs > 0) AS time_to_first_chunk_ns,
    count() OVER () AS groups
FROM llm_calls
WHERE Timestamp >= {since:DateTime64(9)} AND Timestamp < {until:DateTime64(9)}
GROUP BY key, provider
ORDER BY cost_usd DESC, calls DESC, key, provider
LIMIT {rows:UInt32}
