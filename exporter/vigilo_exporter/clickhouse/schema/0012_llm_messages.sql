-- The text of calls, apart from their numbers: it is large, rarely read, and kept for less long. One row for what a
-- span or an event tells; a call that tells its text on both has two.
-- Texts are JSON as it was told: messages of the conventions, or a map of the attributes that others have for each
-- field.
DROP TABLE IF EXISTS llm_messages_mv;
DROP TABLE IF EXISTS llm_messages_events_mv;
DROP TABLE IF EXISTS llm_messages;

CREATE TABLE llm_messages
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Source LowCardinality(String) CODEC(ZSTD(1)), -- span or event
    Operation LowCardinality(String) CODEC(ZSTD(1)),
    Provider LowCardinality(String) CODEC(ZSTD(1)),
    Model LowCardinality(String) CODEC(ZSTD(1)),
    UserId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    ConversationId String CODEC(ZSTD(1)),
    SystemInstructions String CODEC(ZSTD(3)),
    InputMessages String CODEC(ZSTD(3)),
    OutputMessages String CODEC(ZSTD(3)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_user UserId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_session SessionId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ConversationId, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- [filled]
CREATE MATERIALIZED VIEW llm_messages_mv TO llm_messages AS
WITH
    told['gen_ai.operation.name'] AS told_operation,
    told['openinference.span.kind'] AS openinference_kind,
    told['llm.request.type'] AS openllmetry_type,
    lower(trim(told['gen_ai.provider.name'])) AS told_provider,
    lower(Model) AS any_model
SELECT
    Timestamp,
    TraceId,
    SpanId,
    ServiceName,
    'span' AS Source,
    if(ScopeName = 'vigilo', told_operation, multiIf(
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
    )) AS Operation,
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
    if(told['gen_ai.request.model'] != '', told['gen_ai.request.model'], told['gen_ai.response.model']) AS Model,
    told['user.id'] AS UserId,
    told['session.id'] AS SessionId,
    told['gen_ai.conversation.id'] AS ConversationId,
    text['gen_ai.system_instructions'] AS SystemInstructions,
    multiIf(
        text['gen_ai.input.messages'] != '', text['gen_ai.input.messages'],
        notEmpty(input_fields), toJSONString(input_fields),
        text['input.value'] != '', text['input.value'],
        text['langfuse.observation.input'] != '', text['langfuse.observation.input'],
        notEmpty(input_events), toJSONString(input_events),
        ''
    ) AS InputMessages,
    multiIf(
        text['gen_ai.output.messages'] != '', text['gen_ai.output.messages'],
        notEmpty(output_fields), toJSONString(output_fields),
        text['output.value'] != '', text['output.value'],
        text['langfuse.observation.output'] != '', text['langfuse.observation.output'],
        notEmpty(output_events), toJSONString(output_events),
        ''
    ) AS OutputMessages
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ServiceName, ScopeName, input_events, output_events,
        -- The names of others, as those of the conventions; of several that say something the first here counts.
        CAST(arrayMap(attribute -> (transform(attribute.1, [
            'gen_ai.system', 'llm.provider', 'llm.system', 'llm.model_name', 'llm.request.model_name',
            'embedding.model_name', 'llm.response.model_name', 'enduser.id', 'langfuse.user.id',
            'traceloop.association.properties.user_id', 'llm.user', 'langfuse.session.id',
            'traceloop.association.properties.session_id', 'traceloop.association.properties.conversation_id',
            'traceloop.association.properties.thread_id'
        ], [
            'gen_ai.provider.name', 'gen_ai.provider.name', 'gen_ai.provider.name', 'gen_ai.request.model',
            'gen_ai.request.model', 'gen_ai.request.model', 'gen_ai.response.model', 'user.id', 'user.id', 'user.id',
            'user.id', 'session.id', 'session.id', 'gen_ai.conversation.id', 'gen_ai.conversation.id'
        ], attribute.1), attribute.2), arraySort(attribute -> indexOf([
            'gen_ai.system', 'llm.provider', 'llm.system', 'llm.model_name', 'llm.request.model_name',
            'embedding.model_name', 'llm.response.model_name', 'enduser.id', 'langfuse.user.id',
            'traceloop.association.properties.user_id', 'llm.user', 'langfuse.session.id',
            'traceloop.association.properties.session_id', 'traceloop.association.properties.conversation_id',
            'traceloop.association.properties.thread_id'
        ], attribute.1), arrayFilter(attribute -> attribute.2 != '' AND attribute.1 IN (
            'embedding.model_name', 'enduser.id', 'gen_ai.conversation.id', 'gen_ai.operation.name',
            'gen_ai.provider.name', 'gen_ai.request.model', 'gen_ai.response.model', 'gen_ai.system',
            'langfuse.session.id', 'langfuse.user.id', 'llm.model_name', 'llm.provider', 'llm.request.model_name',
            'llm.request.type', 'llm.response.model_name', 'llm.system', 'llm.user', 'openinference.span.kind',
            'session.id', 'traceloop.association.properties.conversation_id',
            'traceloop.association.properties.session_id', 'traceloop.association.properties.thread_id',
            'traceloop.association.properties.user_id', 'traceloop.span.kind', 'user.id'
        ), CAST(SpanAttributes, 'Array(Tuple(String, String))')))), 'Map(String, String)') AS told,
        -- OpenLLMetry and OpenInference have an attribute for each field of a message.
        CAST(arrayFilter(text -> match(text.1, '^(gen_ai\\.prompt|llm\\.input_messages\\.|llm\\.prompts)'), texts),
            'Map(LowCardinality(String), String)') AS input_fields,
        CAST(arrayFilter(text -> match(text.1, '^(gen_ai\\.completion|llm\\.output_messages\\.|llm\\.completions)'), texts),
            'Map(LowCardinality(String), String)') AS output_fields,
        CAST(texts, 'Map(LowCardinality(String), String)') AS text
    FROM
    (
        SELECT
            Timestamp, TraceId, SpanId, ServiceName, ScopeName, SpanAttributes,
            arrayFilter(attribute -> match(attribute.1, concat(
                '^(gen_ai\\.(system_instructions|input\\.messages|output\\.messages|prompt|completion)|(in|out)put\\.value$',
                '|langfuse\\.observation\\.(in|out)put$|llm\\.(input_messages\\.|output_messages\\.|prompts|completions))'
            )), CAST(SpanAttributes, 'Array(Tuple(LowCardinality(String), String))')) AS texts,
            -- The conventions of before: an event for each message.
            arrayFilter((attributes, name) -> name IN (
                'gen_ai.content.prompt', 'gen_ai.system.message', 'gen_ai.user.message', 'gen_ai.assistant.message',
                'gen_ai.tool.message'
            ), Events.Attributes, Events.Name) AS input_events,
            arrayFilter(
                (attributes, name) -> name IN ('gen_ai.content.completion', 'gen_ai.choice'), Events.Attributes, Events.Name
            ) AS output_events
        FROM otel_traces
        WHERE NOT mapContains(SpanAttributes, 'vigilo.call.around')
    )
    WHERE notEmpty(texts) OR notEmpty(input_events) OR notEmpty(output_events)
)
WHERE Operation != ''
    AND (SystemInstructions != '' OR InputMessages != '' OR OutputMessages != '');

