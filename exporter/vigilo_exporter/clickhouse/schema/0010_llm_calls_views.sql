-- Calls from spans, by two views: one for vigilo's own spans, whose names are known, and one for everybody else's.
-- To look up a name that a map does not have costs ten times as much as one that it has, so what may be told is
-- filtered into a small map first; in a query of its own, or it would be analysed anew for each use at each insert. The
-- analysis takes most of the time of a small insert, so names of others become those of the conventions in that map.
-- Nothing in a view may throw: an exception in a view refuses the whole batch of spans.
-- Nothing is written meanwhile, so the views may be away; a migration that was killed is run again from the top.
DROP TABLE IF EXISTS llm_calls_mv;
DROP TABLE IF EXISTS llm_calls_foreign_mv;

-- The sums are made anew by the next file, from all calls.
DROP TABLE IF EXISTS llm_hourly_mv;
DROP TABLE IF EXISTS llm_user_daily_mv;
DROP TABLE IF EXISTS llm_conversations_mv;
DROP TABLE IF EXISTS llm_sessions_mv;

-- [adopted] Where the Collector made the tables, the calls among the spans that lie there are taken in.
TRUNCATE TABLE llm_calls;

-- [adopted] [filled]
CREATE MATERIALIZED VIEW llm_calls_mv TO llm_calls AS
WITH
    told['gen_ai.usage.cost'] AS cost_text,
    told['gen_ai.response.finish_reasons'] AS finish_text,
    JSONExtract(finish_text, 'Array(String)') AS finish_reasons
