-- What dashboards and reports over long ranges read: sums of calls by the hour, and by the day of each user, conversation
-- and session. Sums merge by adding up, also those of a changed cost, which are differences.
-- Latencies are counts of log buckets, which merge anywhere and take a tenth of the room of quantile states: bucket b
-- holds durations from 2^(b/8) to 2^((b+1)/8) ns, so a quantile read from them is within 9 %.
-- All is made from llm_calls. Nothing is written meanwhile, so the views may be away; a migration that was killed is run
-- again from the top.
ALTER TABLE llm_cost_changes
    ADD COLUMN IF NOT EXISTS Model LowCardinality(String) CODEC(ZSTD(1)) AFTER RequestModel,
    ADD COLUMN IF NOT EXISTS AppOperation LowCardinality(String) CODEC(ZSTD(1)) AFTER Operation,
    ADD COLUMN IF NOT EXISTS ErrorType LowCardinality(String) CODEC(ZSTD(1)) AFTER Status,
    ADD COLUMN IF NOT EXISTS UserId String CODEC(ZSTD(1)) AFTER ErrorType,
    ADD COLUMN IF NOT EXISTS SessionId String CODEC(ZSTD(1)) AFTER UserId,
    ADD COLUMN IF NOT EXISTS ConversationId String CODEC(ZSTD(1)) AFTER SessionId,
    ADD COLUMN IF NOT EXISTS Tokens UInt64 CODEC(T64, ZSTD(1)) AFTER ConversationId;

DROP TABLE IF EXISTS llm_cost_changes_mv;

-- Calls by the hour.
DROP TABLE IF EXISTS llm_hourly_mv;
DROP TABLE IF EXISTS llm_hourly_cost_mv;
DROP TABLE IF EXISTS llm_hourly;

CREATE TABLE llm_hourly
(
    Hour DateTime CODEC(Delta(4), ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Provider LowCardinality(String) CODEC(ZSTD(1)),
    Model LowCardinality(String) CODEC(ZSTD(1)),
    Operation LowCardinality(String) CODEC(ZSTD(1)),
    AppOperation LowCardinality(String) CODEC(ZSTD(1)),
    Status LowCardinality(String) CODEC(ZSTD(1)),
    ErrorType LowCardinality(String) CODEC(ZSTD(1)),
    Calls SimpleAggregateFunction(sum, Int64),
    Errors SimpleAggregateFunction(sum, Int64),
    Resends SimpleAggregateFunction(sum, Int64),
    InputTokens SimpleAggregateFunction(sum, Int64),
    OutputTokens SimpleAggregateFunction(sum, Int64),
    CacheReadTokens SimpleAggregateFunction(sum, Int64),
    CacheWriteTokens SimpleAggregateFunction(sum, Int64),
    ReasoningTokens SimpleAggregateFunction(sum, Int64),
    CostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    PricedCalls SimpleAggregateFunction(sum, Int64),
    UnpricedCalls SimpleAggregateFunction(sum, Int64), -- with usage but no known price
    UnpricedTokens SimpleAggregateFunction(sum, Int64),
    PricedBy SimpleAggregateFunction(sumMap, Map(String, Int64)), -- priced calls by CostSource, tab, CostSnapshot
    DurationNs SimpleAggregateFunction(sum, Int64),
    DurationBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)),
    TimeToFirstChunkBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) -- streamed calls only
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Hour)
ORDER BY (Hour, ServiceName, Provider, Model, Operation, AppOperation, Status, ErrorType)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000;

-- [filled]
CREATE MATERIALIZED VIEW llm_hourly_mv TO llm_hourly AS
SELECT
    toStartOfHour(Timestamp) AS Hour,
    ServiceName,
    Provider,
    Model,
    Operation,
    AppOperation,
    Status,
    ErrorType,
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
    sumIf(c.InputTokens + c.OutputTokens, NOT c.Priced) AS UnpricedTokens,
    sumMapIf(map(concat(c.CostSource, '\t', c.CostSnapshot), toInt64(1)), c.Priced) AS PricedBy,
    sum(c.DurationNs) AS DurationNs,
    sumMap(map(toInt16(floor(log2(greatest(c.DurationNs, 1)) * 8)), toUInt64(1))) AS DurationBuckets,
    sumMapIf(
        map(toInt16(floor(log2(greatest(c.TimeToFirstChunkNs, 1)) * 8)), toUInt64(1)), c.TimeToFirstChunkNs > 0
    ) AS TimeToFirstChunkBuckets
