-- Gives the calls of one day the costs of one batch. A call that has got its new cost has another hash, so that a second
-- time changes nothing. All changes of a batch have one source and one snapshot.
ALTER TABLE CALLS UPDATE
    CostUsd = (SELECT groupArray(NewCostUsd) FROM (SELECT NewCostUsd FROM CHANGES WHERE Batch = BATCH ORDER BY CallKey, NewCostUsd))[
        transform(
            CALL_KEY,
            (SELECT groupArray(CallKey) FROM (SELECT CallKey FROM CHANGES WHERE Batch = BATCH ORDER BY CallKey, NewCostUsd)),
            (SELECT range(1, count() + 1) FROM CHANGES WHERE Batch = BATCH),
            toUInt64(0)
        )
    ],
    Priced = true,
    CostSource = (SELECT any(NewSource) FROM CHANGES WHERE Batch = BATCH),
    CostSnapshot = (SELECT any(NewSnapshot) FROM CHANGES WHERE Batch = BATCH)
IN PARTITION DAY
WHERE CALL_KEY IN (SELECT CallKey FROM CHANGES WHERE Batch = BATCH)
SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1
