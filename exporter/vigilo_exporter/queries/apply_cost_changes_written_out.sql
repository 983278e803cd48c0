-- As apply_cost_changes, for a cluster: with the changes in the statement itself, which every shard and replica gets.
ALTER TABLE CALLS UPDATE
    CostUsd = COSTS[indexOf(KEYS, CALL_KEY)],
    Priced = true,
    CostSource = SOURCE,
    CostSnapshot = SNAPSHOT
IN PARTITION DAY
WHERE has(KEYS, CALL_KEY)
SETTINGS mutations_sync = 2