FROM llm_calls AS c
GROUP BY Hour, ServiceName, Provider, Model, Operation, AppOperation, Status, ErrorType;

CREATE MATERIALIZED VIEW llm_hourly_cost_mv TO llm_hourly AS
SELECT
    toStartOfHour(Timestamp) AS Hour,
    ServiceName,
    Provider,
    Model,
    Operation,
    AppOperation,
    Status,
    ErrorType,
    sum(NewCostUsd - OldCostUsd) AS CostUsd,
    countIf(NOT OldPriced) AS PricedCalls,
    -toInt64(countIf(NOT OldPriced)) AS UnpricedCalls,
    -toInt64(sumIf(Tokens, NOT OldPriced)) AS UnpricedTokens,
    sumMap(map(
        concat(NewSource, '\t', NewSnapshot), toInt64(1),
        concat(OldSource, '\t', OldSnapshot), toInt64(if(OldPriced, -1, 0))
    )) AS PricedBy
FROM llm_cost_changes
GROUP BY Hour, ServiceName, Provider, Model, Operation, AppOperation, Status, ErrorType;

-- Calls of each user by the day (UTC).
DROP TABLE IF EXISTS llm_user_daily_mv;
DROP TABLE IF EXISTS llm_user_daily_cost_mv;
DROP TABLE IF EXISTS llm_user_daily;

CREATE TABLE llm_user_daily
(
    Day Date,
    UserId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Provider LowCardinality(String) CODEC(ZSTD(1)),
    Model LowCardinality(String) CODEC(ZSTD(1)),
    Calls SimpleAggregateFunction(sum, Int64),
    Errors SimpleAggregateFunction(sum, Int64),
    Resends SimpleAggregateFunction(sum, Int64),
    InputTokens SimpleAggregateFunction(sum, Int64),
    OutputTokens SimpleAggregateFunction(sum, Int64),
    CacheReadTokens SimpleAggregateFunction(sum, Int64),
    CacheWriteTokens SimpleAggregateFunction(sum, Int64),
    ReasoningTokens SimpleAggregateFunction(sum, Int64),
    CostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    PricedCalls SimpleAggregateFunction(sum, Int64),
    UnpricedCalls SimpleAggregateFunction(sum, Int64), -- with usage but no known price
    UnpricedTokens SimpleAggregateFunction(sum, Int64),
    PricedBy SimpleAggregateFunction(sumMap, Map(String, Int64)), -- priced calls by CostSource, tab, CostSnapshot
    DurationNs SimpleAggregateFunction(sum, Int64),
    DurationBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)),
    TimeToFirstChunkBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) -- streamed calls only
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Day)
ORDER BY (Day, UserId, ServiceName, Provider, Model)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000;

-- [filled]
CREATE MATERIALIZED VIEW llm_user_daily_mv TO llm_user_daily AS
SELECT
    toDate(Timestamp) AS Day,
    UserId,
    ServiceName,
    Provider,
    Model,
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
    sumIf(c.InputTokens + c.OutputTokens, NOT c.Priced) AS UnpricedTokens,
    sumMapIf(map(concat(c.CostSource, '\t', c.CostSnapshot), toInt64(1)), c.Priced) AS PricedBy,
    sum(c.DurationNs) AS DurationNs,
    sumMap(map(toInt16(floor(log2(greatest(c.DurationNs, 1)) * 8)), toUInt64(1))) AS DurationBuckets,
    sumMapIf(
        map(toInt16(floor(log2(greatest(c.TimeToFirstChunkNs, 1)) * 8)), toUInt64(1)), c.TimeToFirstChunkNs > 0
    ) AS TimeToFirstChunkBuckets
FROM llm_calls AS c
GROUP BY Day, UserId, ServiceName, Provider, Model;

