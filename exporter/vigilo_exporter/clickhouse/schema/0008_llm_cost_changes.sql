-- Every cost that the store itself gave to a call: what it was before, what it is now, when and why. Rows are never
-- changed. The call itself has the new cost as soon as its row here is applied to it.
CREATE TABLE IF NOT EXISTS llm_cost_changes
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)), -- of the call
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Operation LowCardinality(String) CODEC(ZSTD(1)),
    Provider LowCardinality(String) CODEC(ZSTD(1)),
    RequestModel LowCardinality(String) CODEC(ZSTD(1)),
    Status LowCardinality(String) CODEC(ZSTD(1)),
    OldPriced Bool, -- false: the call had no cost, and OldCostUsd is 0
    OldCostUsd Decimal(18, 9) CODEC(T64, ZSTD(1)),
    OldSource LowCardinality(String) CODEC(ZSTD(1)),
    OldSnapshot LowCardinality(String) CODEC(ZSTD(1)),
    NewCostUsd Decimal(18, 9) CODEC(T64, ZSTD(1)),
    NewSource LowCardinality(String) CODEC(ZSTD(1)),
    NewSnapshot LowCardinality(String) CODEC(ZSTD(1)),
    CallKey UInt64 CODEC(ZSTD(1)), -- hash of the call with its old cost: a change applies to no other state
    Cause LowCardinality(String) CODEC(ZSTD(1)), -- arrival, or reprice: the command
    Run LowCardinality(String) CODEC(ZSTD(1)), -- of the command, or of the ingest
    Batch LowCardinality(String) CODEC(ZSTD(1)), -- the changes of a run that were applied together
    ChangedAt DateTime64(3) CODEC(ZSTD(1)), -- when the run began
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(Timestamp)
ORDER BY (Batch, CallKey)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- The hourly sums stay the sums of the calls.
CREATE MATERIALIZED VIEW IF NOT EXISTS llm_cost_changes_mv TO llm_hourly AS
SELECT
    toStartOfHour(Timestamp) AS Hour,
    ServiceName,
    Provider,
    RequestModel,
    Operation,
    Status,
    sum(NewCostUsd - OldCostUsd) AS CostUsd,
    countIf(NOT OldPriced) AS PricedCalls,
    -toInt64(countIf(NOT OldPriced)) AS UnpricedCalls
FROM llm_cost_changes
GROUP BY Hour, ServiceName, Provider, RequestModel, Operation, Status;
