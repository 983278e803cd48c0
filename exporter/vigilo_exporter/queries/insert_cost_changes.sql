INSERT INTO llm_cost_changes
(
    Timestamp, TraceId, SpanId, ServiceName, Operation, Provider, RequestModel, Status,
    OldPriced, OldCostUsd, OldSource, OldSnapshot, NewCostUsd, NewSource, NewSnapshot, CallKey,
    Cause, Run, Batch, ChangedAt
)
SELECT *, CAUSE, RUN, BATCH, toDateTime64(CHANGED_AT, 3)
FROM file(FILE, 'JSONCompactEachRow',
    'Timestamp DateTime64(9), TraceId String, SpanId String, ServiceName String, Operation String, Provider String,
    RequestModel String, Status String, OldPriced Bool, OldCostUsd Decimal(18, 9), OldSource String,
    OldSnapshot String, NewCostUsd Decimal(18, 9), NewSource String, NewSnapshot String, CallKey UInt64')
ORDER BY ALL
SETTINGS insert_deduplication_token = BATCH, insert_deduplicate = 1,
    deduplicate_blocks_in_dependent_materialized_views = 1, max_insert_threads = 1, async_insert = 0
