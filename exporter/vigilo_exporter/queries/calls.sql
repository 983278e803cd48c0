-- Calls from {since} until {until}, grouped by one of their columns, or all together with {by} = 'total'.
SELECT
    multiIf(
        {by:String} = 'model', if(RequestModel != '', RequestModel, ResponseModel),
        {by:String} = 'user', UserId,
        {by:String} = 'conversation', ConversationId,
        {by:String} = 'operation', if(AppOperation != '', AppOperation, Operation),
        ''
    ) AS key,
    if({by:String} = 'model', Provider, '') AS provider, -- one model bought from two providers is two rows
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
    arraySort(groupUniqArrayIf((CostSource, CostSnapshot), Priced)) AS priced_by,
    countIf(NOT Priced AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage))) AS unpriced_calls,
    quantilesExact(0.5, 0.95)(DurationNs) AS latency_ns,
    countIf(TimeToFirstChunkNs > 0) AS streamed_calls,
    quantileExactIf(0.5)(TimeToFirstChunkNs, TimeToFirstChunkNs > 0) AS time_to_first_chunk_ns
FROM llm_calls
WHERE Timestamp >= {since:DateTime64(9)} AND Timestamp < {until:DateTime64(9)}
GROUP BY key, provider
ORDER BY cost_usd DESC, calls DESC, key, provider