SELECT
    Timestamp,
    TraceId,
    SpanId,
    ParentSpanId,
    ServiceName,
    Operation,
    told['gen_ai.provider.name'] AS Provider,
    RequestModel,
    told['gen_ai.response.model'] AS ResponseModel,
    UserId,
    SessionId,
    ConversationId,
    rare['vigilo.operation'] AS AppOperation,
    StatusCode AS Status,
    rare['error.type'] AS ErrorType,
    if(empty(finish_reasons), finish_text, arrayStringConcat(arraySort(arrayDistinct(finish_reasons)), ','))
        AS FinishReason,
    Duration AS DurationNs,
    accurateCastOrDefault(round(toFloat64OrZero(told['gen_ai.response.time_to_first_chunk']) * 1e9), 'UInt64')
        AS TimeToFirstChunkNs,
    toUInt32OrZero(rare['http.request.resend_count']) AS ResendCount,
    toUInt32OrZero(told['gen_ai.usage.input_tokens']) AS InputTokens,
    toUInt32OrZero(told['gen_ai.usage.output_tokens']) AS OutputTokens,
    toUInt32OrZero(told['gen_ai.usage.cache_read.input_tokens']) AS CacheReadTokens,
    toUInt32OrZero(rare['gen_ai.usage.cache_write.input_tokens']) AS CacheWriteTokens,
    toUInt32OrZero(rare['anthropic.usage.cache_creation.ephemeral_1h_input_tokens']) AS CacheWrite1hTokens,
    toUInt32OrZero(told['gen_ai.usage.reasoning.output_tokens']) AS ReasoningTokens,
    toUInt32OrZero(rare['gen_ai.usage.audio.input_tokens']) AS InputAudioTokens,
    toUInt32OrZero(rare['gen_ai.usage.audio.output_tokens']) AS OutputAudioTokens,
    toUInt32OrZero(rare['gen_ai.usage.image.input_tokens']) AS InputImageTokens,
    toUInt32OrZero(rare['gen_ai.usage.image.output_tokens']) AS OutputImageTokens,
    rare['vigilo.cost.model'] AS BilledAs,
    CAST(arrayFilter(usage -> usage.2 > 0 AND isFinite(usage.2), [
        ('cache_audio_read_tokens', toFloat64OrZero(rare['vigilo.usage.audio.cache_read.input_tokens'])),
        ('cache_image_read_tokens', toFloat64OrZero(rare['vigilo.usage.image.cache_read.input_tokens'])),
        ('input_video_tokens', toFloat64OrZero(rare['vigilo.usage.video.input_tokens'])),
        ('input_audio_seconds', toFloat64OrZero(rare['vigilo.usage.audio.input_seconds'])),
        ('input_characters', toFloat64OrZero(rare['vigilo.usage.input_characters'])),
        ('output_images', toFloat64OrZero(rare['vigilo.usage.output_images'])),
        ('file_searches', toFloat64OrZero(rare['vigilo.usage.file_searches'])),
        ('web_searches', greatest(
            toFloat64OrZero(rare['vigilo.usage.web_searches']),
            toFloat64OrZero(rare['anthropic.usage.server_tool_use.web_search_requests'])
        ))
    ]), 'Map(LowCardinality(String), Float64)') AS OtherUsage,
    coalesce(
        nullIf(rare['vigilo.cost.tier'], ''),
        nullIf(rare['openai.response.service_tier'], ''),
        rare['anthropic.response.service_tier']
    ) AS ServiceTier,
    -- Read as a decimal with digits to spare, because a detour through a double would cut 0.0000123 to 0.000012299.
    if(Priced, toDecimal64(round(toDecimal64OrZero(cost_text, 12), 9), 9), toDecimal64(0, 9)) AS CostUsd,
    ifNull(toFloat64OrNull(cost_text) BETWEEN 0 AND 999999, false) AS Priced,
    multiIf(NOT Priced, '', told['vigilo.cost.source'] = '', 'span', told['vigilo.cost.source']) AS CostSource,
    if(Priced, told['vigilo.cost.snapshot'], '') AS CostSnapshot,
    toUInt32OrZero(rare['vigilo.cost.parts']) AS CostParts
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, StatusCode, Duration,
        `__otel_materialized_gen_ai.operation.name` AS Operation, -- each of our own spans is one request to a provider
        `__otel_materialized_gen_ai.request.model` AS RequestModel,
        `__otel_materialized_user.id` AS UserId,
        `__otel_materialized_session.id` AS SessionId,
        `__otel_materialized_gen_ai.conversation.id` AS ConversationId,
        CAST(arrayFilter(attribute -> attribute.1 IN (
            'gen_ai.provider.name', 'gen_ai.response.finish_reasons', 'gen_ai.response.model',
            'gen_ai.response.time_to_first_chunk', 'gen_ai.usage.cache_read.input_tokens', 'gen_ai.usage.cost',
            'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens', 'gen_ai.usage.reasoning.output_tokens',
            'vigilo.cost.snapshot', 'vigilo.cost.source'
        ), CAST(SpanAttributes, 'Array(Tuple(LowCardinality(String), String))')), 'Map(LowCardinality(String), String)')
            AS told,
        CAST(arrayFilter(attribute -> attribute.1 IN (
            'anthropic.response.service_tier', 'anthropic.usage.cache_creation.ephemeral_1h_input_tokens',
            'anthropic.usage.server_tool_use.web_search_requests', 'error.type', 'gen_ai.usage.audio.input_tokens',
            'gen_ai.usage.audio.output_tokens', 'gen_ai.usage.cache_write.input_tokens',
            'gen_ai.usage.image.input_tokens', 'gen_ai.usage.image.output_tokens', 'http.request.resend_count',
            'openai.response.service_tier', 'vigilo.cost.model', 'vigilo.cost.parts', 'vigilo.cost.tier',
            'vigilo.operation', 'vigilo.usage.audio.cache_read.input_tokens', 'vigilo.usage.audio.input_seconds',
            'vigilo.usage.file_searches', 'vigilo.usage.image.cache_read.input_tokens',
            'vigilo.usage.input_characters', 'vigilo.usage.output_images', 'vigilo.usage.video.input_tokens',
            'vigilo.usage.web_searches'
        ), CAST(SpanAttributes, 'Array(Tuple(LowCardinality(String), String))')), 'Map(LowCardinality(String), String)')
            AS rare -- told by few calls: most of these maps are empty
    FROM otel_traces
    WHERE ScopeName = 'vigilo'
        AND `__otel_materialized_gen_ai.operation.name` != ''
        AND NOT mapContains(SpanAttributes, 'vigilo.call.around') -- the call has a span of its own inside of this one
);

-- [adopted] [filled]
CREATE MATERIALIZED VIEW llm_calls_foreign_mv TO llm_calls AS
WITH
    told['gen_ai.operation.name'] AS told_operation,
    told['openinference.span.kind'] AS openinference_kind,
    told['llm.request.type'] AS openllmetry_type,
    lower(trim(told['gen_ai.provider.name'])) AS told_provider,
    lower(if(RequestModel != '', RequestModel, ResponseModel)) AS any_model,
    told['gen_ai.usage.cost'] AS cost_text,
    told['gen_ai.response.finish_reasons'] AS finish_text,
    JSONExtract(finish_text, 'Array(String)') AS finish_reasons,
    toUInt32OrZero(told['gen_ai.usage.input_tokens']) AS input_tokens,
    CacheReadTokens + CacheWriteTokens AS cached_tokens
