"""What the rollups say, and what the calls in the store say of the same: both must be equal, whatever was done."""

from __future__ import annotations

from itertools import zip_longest

_OF_ROLLUP = """toString(sum(CostUsd)) AS usd, sum(PricedCalls) AS priced, sum(UnpricedCalls) AS unpriced,
    sum(UnpricedTokens) AS unpriced_tokens,
    arraySort(arrayFilter(of -> of.2 != 0, CAST(sumMap(PricedBy), 'Array(Tuple(String, Int64))'))) AS by,
    sum(Calls) AS calls, sum(Errors) AS errors, sum(Resends) AS resends, sum(InputTokens) AS input,
    sum(OutputTokens) AS output, sum(CacheReadTokens) AS cached, sum(DurationNs) AS duration,
    arraySort(arrayFilter(of -> of.2 != 0, CAST(sumMap(DurationBuckets), 'Array(Tuple(Int16, UInt64))'))) AS durations,
    arraySort(arrayFilter(
        of -> of.2 != 0, CAST(sumMap(TimeToFirstChunkBuckets), 'Array(Tuple(Int16, UInt64))')
    )) AS first_chunks"""
_OF_CALLS = """toString(sum(CostUsd)) AS usd, countIf(Priced) AS priced,
    countIf(NOT Priced AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage))) AS unpriced,
    sumIf(InputTokens + OutputTokens, NOT Priced) AS unpriced_tokens,
    arraySort(CAST(
        sumMapIf(map(concat(CostSource, '\\t', CostSnapshot), toInt64(1)), Priced), 'Array(Tuple(String, Int64))'
    )) AS by,
    count() AS calls, countIf(Status = 'Error') AS errors, sum(ResendCount) AS resends, sum(InputTokens) AS input,
    sum(OutputTokens) AS output, sum(CacheReadTokens) AS cached, sum(DurationNs) AS duration,
    arraySort(CAST(
        sumMap(map(toInt16(floor(log2(greatest(DurationNs, 1)) * 8)), toUInt64(1))), 'Array(Tuple(Int16, UInt64))'
    )) AS durations,
    arraySort(CAST(sumMapIf(
        map(toInt16(floor(log2(greatest(TimeToFirstChunkNs, 1)) * 8)), toUInt64(1)), TimeToFirstChunkNs > 0
    ), 'Array(Tuple(Int16, UInt64))')) AS first_chunks"""
_KEYS = {
    "llm_hourly": "Hour, ServiceName, Provider, Model, Operation, AppOperation, Status, ErrorType",
    "llm_user_daily": "Day, UserId, ServiceName, Provider, Model",
    "llm_conversations": "Day, ConversationId, UserId, ServiceName, Provider, Model",
    "llm_sessions": "Day, SessionId, UserId, ServiceName, Provider, Model",
}
_SPANS_OF_TIME = {"Hour": "toStartOfHour(Timestamp) AS Hour", "Day": "toDate(Timestamp) AS Day"}
_ONLY = {"llm_conversations": "ConversationId != ''", "llm_sessions": "SessionId != ''"}


def _pair(table, key):
    time, _, rest = key.partition(", ")
    return (
        f"SELECT {key}, {_OF_ROLLUP} FROM {table} GROUP BY {key} HAVING calls != 0 ORDER BY {key}",
        f"SELECT {_SPANS_OF_TIME[time]}, {rest}, {_OF_CALLS} FROM llm_calls WHERE {_ONLY.get(table, 'true')} "
        f"GROUP BY {key} ORDER BY {key}",
    )


# Asked together: what each rollup holds, followed by what it should hold.
ROLLUPS_AND_CALLS = tuple(sql for table, key in _KEYS.items() for sql in _pair(table, key))


def assert_equal(answers):
    """The answers to ``ROLLUPS_AND_CALLS``: each rollup is what its calls make."""
    assert len(answers) == len(ROLLUPS_AND_CALLS)
    for table, held, made in zip(_KEYS, answers[::2], answers[1::2], strict=True):
        differing = [pair for pair in zip_longest(held, made) if pair[0] != pair[1]]
        assert not differing, (table, differing)
