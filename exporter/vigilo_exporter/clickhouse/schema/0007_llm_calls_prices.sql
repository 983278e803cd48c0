-- What a price is made from, and where each price came from; calls that other instrumentors tell by names of their own.
-- The table is made anew beside the old one and takes its place: the rows of before get their new columns from their
-- spans. Nothing is written meanwhile, so the views may be away; a migration that was killed is run again from the top.
DROP TABLE IF EXISTS llm_calls_mv;
DROP TABLE IF EXISTS llm_hourly_mv;
DROP TABLE IF EXISTS llm_calls_next;

CREATE TABLE llm_calls_next
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
    InputTokens UInt32 CODEC(T64, ZSTD(1)), -- total: cached, audio and image tokens lie inside
    OutputTokens UInt32 CODEC(T64, ZSTD(1)), -- total: reasoning, audio and image tokens lie inside
    CacheReadTokens UInt32 CODEC(T64, ZSTD(1)),
    CacheWriteTokens UInt32 CODEC(T64, ZSTD(1)), -- total: those kept for an hour lie inside
    CacheWrite1hTokens UInt32 CODEC(T64, ZSTD(1)),
    ReasoningTokens UInt32 CODEC(T64, ZSTD(1)),
    InputAudioTokens UInt32 CODEC(T64, ZSTD(1)),
    OutputAudioTokens UInt32 CODEC(T64, ZSTD(1)),
    InputImageTokens UInt32 CODEC(T64, ZSTD(1)),
    OutputImageTokens UInt32 CODEC(T64, ZSTD(1)),
    BilledAs LowCardinality(String) CODEC(ZSTD(1)), -- the name of the price where it is not the model's
    OtherUsage Map(LowCardinality(String), Float64) CODEC(ZSTD(1)), -- what else is billed, by the names of Usage
    ServiceTier LowCardinality(String) CODEC(ZSTD(1)), -- batch, flex, priority, ...; '' or default: the list price
    CostUsd Decimal(18, 9) CODEC(T64, ZSTD(1)),
    Priced Bool, -- false: nothing is known of the cost, and CostUsd is 0
    CostSource LowCardinality(String) CODEC(ZSTD(1)), -- provider, a price table, or span: told without a source
    CostSnapshot LowCardinality(String) CODEC(ZSTD(1)), -- of the price table
    CostParts UInt32 CODEC(T64, ZSTD(1)), -- inferences that were priced one by one, which only the app could; 0: one
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_user UserId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_conversation ConversationId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
PRIMARY KEY (toStartOfHour(Timestamp), ServiceName, RequestModel)
ORDER BY (toStartOfHour(Timestamp), ServiceName, RequestModel, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

INSERT INTO llm_calls_next
SELECT
    c.Timestamp,
    c.TraceId,
    c.SpanId,
    c.ParentSpanId,
    c.ServiceName,
    c.Operation,
    c.Provider,
    c.RequestModel,
    c.ResponseModel,
    c.UserId,
    c.SessionId,
    c.ConversationId,
    c.AppOperation,
    c.Status,
    c.ErrorType,
    c.FinishReason,
    c.DurationNs,
    c.TimeToFirstChunkNs,
    c.ResendCount,
    c.InputTokens,
    c.OutputTokens,
    c.CacheReadTokens,
    c.CacheWriteTokens,
    s.cache_write_1h,
    c.ReasoningTokens,
    s.input_audio,
    s.output_audio,
    s.input_image,
    s.output_image,
    '',
    s.other_usage,
    s.tier,
    c.CostUsd,
    c.Priced,
    if(c.Priced AND s.cost_source = '', 'span', s.cost_source),
    s.cost_snapshot,
    s.cost_parts
FROM llm_calls AS c
ANY LEFT JOIN
(
    SELECT
        TraceId,
        SpanId,
        toUInt32OrZero(SpanAttributes['anthropic.usage.cache_creation.ephemeral_1h_input_tokens']) AS cache_write_1h,
        toUInt32OrZero(SpanAttributes['gen_ai.usage.audio.input_tokens']) AS input_audio,
        toUInt32OrZero(SpanAttributes['gen_ai.usage.audio.output_tokens']) AS output_audio,
        toUInt32OrZero(SpanAttributes['gen_ai.usage.image.input_tokens']) AS input_image,
        toUInt32OrZero(SpanAttributes['gen_ai.usage.image.output_tokens']) AS output_image,
        CAST(arrayFilter(told -> told.2 > 0 AND isFinite(told.2), [
            ('cache_audio_read_tokens', toFloat64OrZero(SpanAttributes['vigilo.usage.audio.cache_read.input_tokens'])),
            ('cache_image_read_tokens', toFloat64OrZero(SpanAttributes['vigilo.usage.image.cache_read.input_tokens'])),
            ('input_video_tokens', toFloat64OrZero(SpanAttributes['vigilo.usage.video.input_tokens'])),
            ('input_audio_seconds', toFloat64OrZero(SpanAttributes['vigilo.usage.audio.input_seconds'])),
            ('input_characters', toFloat64OrZero(SpanAttributes['vigilo.usage.input_characters'])),
            ('output_images', toFloat64OrZero(SpanAttributes['vigilo.usage.output_images'])),
            ('file_searches', toFloat64OrZero(SpanAttributes['vigilo.usage.file_searches'])),
            ('web_searches', greatest(
                toFloat64OrZero(SpanAttributes['vigilo.usage.web_searches']),
                toFloat64OrZero(SpanAttributes['anthropic.usage.server_tool_use.web_search_requests'])
            ))
        ]), 'Map(LowCardinality(String), Float64)') AS other_usage,
        multiIf(
            SpanAttributes['vigilo.cost.tier'] != '', SpanAttributes['vigilo.cost.tier'],
            SpanAttributes['anthropic.usage.speed'] = 'fast', 'fast',
            SpanAttributes['openai.response.service_tier'] != '', SpanAttributes['openai.response.service_tier'],
            SpanAttributes['gen_ai.operation.name'] = 'batch_results', 'batch',
            SpanAttributes['anthropic.response.service_tier']
        ) AS tier,
        SpanAttributes['vigilo.cost.source'] AS cost_source,
        SpanAttributes['vigilo.cost.snapshot'] AS cost_snapshot,
        -- Results of a batch were priced model by model before that was told.
        if(SpanAttributes['gen_ai.operation.name'] = 'batch_results', 2,
            toUInt32OrZero(SpanAttributes['vigilo.cost.parts'])) AS cost_parts
    FROM otel_traces
    WHERE SpanAttributes['gen_ai.operation.name'] != ''
) AS s ON c.TraceId = s.TraceId AND c.SpanId = s.SpanId
-- This join sorts on disk what does not fit into memory.
SETTINGS join_algorithm = 'full_sorting_merge', max_bytes_before_external_sort = 200000000,
    max_threads = 1, max_partitions_per_insert_block = 0, max_insert_threads = 1, async_insert = 0;

EXCHANGE TABLES llm_calls_next AND llm_calls;
DROP TABLE llm_calls_next;

-- A repriced call is one unpriced call less.
ALTER TABLE llm_hourly MODIFY COLUMN UnpricedCalls SimpleAggregateFunction(sum, Int64);

CREATE MATERIALIZED VIEW llm_calls_mv TO llm_calls AS
WITH
    SpanAttributes['gen_ai.operation.name'] AS told_operation,
    SpanAttributes['openinference.span.kind'] AS openinference_kind,
    SpanAttributes['llm.request.type'] AS openllmetry_type,
    lower(trim(coalesce(
        nullIf(SpanAttributes['gen_ai.provider.name'], ''),
        nullIf(SpanAttributes['gen_ai.system'], ''),
        nullIf(SpanAttributes['llm.provider'], ''),
        SpanAttributes['llm.system']
    ))) AS told_provider,
    lower(if(RequestModel != '', RequestModel, ResponseModel)) AS any_model,
    coalesce(
        nullIf(SpanAttributes['gen_ai.usage.cost'], ''),
        nullIf(SpanAttributes['llm.cost.total'], ''),
        SpanAttributes['operation.cost']
    ) AS cost_text,
    SpanAttributes['gen_ai.response.finish_reasons'] AS finish_text,
    JSONExtract(finish_text, 'Array(String)') AS finish_reasons,
    greatest(
        toUInt32OrZero(SpanAttributes['gen_ai.usage.input_tokens']),
        toUInt32OrZero(SpanAttributes['gen_ai.usage.prompt_tokens']),
        toUInt32OrZero(SpanAttributes['llm.usage.prompt_tokens']),
        toUInt32OrZero(SpanAttributes['llm.token_count.prompt'])
    ) AS input_tokens,
    CacheReadTokens + CacheWriteTokens AS cached_tokens
SELECT
    Timestamp,
    TraceId,
    SpanId,
    ParentSpanId,
    ServiceName,
    -- Each of our own spans is one request to a provider. Of others' spans only those are, not their agents and tools,
    -- whose tokens are those of the calls inside them.
    multiIf(
        ScopeName = 'vigilo', told_operation,
        told_operation IN (
            'chat', 'generate_content', 'text_completion', 'completion', 'embeddings', 'embedding', 'image_generation',
            'image_edit', 'image', 'video_generation', 'transcription', 'translation', 'speech', 'audio', 'moderation',
            'rerank', 'interactions.create'
        ), told_operation,
        told_operation != '' OR SpanAttributes['traceloop.span.kind'] != '', '',
        openinference_kind = 'LLM', 'chat',
        openinference_kind = 'EMBEDDING', 'embeddings',
        openinference_kind = 'RERANKER', 'rerank',
        openllmetry_type = 'chat', 'chat',
        openllmetry_type = 'completion', 'text_completion',
        openllmetry_type = 'embedding', 'embeddings',
        openllmetry_type = 'rerank', 'rerank',
        ''
    ) AS Operation,
    multiIf(
        told_provider != '', transform(
            told_provider,
            ['aws', 'az.ai.inference', 'az.ai.openai', 'bedrock', 'mistralai', 'together_ai', 'vertex_ai', 'vertexai'],
            ['aws.bedrock', 'azure.ai.inference', 'azure.ai.openai', 'aws.bedrock', 'mistral_ai', 'together',
                'gcp.vertex_ai', 'gcp.vertex_ai'],
            told_provider
        ),
        -- Where nobody says whose model it is, its name may.
        match(any_model, '^(gpt-|o[134]|text-embedding-)'), 'openai',
        startsWith(any_model, 'claude-'), 'anthropic',
        startsWith(any_model, 'gemini-'), 'google',
        ''
    ) AS Provider,
    coalesce(
        nullIf(SpanAttributes['gen_ai.request.model'], ''),
        nullIf(SpanAttributes['llm.model_name'], ''),
        nullIf(SpanAttributes['llm.request.model_name'], ''),
        SpanAttributes['embedding.model_name']
    ) AS RequestModel,
    coalesce(
        nullIf(SpanAttributes['gen_ai.response.model'], ''),
        SpanAttributes['llm.response.model_name']
    ) AS ResponseModel,
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
    -- The total contains cached tokens (semantic-conventions pull request 3163). OpenLLMetry leaves them out for Bedrock
    -- (its issue 4449), and so does whoever tells a total that is less than its parts.
    toUInt32(input_tokens + if(
        input_tokens < cached_tokens OR startsWith(ScopeName, 'opentelemetry.instrumentation.bedrock'), cached_tokens, 0
    )) AS InputTokens,
    greatest(
        toUInt32OrZero(SpanAttributes['gen_ai.usage.output_tokens']),
        toUInt32OrZero(SpanAttributes['gen_ai.usage.completion_tokens']),
        toUInt32OrZero(SpanAttributes['llm.usage.completion_tokens']),
        toUInt32OrZero(SpanAttributes['llm.token_count.completion'])
    ) AS OutputTokens,
    greatest(
        toUInt32OrZero(SpanAttributes['gen_ai.usage.cache_read.input_tokens']),
        toUInt32OrZero(SpanAttributes['gen_ai.usage.cache_read_input_tokens']),
        toUInt32OrZero(SpanAttributes['gen_ai.usage.details.cache_read_tokens']),
        toUInt32OrZero(SpanAttributes['llm.usage.cache_read_input_tokens']),
        toUInt32OrZero(SpanAttributes['llm.token_count.prompt_details.cache_read'])
    ) AS CacheReadTokens,
    greatest(
        toUInt32OrZero(SpanAttributes['gen_ai.usage.cache_write.input_tokens']),
        toUInt32OrZero(SpanAttributes['gen_ai.usage.cache_creation.input_tokens']),
        toUInt32OrZero(SpanAttributes['gen_ai.usage.cache_creation_input_tokens']),
        toUInt32OrZero(SpanAttributes['gen_ai.usage.details.cache_write_tokens']),
        toUInt32OrZero(SpanAttributes['llm.usage.cache_creation_input_tokens']),
        toUInt32OrZero(SpanAttributes['llm.token_count.prompt_details.cache_write'])
    ) AS CacheWriteTokens,
    toUInt32OrZero(SpanAttributes['anthropic.usage.cache_creation.ephemeral_1h_input_tokens']) AS CacheWrite1hTokens,
    greatest(
        toUInt32OrZero(SpanAttributes['gen_ai.usage.reasoning.output_tokens']),
        toUInt32OrZero(SpanAttributes['gen_ai.usage.details.reasoning_tokens']),
        toUInt32OrZero(SpanAttributes['llm.usage.reasoning_tokens']),
        toUInt32OrZero(SpanAttributes['llm.token_count.completion_details.reasoning'])
    ) AS ReasoningTokens,
    greatest(
        toUInt32OrZero(SpanAttributes['gen_ai.usage.audio.input_tokens']),
        toUInt32OrZero(SpanAttributes['llm.token_count.prompt_details.audio'])
    ) AS InputAudioTokens,
    greatest(
        toUInt32OrZero(SpanAttributes['gen_ai.usage.audio.output_tokens']),
        toUInt32OrZero(SpanAttributes['llm.token_count.completion_details.audio'])
    ) AS OutputAudioTokens,
    toUInt32OrZero(SpanAttributes['gen_ai.usage.image.input_tokens']) AS InputImageTokens,
    toUInt32OrZero(SpanAttributes['gen_ai.usage.image.output_tokens']) AS OutputImageTokens,
    SpanAttributes['vigilo.cost.model'] AS BilledAs,
    CAST(arrayFilter(told -> told.2 > 0 AND isFinite(told.2), [
        ('cache_audio_read_tokens', toFloat64OrZero(SpanAttributes['vigilo.usage.audio.cache_read.input_tokens'])),
        ('cache_image_read_tokens', toFloat64OrZero(SpanAttributes['vigilo.usage.image.cache_read.input_tokens'])),
        ('input_video_tokens', toFloat64OrZero(SpanAttributes['vigilo.usage.video.input_tokens'])),
        ('input_audio_seconds', toFloat64OrZero(SpanAttributes['vigilo.usage.audio.input_seconds'])),
        ('input_characters', toFloat64OrZero(SpanAttributes['vigilo.usage.input_characters'])),
        ('output_images', toFloat64OrZero(SpanAttributes['vigilo.usage.output_images'])),
        ('file_searches', toFloat64OrZero(SpanAttributes['vigilo.usage.file_searches'])),
        ('web_searches', greatest(
            toFloat64OrZero(SpanAttributes['vigilo.usage.web_searches']),
            toFloat64OrZero(SpanAttributes['anthropic.usage.server_tool_use.web_search_requests'])
        ))
    ]), 'Map(LowCardinality(String), Float64)') AS OtherUsage,
    coalesce(
        nullIf(SpanAttributes['vigilo.cost.tier'], ''),
        nullIf(SpanAttributes['openai.response.service_tier'], ''),
        nullIf(SpanAttributes['gen_ai.openai.response.service_tier'], ''),
        SpanAttributes['anthropic.response.service_tier']
    ) AS ServiceTier,
    -- Read as a decimal with digits to spare, because a detour through a double would cut 0.0000123 to 0.000012299.
    if(Priced, toDecimal64(round(toDecimal64OrZero(cost_text, 12), 9), 9), toDecimal64(0, 9)) AS CostUsd,
    ifNull(toFloat64OrNull(cost_text) BETWEEN 0 AND 999999, false) AS Priced,
    multiIf(
        NOT Priced, '', SpanAttributes['vigilo.cost.source'] = '', 'span', SpanAttributes['vigilo.cost.source']
    ) AS CostSource,
    if(Priced, SpanAttributes['vigilo.cost.snapshot'], '') AS CostSnapshot,
    toUInt32OrZero(SpanAttributes['vigilo.cost.parts']) AS CostParts
FROM otel_traces
WHERE Operation != ''
    AND SpanAttributes['vigilo.call.around'] = ''; -- the call has a span of its own inside of this one

CREATE MATERIALIZED VIEW llm_hourly_mv TO llm_hourly AS
SELECT
    toStartOfHour(Timestamp) AS Hour,
    ServiceName,
    Provider,
    RequestModel,
    Operation,
    Status,
    count() AS Calls,
    countIf(Status = 'Error') AS Errors,
    sum(c.ResendCount) AS Resends,
    sum(c.InputTokens) AS InputTokens,
    sum(c.OutputTokens) AS OutputTokens,
    sum(c.CacheReadTokens) AS CacheReadTokens,
    sum(c.CacheWriteTokens) AS CacheWriteTokens,
    sum(c.ReasoningTokens) AS ReasoningTokens,
    sum(c.CostUsd) AS CostUsd,
    countIf(c.Priced) AS PricedCalls,
    countIf(NOT c.Priced AND (c.InputTokens + c.OutputTokens > 0 OR notEmpty(c.OtherUsage))) AS UnpricedCalls,
    sum(c.DurationNs) AS DurationNs,
    sumMap(map(toInt16(floor(log2(greatest(c.DurationNs, 1)) * 8)), toUInt64(1))) AS DurationBuckets,
    sumMapIf(
        map(toInt16(floor(log2(greatest(c.TimeToFirstChunkNs, 1)) * 8)), toUInt64(1)), c.TimeToFirstChunkNs > 0
    ) AS TimeToFirstChunkBuckets
FROM llm_calls AS c
GROUP BY Hour, ServiceName, Provider, RequestModel, Operation, Status;