SELECT
    Timestamp,
    TraceId,
    SpanId,
    ParentSpanId,
    ServiceName,
    -- Of others' spans only those of calls are calls, not their agents and tools, whose tokens are those of the calls
    -- inside them.
    multiIf(
        told_operation IN (
            'chat', 'generate_content', 'text_completion', 'completion', 'embeddings', 'embedding', 'image_generation',
            'image_edit', 'image', 'video_generation', 'transcription', 'translation', 'speech', 'audio', 'moderation',
            'rerank', 'interactions.create'
        ), told_operation,
        told_operation != '' OR told['traceloop.span.kind'] != '', '',
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
    told['gen_ai.request.model'] AS RequestModel,
    told['gen_ai.response.model'] AS ResponseModel,
    told['user.id'] AS UserId,
    told['session.id'] AS SessionId,
    told['gen_ai.conversation.id'] AS ConversationId,
    told['vigilo.operation'] AS AppOperation,
    StatusCode AS Status,
    told['error.type'] AS ErrorType,
    if(empty(finish_reasons), finish_text, arrayStringConcat(arraySort(arrayDistinct(finish_reasons)), ','))
        AS FinishReason,
    Duration AS DurationNs,
    accurateCastOrDefault(round(toFloat64OrZero(told['gen_ai.response.time_to_first_chunk']) * 1e9), 'UInt64')
        AS TimeToFirstChunkNs,
    toUInt32OrZero(told['http.request.resend_count']) AS ResendCount,
    -- The total contains cached tokens (semantic-conventions pull request 3163). OpenLLMetry leaves them out for
    -- Bedrock (its issue 4449), and so does whoever tells a total that is less than its parts.
    toUInt32(input_tokens + if(
        input_tokens < cached_tokens OR startsWith(ScopeName, 'opentelemetry.instrumentation.bedrock'), cached_tokens, 0
    )) AS InputTokens,
    toUInt32OrZero(told['gen_ai.usage.output_tokens']) AS OutputTokens,
    toUInt32OrZero(told['gen_ai.usage.cache_read.input_tokens']) AS CacheReadTokens,
    toUInt32OrZero(told['gen_ai.usage.cache_write.input_tokens']) AS CacheWriteTokens,
    toUInt32OrZero(told['anthropic.usage.cache_creation.ephemeral_1h_input_tokens']) AS CacheWrite1hTokens,
    toUInt32OrZero(told['gen_ai.usage.reasoning.output_tokens']) AS ReasoningTokens,
    toUInt32OrZero(told['gen_ai.usage.audio.input_tokens']) AS InputAudioTokens,
    toUInt32OrZero(told['gen_ai.usage.audio.output_tokens']) AS OutputAudioTokens,
    toUInt32OrZero(told['gen_ai.usage.image.input_tokens']) AS InputImageTokens,
    toUInt32OrZero(told['gen_ai.usage.image.output_tokens']) AS OutputImageTokens,
    told['vigilo.cost.model'] AS BilledAs,
    CAST(arrayFilter(usage -> usage.2 > 0 AND isFinite(usage.2), [
        ('cache_audio_read_tokens', toFloat64OrZero(told['vigilo.usage.audio.cache_read.input_tokens'])),
        ('cache_image_read_tokens', toFloat64OrZero(told['vigilo.usage.image.cache_read.input_tokens'])),
        ('input_video_tokens', toFloat64OrZero(told['vigilo.usage.video.input_tokens'])),
        ('input_audio_seconds', toFloat64OrZero(told['vigilo.usage.audio.input_seconds'])),
        ('input_characters', toFloat64OrZero(told['vigilo.usage.input_characters'])),
        ('output_images', toFloat64OrZero(told['vigilo.usage.output_images'])),
        ('file_searches', toFloat64OrZero(told['vigilo.usage.file_searches'])),
        ('web_searches', toFloat64OrZero(told['vigilo.usage.web_searches']))
    ]), 'Map(LowCardinality(String), Float64)') AS OtherUsage,
    told['vigilo.cost.tier'] AS ServiceTier,
    -- Read as a decimal with digits to spare, because a detour through a double would cut 0.0000123 to 0.000012299.
    if(Priced, toDecimal64(round(toDecimal64OrZero(cost_text, 12), 9), 9), toDecimal64(0, 9)) AS CostUsd,
    ifNull(toFloat64OrNull(cost_text) BETWEEN 0 AND 999999, false) AS Priced,
    multiIf(NOT Priced, '', told['vigilo.cost.source'] = '', 'span', told['vigilo.cost.source']) AS CostSource,
    if(Priced, told['vigilo.cost.snapshot'], '') AS CostSnapshot,
    toUInt32OrZero(told['vigilo.cost.parts']) AS CostParts
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, ScopeName, StatusCode, Duration,
        -- The names of others, as those of the conventions; of several that say something the first here counts.
        CAST(arrayMap(attribute -> (transform(attribute.1, [
            'gen_ai.system', 'llm.provider', 'llm.system', 'llm.model_name', 'llm.request.model_name',
            'embedding.model_name', 'llm.response.model_name', 'enduser.id', 'langfuse.user.id',
            'traceloop.association.properties.user_id', 'llm.user', 'langfuse.session.id',
            'traceloop.association.properties.session_id', 'traceloop.association.properties.conversation_id',
            'traceloop.association.properties.thread_id', 'llm.cost.total', 'operation.cost',
            'gen_ai.usage.prompt_tokens', 'llm.usage.prompt_tokens', 'llm.token_count.prompt',
            'gen_ai.usage.completion_tokens', 'llm.usage.completion_tokens', 'llm.token_count.completion',
            'gen_ai.usage.cache_read_input_tokens', 'gen_ai.usage.details.cache_read_tokens',
            'llm.usage.cache_read_input_tokens', 'llm.token_count.prompt_details.cache_read',
            'gen_ai.usage.cache_creation.input_tokens', 'gen_ai.usage.cache_creation_input_tokens',
            'gen_ai.usage.details.cache_write_tokens', 'llm.usage.cache_creation_input_tokens',
            'llm.token_count.prompt_details.cache_write', 'gen_ai.usage.details.reasoning_tokens',
            'llm.usage.reasoning_tokens', 'llm.token_count.completion_details.reasoning',
            'llm.token_count.prompt_details.audio', 'llm.token_count.completion_details.audio',
            'openai.response.service_tier', 'gen_ai.openai.response.service_tier', 'anthropic.response.service_tier',
            'anthropic.usage.server_tool_use.web_search_requests'
        ], [
            'gen_ai.provider.name', 'gen_ai.provider.name', 'gen_ai.provider.name', 'gen_ai.request.model',
            'gen_ai.request.model', 'gen_ai.request.model', 'gen_ai.response.model', 'user.id', 'user.id', 'user.id',
            'user.id', 'session.id', 'session.id', 'gen_ai.conversation.id', 'gen_ai.conversation.id',
            'gen_ai.usage.cost', 'gen_ai.usage.cost', 'gen_ai.usage.input_tokens', 'gen_ai.usage.input_tokens',
            'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens', 'gen_ai.usage.output_tokens',
            'gen_ai.usage.output_tokens', 'gen_ai.usage.cache_read.input_tokens',
            'gen_ai.usage.cache_read.input_tokens', 'gen_ai.usage.cache_read.input_tokens',
            'gen_ai.usage.cache_read.input_tokens', 'gen_ai.usage.cache_write.input_tokens',
            'gen_ai.usage.cache_write.input_tokens', 'gen_ai.usage.cache_write.input_tokens',
            'gen_ai.usage.cache_write.input_tokens', 'gen_ai.usage.cache_write.input_tokens',
            'gen_ai.usage.reasoning.output_tokens', 'gen_ai.usage.reasoning.output_tokens',
            'gen_ai.usage.reasoning.output_tokens', 'gen_ai.usage.audio.input_tokens',
            'gen_ai.usage.audio.output_tokens', 'vigilo.cost.tier', 'vigilo.cost.tier', 'vigilo.cost.tier',
            'vigilo.usage.web_searches'
        ], attribute.1), attribute.2), arraySort(attribute -> indexOf([
            'gen_ai.system', 'llm.provider', 'llm.system', 'llm.model_name', 'llm.request.model_name',
            'embedding.model_name', 'llm.response.model_name', 'enduser.id', 'langfuse.user.id',
            'traceloop.association.properties.user_id', 'llm.user', 'langfuse.session.id',
            'traceloop.association.properties.session_id', 'traceloop.association.properties.conversation_id',
            'traceloop.association.properties.thread_id', 'llm.cost.total', 'operation.cost',
            'gen_ai.usage.prompt_tokens', 'llm.usage.prompt_tokens', 'llm.token_count.prompt',
            'gen_ai.usage.completion_tokens', 'llm.usage.completion_tokens', 'llm.token_count.completion',
            'gen_ai.usage.cache_read_input_tokens', 'gen_ai.usage.details.cache_read_tokens',
            'llm.usage.cache_read_input_tokens', 'llm.token_count.prompt_details.cache_read',
            'gen_ai.usage.cache_creation.input_tokens', 'gen_ai.usage.cache_creation_input_tokens',
            'gen_ai.usage.details.cache_write_tokens', 'llm.usage.cache_creation_input_tokens',
            'llm.token_count.prompt_details.cache_write', 'gen_ai.usage.details.reasoning_tokens',
            'llm.usage.reasoning_tokens', 'llm.token_count.completion_details.reasoning',
            'llm.token_count.prompt_details.audio', 'llm.token_count.completion_details.audio',
            'openai.response.service_tier', 'gen_ai.openai.response.service_tier', 'anthropic.response.service_tier',
            'anthropic.usage.server_tool_use.web_search_requests'
        ], attribute.1), arrayFilter(attribute -> attribute.2 != ''
        AND (attribute.2 != '0' OR attribute.1 IN ('gen_ai.usage.cost', 'llm.cost.total', 'operation.cost'))
        AND attribute.1 IN (
            'anthropic.response.service_tier', 'anthropic.usage.cache_creation.ephemeral_1h_input_tokens',
            'anthropic.usage.server_tool_use.web_search_requests', 'embedding.model_name', 'enduser.id', 'error.type',
            'gen_ai.conversation.id', 'gen_ai.openai.response.service_tier', 'gen_ai.operation.name',
            'gen_ai.provider.name', 'gen_ai.request.model', 'gen_ai.response.finish_reasons', 'gen_ai.response.model',
            'gen_ai.response.time_to_first_chunk', 'gen_ai.system', 'gen_ai.usage.audio.input_tokens',
            'gen_ai.usage.audio.output_tokens', 'gen_ai.usage.cache_creation.input_tokens',
            'gen_ai.usage.cache_creation_input_tokens', 'gen_ai.usage.cache_read.input_tokens',
            'gen_ai.usage.cache_read_input_tokens', 'gen_ai.usage.cache_write.input_tokens',
            'gen_ai.usage.completion_tokens', 'gen_ai.usage.cost', 'gen_ai.usage.details.cache_read_tokens',
            'gen_ai.usage.details.cache_write_tokens', 'gen_ai.usage.details.reasoning_tokens',
            'gen_ai.usage.image.input_tokens', 'gen_ai.usage.image.output_tokens', 'gen_ai.usage.input_tokens',
            'gen_ai.usage.output_tokens', 'gen_ai.usage.prompt_tokens', 'gen_ai.usage.reasoning.output_tokens',
            'http.request.resend_count', 'langfuse.session.id', 'langfuse.user.id', 'llm.cost.total',
            'llm.model_name', 'llm.provider', 'llm.request.model_name', 'llm.request.type', 'llm.response.model_name',
            'llm.system', 'llm.token_count.completion', 'llm.token_count.completion_details.audio',
            'llm.token_count.completion_details.reasoning', 'llm.token_count.prompt',
            'llm.token_count.prompt_details.audio', 'llm.token_count.prompt_details.cache_read',
            'llm.token_count.prompt_details.cache_write', 'llm.usage.cache_creation_input_tokens',
            'llm.usage.cache_read_input_tokens', 'llm.usage.completion_tokens', 'llm.usage.prompt_tokens',
            'llm.usage.reasoning_tokens', 'llm.user', 'openai.response.service_tier', 'openinference.span.kind',
            'operation.cost', 'session.id', 'traceloop.association.properties.conversation_id',
            'traceloop.association.properties.session_id', 'traceloop.association.properties.thread_id',
            'traceloop.association.properties.user_id', 'traceloop.span.kind', 'user.id', 'vigilo.cost.model',
            'vigilo.cost.parts', 'vigilo.cost.snapshot', 'vigilo.cost.source', 'vigilo.cost.tier', 'vigilo.operation',
            'vigilo.usage.audio.cache_read.input_tokens', 'vigilo.usage.audio.input_seconds',
            'vigilo.usage.file_searches', 'vigilo.usage.image.cache_read.input_tokens',
            'vigilo.usage.input_characters', 'vigilo.usage.output_images', 'vigilo.usage.video.input_tokens',
            'vigilo.usage.web_searches'
        ), CAST(SpanAttributes, 'Array(Tuple(String, String))')))), 'Map(String, String)') AS told
    FROM otel_traces
    WHERE ScopeName != 'vigilo'
        AND (
            `__otel_materialized_gen_ai.operation.name` != ''
            OR mapContains(SpanAttributes, 'openinference.span.kind')
            OR mapContains(SpanAttributes, 'llm.request.type')
        )
        AND NOT mapContains(SpanAttributes, 'vigilo.call.around')
)
WHERE Operation != '';