CREATE MATERIALIZED VIEW llm_user_daily_cost_mv TO llm_user_daily AS
SELECT
    toDate(Timestamp) AS Day,
    UserId,
    ServiceName,
    Provider,
    Model,
    sum(NewCostUsd - OldCostUsd) AS CostUsd,
    countIf(NOT OldPriced) AS PricedCalls,
    -toInt64(countIf(NOT OldPriced)) AS UnpricedCalls,
    -toInt64(sumIf(Tokens, NOT OldPriced)) AS UnpricedTokens,
    sumMap(map(
        concat(NewSource, '\t', NewSnapshot), toInt64(1),
        concat(OldSource, '\t', OldSnapshot), toInt64(if(OldPriced, -1, 0))
    )) AS PricedBy
FROM llm_cost_changes
GROUP BY Day, UserId, ServiceName, Provider, Model;

-- Calls of each conversation by the day (UTC) and user.
DROP TABLE IF EXISTS llm_conversations_mv;
DROP TABLE IF EXISTS llm_conversations_cost_mv;
DROP TABLE IF EXISTS llm_conversations;

CREATE TABLE llm_conversations
(
    Day Date,
    ConversationId String CODEC(ZSTD(1)),
    UserId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Provider LowCardinality(String) CODEC(ZSTD(1)),
    Model LowCardinality(String) CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime64(9)), -- of the first call
    End SimpleAggregateFunction(max, DateTime64(9)), -- of the last one, when it began
    Calls SimpleAggregateFunction(sum, Int64),
    Errors SimpleAggregateFunction(sum, Int64),
    Resends SimpleAggregateFunction(sum, Int64),
    InputTokens SimpleAggregateFunction(sum, Int64),
    OutputTokens SimpleAggregateFunction(sum, Int64),
    CacheReadTokens SimpleAggregateFunction(sum, Int64),
    CacheWriteTokens SimpleAggregateFunction(sum, Int64),
    ReasoningTokens SimpleAggregateFunction(sum, Int64),
    CostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    PricedCalls SimpleAggregateFunction(sum, Int64),
    UnpricedCalls SimpleAggregateFunction(sum, Int64), -- with usage but no known price
    UnpricedTokens SimpleAggregateFunction(sum, Int64),
    PricedBy SimpleAggregateFunction(sumMap, Map(String, Int64)), -- priced calls by CostSource, tab, CostSnapshot
    DurationNs SimpleAggregateFunction(sum, Int64),
    DurationBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)),
    TimeToFirstChunkBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) -- streamed calls only
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Day)
ORDER BY (Day, ConversationId, UserId, ServiceName, Provider, Model)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000;

-- [filled]
CREATE MATERIALIZED VIEW llm_conversations_mv TO llm_conversations AS
SELECT
    toDate(Timestamp) AS Day,
    ConversationId,
    UserId,
    ServiceName,
    Provider,
    Model,
    min(c.Timestamp) AS Start,
    max(c.Timestamp) AS End,
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
    sumIf(c.InputTokens + c.OutputTokens, NOT c.Priced) AS UnpricedTokens,
    sumMapIf(map(concat(c.CostSource, '\t', c.CostSnapshot), toInt64(1)), c.Priced) AS PricedBy,
    sum(c.DurationNs) AS DurationNs,
    sumMap(map(toInt16(floor(log2(greatest(c.DurationNs, 1)) * 8)), toUInt64(1))) AS DurationBuckets,
    sumMapIf(
        map(toInt16(floor(log2(greatest(c.TimeToFirstChunkNs, 1)) * 8)), toUInt64(1)), c.TimeToFirstChunkNs > 0
    ) AS TimeToFirstChunkBuckets
FROM llm_calls AS c
WHERE ConversationId != ''
GROUP BY Day, ConversationId, UserId, ServiceName, Provider, Model;

CREATE MATERIALIZED VIEW llm_conversations_cost_mv TO llm_conversations AS
SELECT
    toDate(Timestamp) AS Day,
    ConversationId,
    UserId,
    ServiceName,
    Provider,
    Model,
    min(Timestamp) AS Start,
    max(Timestamp) AS End,
    sum(NewCostUsd - OldCostUsd) AS CostUsd,
    countIf(NOT OldPriced) AS PricedCalls,
    -toInt64(countIf(NOT OldPriced)) AS UnpricedCalls,
    -toInt64(sumIf(Tokens, NOT OldPriced)) AS UnpricedTokens,
    sumMap(map(
        concat(NewSource, '\t', NewSnapshot), toInt64(1),
        concat(OldSource, '\t', OldSnapshot), toInt64(if(OldPriced, -1, 0))
    )) AS PricedBy
