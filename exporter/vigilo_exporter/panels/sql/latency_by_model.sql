-- Exact up to a day, and over a day the middle of the bucket that it lies in; a step is an hour then at least.
SELECT time, model, nanoseconds / 1e9 AS p95
FROM
(
    SELECT
        toStartOfInterval(Began, toIntervalSecond($__interval_s)) AS time,
        Model AS model,
        toFloat64(quantileExact(0.95)(Nanoseconds)) AS nanoseconds
    FROM ({{short_range DURATION=DurationNs}})
    GROUP BY time, model
    UNION ALL
    SELECT time, model, exp2((p95_bucket + 0.5) / 8)
    FROM
    (
        SELECT
            toStartOfInterval(Hour, toIntervalSecond(greatest($__interval_s, 3600))) AS time,
            Model AS model,
            {{p95_bucket}}
        FROM ({{long_range COUNTED=DurationBuckets DURATION=DurationNs}})
        GROUP BY time, model
    )
)
ORDER BY time, model