-- [filled]
CREATE MATERIALIZED VIEW llm_messages_events_mv TO llm_messages AS
WITH
    if(EventName != '', EventName, LogAttributes['event.name']) AS event
SELECT
    Timestamp,
    TraceId,
    SpanId,
    ServiceName,
    'event' AS Source,
    LogAttributes['gen_ai.operation.name'] AS Operation,
    if(LogAttributes['gen_ai.provider.name'] != '', LogAttributes['gen_ai.provider.name'], LogAttributes['gen_ai.system'])
        AS Provider,
    if(LogAttributes['gen_ai.request.model'] != '', LogAttributes['gen_ai.request.model'],
        LogAttributes['gen_ai.response.model']) AS Model,
    LogAttributes['user.id'] AS UserId,
    LogAttributes['session.id'] AS SessionId,
    LogAttributes['gen_ai.conversation.id'] AS ConversationId,
    if(event = 'gen_ai.system.message', Body, LogAttributes['gen_ai.system_instructions']) AS SystemInstructions,
    -- The conventions of before have an event for each message.
    if(event IN ('gen_ai.user.message', 'gen_ai.assistant.message', 'gen_ai.tool.message'), Body,
        LogAttributes['gen_ai.input.messages']) AS InputMessages,
    if(event = 'gen_ai.choice', Body, LogAttributes['gen_ai.output.messages']) AS OutputMessages
FROM otel_logs
WHERE event IN (
        'gen_ai.client.inference.operation.details', 'gen_ai.system.message', 'gen_ai.user.message',
        'gen_ai.assistant.message', 'gen_ai.tool.message', 'gen_ai.choice'
    )
    AND (SystemInstructions != '' OR InputMessages != '' OR OutputMessages != '');
