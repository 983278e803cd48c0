-- One typed row a call to a model, filled from otel_traces whoever wrote the span there.
-- Nothing in the view may throw: an exception in a view refuses the whole batch of spans.
CREATE TABLE IF NOT EXISTS llm_calls
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Operation LowCardinality(String) CODEC(ZSTD(1)),
    Provider LowCardinality(String) CODEC(ZSTD(1)),
    RequestModel LowCardinality(String) CODEC(ZSTD(1)),
    ResponseModel LowCardinality(String) CODEC(ZSTD(1)),
    UserId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    ConversationId String CODEC(ZSTD(1)),
    AppOperation LowCardinality(String) CODEC(ZSTD(1)),
    Status LowCardinality(String) CODEC(ZSTD(1)),
    ErrorType LowCardinality(String) CODEC(ZSTD(1)),
    FinishReason LowCardinality(String) CODEC(ZSTD(1)), -- of several choices: the distinct ones, joined by commas
    DurationNs UInt64 CODEC(T64, ZSTD(1)),
    TimeToFirstChunkNs UInt64 CODEC(T64, ZSTD(1)), -- 0: not streamed
    ResendCount UInt32 CODEC(T64, ZSTD(1)), -- attempts after the first
    InputTokens UInt32 CODEC(T64, ZSTD(1)), -- total: cached tokens lie inside
    OutputTokens UInt32 CODEC(T64, ZSTD(1)), -- total: reasoning tokens lie inside
    CacheReadTokens UInt32 CODEC(T64, ZSTD(1)),
    CacheWriteTokens UInt32 CODEC(T64, ZSTD(1)),
    ReasoningTokens UInt32 CODEC(T64, ZSTD(1)),
    CostUsd Decimal(18, 9) CODEC(T64, ZSTD(1)),
    Priced Bool, -- false: nothing is known of the cost, and CostUsd is 0
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_user UserId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_conversation ConversationId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
PRIMARY KEY (toStartOfHour(Timestamp), ServiceName, RequestModel)
ORDER BY (toStartOfHour(Timestamp), ServiceName, RequestModel, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS llm_calls_mv TO llm_calls AS
WITH
    SpanAttributes['gen_ai.usage.cost'] AS cost_text,
    SpanAttributes['gen_ai.response.finish_reasons'] AS finish_text,
    JSONExtract(finish_text, 'Array(String)') AS finish_reasons,
    toUInt32OrZero(SpanAttributes['gen_ai.usage.cache_write.input_tokens']) AS cache_write_tokens
SELECT
    Timestamp,
    TraceId,
    SpanId,
    ParentSpanId,
    ServiceName,
    SpanAttributes['gen_ai.operation.name'] AS Operation,
    SpanAttributes['gen_ai.provider.name'] AS Provider,
    SpanAttributes['gen_ai.request.model'] AS RequestModel,
    SpanAttributes['gen_ai.response.model'] AS ResponseModel,
    SpanAttributes['user.id'] AS UserId,
    SpanAttributes['session.id'] AS SessionId,
    SpanAttributes['gen_ai.conversation.id'] AS ConversationId,
    SpanAttributes['vigilo.operation'] AS AppOperation,
    StatusCode AS Status,
    SpanAttributes['error.type'] AS ErrorType,
    if(empty(finish_reasons), finish_text, arrayStringConcat(arraySort(arrayDistinct(finish_reasons)), ',')) AS FinishReason,
    Duration AS DurationNs,
    accurateCastOrDefault(
        round(toFloat64OrZero(SpanAttributes['gen_ai.response.time_to_first_chunk']) * 1e9), 'UInt64'
    ) AS TimeToFirstChunkNs,
    toUInt32OrZero(SpanAttributes['http.request.resend_count']) AS ResendCount,
    toUInt32OrZero(SpanAttributes['gen_ai.usage.input_tokens']) AS InputTokens,
    toUInt32OrZero(SpanAttributes['gen_ai.usage.output_tokens']) AS OutputTokens,
    toUInt32OrZero(SpanAttributes['gen_ai.usage.cache_read.input_tokens']) AS CacheReadTokens,
    -- The conventions called it cache_creation before.
    if(cache_write_tokens != 0, cache_write_tokens,
        toUInt32OrZero(SpanAttributes['gen_ai.usage.cache_creation.input_tokens'])) AS CacheWriteTokens,
    toUInt32OrZero(SpanAttributes['gen_ai.usage.reasoning.output_tokens']) AS ReasoningTokens,
    -- Read as a decimal with digits to spare, because a detour through a double would cut 0.0000123 to 0.000012299.
    if(Priced, toDecimal64(round(toDecimal64OrZero(cost_text, 12), 9), 9), toDecimal64(0, 9)) AS CostUsd,
    ifNull(toFloat64OrNull(cost_text) BETWEEN 0 AND 999999, false) AS Priced
FROM otel_traces
WHERE SpanAttributes['gen_ai.operation.name'] != '';
