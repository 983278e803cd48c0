-- Exact up to a day, and over a day the middle of the bucket that it lies in. Null without calls.
SELECT max(nanoseconds) / 1e9 AS p95
FROM
(
    SELECT toFloat64(quantileExactOrNull(0.95)(Nanoseconds)) AS nanoseconds
    FROM ({{short_range DURATION=TimeToFirstChunkNs}})
    UNION ALL
    SELECT if(empty(calls), NULL, exp2((p95_bucket + 0.5) / 8))
    FROM
    (
        SELECT
            {{p95_bucket}}
        FROM ({{long_range COUNTED=TimeToFirstChunkBuckets DURATION=TimeToFirstChunkNs}})
    )
)
