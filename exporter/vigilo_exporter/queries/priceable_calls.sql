-- One page of the calls of one day that the store may price, after the one at {after} with the hash {after_key}.
SELECT
    toString(Timestamp) AS began,
    toUnixTimestamp64Nano(Timestamp) / 1e9 AS began_unix_s,
    TraceId, SpanId, ServiceName, Operation, AppOperation, Provider, RequestModel, ResponseModel, BilledAs, ServiceTier,
    Status, ErrorType, UserId, SessionId, ConversationId,
    InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, CacheWrite1hTokens, ReasoningTokens,
    InputAudioTokens, OutputAudioTokens, InputImageTokens, OutputImageTokens, OtherUsage,
    CostUsd, Priced, CostSource, CostSnapshot,
    CALL_KEY AS CallKey
FROM llm_calls
WHERE toDate(Timestamp) = {day:Date}
    AND Timestamp >= {since:DateTime64(9)} AND Timestamp < {until:DateTime64(9)}
    AND (Timestamp, CallKey) > ({after:DateTime64(9)}, {after_key:UInt64})
    AND (NOT {only_unpriced:Bool} OR NOT Priced)
    AND CostSource != 'provider' AND CostParts = 0
    AND NOT startsWith(UserId, '\terasing\t') -- being erased: their sums are settled
    AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage))
    -- A framework's span around a call that is recorded as well has the same tokens again.
    AND (SpanId = '' OR SpanId GLOBAL NOT IN (
        SELECT ParentSpanId FROM llm_calls
        WHERE Timestamp >= {day:Date} - INTERVAL 1 HOUR AND Timestamp < {day:Date} + INTERVAL 25 HOUR
            AND ParentSpanId != ''
    ))
    AND (Provider, RequestModel, ResponseModel, BilledAs, ServiceTier) IN (
        SELECT * FROM format(JSONCompactEachRow, 'a String, b String, c String, d String, e String', {groups:String})
    )
ORDER BY Timestamp, CallKey
LIMIT {page:UInt32} WITH TIES
