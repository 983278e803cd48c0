-- Calls by the hour: what dashboards over long ranges read. Sums merge by adding up.
-- Latencies are counts of log buckets, which merge anywhere and take a tenth of the room of quantile states: bucket b
-- holds durations from 2^(b/8) to 2^((b+1)/8) ns, so a quantile read from them is within 9 %.
CREATE TABLE IF NOT EXISTS llm_hourly
(
    Hour DateTime CODEC(Delta(4), ZSTD(1)),
    ServiceName LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    Operation LowCardinality(String),
    Status LowCardinality(String),
    Calls SimpleAggregateFunction(sum, UInt64),
    Errors SimpleAggregateFunction(sum, UInt64),
    Resends SimpleAggregateFunction(sum, UInt64),
    InputTokens SimpleAggregateFunction(sum, UInt64),
    OutputTokens SimpleAggregateFunction(sum, UInt64),
    CacheReadTokens SimpleAggregateFunction(sum, UInt64),
    CacheWriteTokens SimpleAggregateFunction(sum, UInt64),
    ReasoningTokens SimpleAggregateFunction(sum, UInt64),
    CostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    PricedCalls SimpleAggregateFunction(sum, UInt64),
    UnpricedCalls SimpleAggregateFunction(sum, UInt64), -- with tokens but no known price
    DurationNs SimpleAggregateFunction(sum, UInt64),
    DurationBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)),
    TimeToFirstChunkBuckets SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) -- streamed calls only
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Hour)
ORDER BY (Hour, ServiceName, Provider, RequestModel, Operation, Status)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS llm_hourly_mv TO llm_hourly AS
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
    countIf(NOT c.Priced AND c.InputTokens + c.OutputTokens > 0) AS UnpricedCalls,
    sum(c.DurationNs) AS DurationNs,
    sumMap(map(toInt16(floor(log2(greatest(c.DurationNs, 1)) * 8)), toUInt64(1))) AS DurationBuckets,
    sumMapIf(
        map(toInt16(floor(log2(greatest(c.TimeToFirstChunkNs, 1)) * 8)), toUInt64(1)), c.TimeToFirstChunkNs > 0
    ) AS TimeToFirstChunkBuckets
FROM llm_calls AS c
GROUP BY Hour, ServiceName, Provider, RequestModel, Operation, Status;