FROM llm_cost_changes
WHERE ConversationId != ''
GROUP BY Day, ConversationId, UserId, ServiceName, Provider, Model;

-- Calls of each session by the day (UTC) and user.
DROP TABLE IF EXISTS llm_sessions_mv;
DROP TABLE IF EXISTS llm_sessions_cost_mv;
DROP TABLE IF EXISTS llm_sessions;

CREATE TABLE llm_sessions
(
    Day Date,
    SessionId String CODEC(ZSTD(1)),
    UserId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Provider LowCardinality(String) CODEC(ZSTD(1)),
    Model LowCardinality(String) CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime64(9)), -- of the first call
    End SimpleAggregateFunction(max, DateTime64(9)), -- of the last one, when it began
    Calls SimpleAggregateFunction(sum, Int64),
    Errors SimpleAggregateFunction(sum, Int64),
    Resends SimpleAggregateFunction(sum, Int64),
    InputTokens SimpleAggregateFunction(sum, Int64),
    OutputTokens SimpleAggregateFunction(sum, Int64),
    CacheReadTokens SimpleAggregateFunction(sum, Int64),
    CacheWriteTokens SimpleAggregateFunction(sum, Int64),
    ReasoningTokens SimpleAggregateFunction(sum, Int64),
    CostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    PricedCalls SimpleAggregateFunction(sum, Int64),
    UnpricedCalls SimpleAggregateFunction(sum, Int64), -- with usage but no known price
    UnpricedTokens SimpleAggregateFunction(sum, Int64),
    PricedBy SimpleAggregateFunction(sumMap, Map(String, Int64)), -- priced calls by CostSource, tab, CostSnapshot
    DurationNs SimpleAggregateFunction(sum, Int64),
    DurationBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)),
    TimeToFirstChunkBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) -- streamed calls only
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Day)
ORDER BY (Day, SessionId, UserId, ServiceName, Provider, Model)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000;

-- [filled]
CREATE MATERIALIZED VIEW llm_sessions_mv TO llm_sessions AS
SELECT
    toDate(Timestamp) AS Day,
    SessionId,
    UserId,
    ServiceName,
    Provider,
    Model,
    min(c.Timestamp) AS Start,
    max(c.Timestamp) AS End,
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
    sumIf(c.InputTokens + c.OutputTokens, NOT c.Priced) AS UnpricedTokens,
    sumMapIf(map(concat(c.CostSource, '\t', c.CostSnapshot), toInt64(1)), c.Priced) AS PricedBy,
    sum(c.DurationNs) AS DurationNs,
    sumMap(map(toInt16(floor(log2(greatest(c.DurationNs, 1)) * 8)), toUInt64(1))) AS DurationBuckets,
    sumMapIf(
        map(toInt16(floor(log2(greatest(c.TimeToFirstChunkNs, 1)) * 8)), toUInt64(1)), c.TimeToFirstChunkNs > 0
    ) AS TimeToFirstChunkBuckets
FROM llm_calls AS c
WHERE SessionId != ''
GROUP BY Day, SessionId, UserId, ServiceName, Provider, Model;

CREATE MATERIALIZED VIEW llm_sessions_cost_mv TO llm_sessions AS
SELECT
    toDate(Timestamp) AS Day,
    SessionId,
    UserId,
    ServiceName,
    Provider,
    Model,
    min(Timestamp) AS Start,
    max(Timestamp) AS End,
    sum(NewCostUsd - OldCostUsd) AS CostUsd,
    countIf(NOT OldPriced) AS PricedCalls,
    -toInt64(countIf(NOT OldPriced)) AS UnpricedCalls,
    -toInt64(sumIf(Tokens, NOT OldPriced)) AS UnpricedTokens,
    sumMap(map(
        concat(NewSource, '\t', NewSnapshot), toInt64(1),
        concat(OldSource, '\t', OldSnapshot), toInt64(if(OldPriced, -1, 0))
    )) AS PricedBy
FROM llm_cost_changes
WHERE SessionId != ''
GROUP BY Day, SessionId, UserId, ServiceName, Provider, Model;
