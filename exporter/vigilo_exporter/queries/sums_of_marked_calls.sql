-- What the calls that are marked add to a rollup with these keys. CostUsd is text, with all its digits.
SELECT
    KEY,
    toString(min(Timestamp)) AS Start,
    toString(max(Timestamp)) AS End,
    count() AS Calls,
    countIf(Status = 'Error') AS Errors,
    sum(ResendCount) AS Resends,
    sum(c.InputTokens) AS InputTokens,
    sum(c.OutputTokens) AS OutputTokens,
    sum(c.CacheReadTokens) AS CacheReadTokens,
    sum(c.CacheWriteTokens) AS CacheWriteTokens,
    sum(c.ReasoningTokens) AS ReasoningTokens,
    toString(sum(c.CostUsd)) AS CostUsd,
    countIf(c.Priced) AS PricedCalls,
    countIf(NOT c.Priced AND (c.InputTokens + c.OutputTokens > 0 OR notEmpty(c.OtherUsage))) AS UnpricedCalls,
    sumIf(c.InputTokens + c.OutputTokens, NOT c.Priced) AS UnpricedTokens,
    sumMapIf(map(concat(c.CostSource, '\t', c.CostSnapshot), toInt64(1)), c.Priced) AS PricedBy,
    sum(c.DurationNs) AS DurationNs,
    sumMap(map(toInt16(floor(log2(greatest(c.DurationNs, 1)) * 8)), toUInt64(1))) AS DurationBuckets,
    sumMapIf(
        map(toInt16(floor(log2(greatest(c.TimeToFirstChunkNs, 1)) * 8)), toUInt64(1)), c.TimeToFirstChunkNs > 0
    ) AS TimeToFirstChunkBuckets
FROM
(
    SELECT
        * EXCEPT UserId,
        Model,
        substring(UserId, length(MARK) + 1) AS UserId,
        toStartOfHour(Timestamp) AS Hour,
        toDate(Timestamp) AS Day
    FROM llm_calls
    WHERE startsWith(llm_calls.UserId, MARK)
) AS c
WHERE WHICH
GROUP BY KEY
