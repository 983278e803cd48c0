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
    mapKeys(SpanAttributes) AS names,
    name -> name IN (
        'embedding.model_name', 'enduser.id', 'gen_ai.conversation.id', 'gen_ai.operation.name',
        'gen_ai.provider.name', 'gen_ai.request.model', 'gen_ai.response.model', 'gen_ai.system',
        'langfuse.session.id', 'langfuse.user.id', 'llm.model_name', 'llm.provider', 'llm.request.model_name',
        'llm.request.type', 'llm.response.model_name', 'llm.system', 'llm.user', 'openinference.span.kind',
        'session.id', 'traceloop.association.properties.conversation_id',
        'traceloop.association.properties.session_id', 'traceloop.association.properties.thread_id',
        'traceloop.association.properties.user_id', 'traceloop.span.kind', 'user.id'
    ) AS is_told,
    mapFromArrays(
        arrayFilter(is_told, names),
        arrayFilter((value, name) -> is_told(name), mapValues(SpanAttributes), names)
    ) AS told,
    told['gen_ai.operation.name'] AS told_operation,
    told['openinference.span.kind'] AS openinference_kind,
    told['llm.request.type'] AS openllmetry_type,
    lower(trim(coalesce(
        nullIf(told['gen_ai.provider.name'], ''),
        nullIf(told['gen_ai.system'], ''),
        nullIf(told['llm.provider'], ''),
        told['llm.system']
    ))) AS told_provider,
    lower(Model) AS any_model,
    name -> startsWith(name, 'gen_ai.prompt') OR startsWith(name, 'llm.input_messages.') OR startsWith(name, 'llm.prompts')
        AS is_input, -- OpenLLMetry and OpenInference: an attribute for each field of a message
    name -> startsWith(name, 'gen_ai.completion') OR startsWith(name, 'llm.output_messages.')
        OR startsWith(name, 'llm.completions') AS is_output,
    name -> name IN (
        'gen_ai.system_instructions', 'gen_ai.input.messages', 'gen_ai.output.messages', 'input.value', 'output.value',
        'langfuse.observation.input', 'langfuse.observation.output'
    ) OR is_input(name) OR is_output(name) AS is_text,
    mapFromArrays(
        arrayFilter(is_text, names),
        arrayFilter((value, name) -> is_text(name), mapValues(SpanAttributes), names)
    ) AS texts,
    mapFromArrays(
        arrayFilter(is_input, mapKeys(texts)), arrayFilter((value, name) -> is_input(name), mapValues(texts), mapKeys(texts))
    ) AS input_fields,
    mapFromArrays(
        arrayFilter(is_output, mapKeys(texts)), arrayFilter((value, name) -> is_output(name), mapValues(texts), mapKeys(texts))
    ) AS output_fields,
    -- The conventions of before: an event for each message.
    arrayFilter((attributes, name) -> name IN (
        'gen_ai.content.prompt', 'gen_ai.system.message', 'gen_ai.user.message', 'gen_ai.assistant.message',
        'gen_ai.tool.message'
    ), Events.Attributes, Events.Name) AS input_events,
    arrayFilter(
        (attributes, name) -> name IN ('gen_ai.content.completion', 'gen_ai.choice'), Events.Attributes, Events.Name
    ) AS output_events
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
    coalesce(
        nullIf(told['gen_ai.request.model'], ''),
        nullIf(told['llm.model_name'], ''),
        nullIf(told['llm.request.model_name'], ''),
        nullIf(told['embedding.model_name'], ''),
        nullIf(told['gen_ai.response.model'], ''),
        told['llm.response.model_name']
    ) AS Model,
    coalesce(
        nullIf(told['user.id'], ''),
        nullIf(told['enduser.id'], ''),
        nullIf(told['langfuse.user.id'], ''),
        nullIf(told['traceloop.association.properties.user_id'], ''),
        told['llm.user']
    ) AS UserId,
    coalesce(
        nullIf(told['session.id'], ''),
        nullIf(told['langfuse.session.id'], ''),
        told['traceloop.association.properties.session_id']
    ) AS SessionId,
    coalesce(
        nullIf(told['gen_ai.conversation.id'], ''),
        nullIf(told['traceloop.association.properties.conversation_id'], ''),
        told['traceloop.association.properties.thread_id']
    ) AS ConversationId,
    texts['gen_ai.system_instructions'] AS SystemInstructions,
    multiIf(
        texts['gen_ai.input.messages'] != '', texts['gen_ai.input.messages'],
        notEmpty(input_fields), toJSONString(input_fields),
        texts['input.value'] != '', texts['input.value'],
        texts['langfuse.observation.input'] != '', texts['langfuse.observation.input'],
        notEmpty(input_events), toJSONString(input_events),
        ''
    ) AS InputMessages,
    multiIf(
        texts['gen_ai.output.messages'] != '', texts['gen_ai.output.messages'],
        notEmpty(output_fields), toJSONString(output_fields),
        texts['output.value'] != '', texts['output.value'],
        texts['langfuse.observation.output'] != '', texts['langfuse.observation.output'],
        notEmpty(output_events), toJSONString(output_events),
        ''
    ) AS OutputMessages
FROM otel_traces
WHERE (arrayExists(is_text, names) OR hasAny(Events.Name, [
        'gen_ai.content.prompt', 'gen_ai.system.message', 'gen_ai.user.message', 'gen_ai.assistant.message',
        'gen_ai.tool.message', 'gen_ai.content.completion', 'gen_ai.choice'
    ]))
    AND NOT mapContains(SpanAttributes, 'vigilo.call.around')
    AND Operation != ''
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
