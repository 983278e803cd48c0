-- How many calls there are to read in a report from {since} until {until}, whole hours counted, and in the days at its
-- ends: of the first day before and from {since} on, of the last day before and from {until} on.
SELECT
    sumIf(Calls, Hour >= toStartOfHour({since:DateTime}) AND Hour < {until:DateTime}) AS calls,
    sumIf(Calls, Hour >= toStartOfDay({since:DateTime}) AND Hour < {since:DateTime}) AS before_since,
    sumIf(Calls, Hour >= toStartOfHour({since:DateTime}) AND Hour < toStartOfDay({since:DateTime}) + INTERVAL 1 DAY)
        AS after_since,
    sumIf(Calls, Hour >= toStartOfDay({until:DateTime}) AND Hour < {until:DateTime}) AS before_until,
    sumIf(Calls, Hour >= toStartOfHour({until:DateTime}) AND Hour < toStartOfDay({until:DateTime}) + INTERVAL 1 DAY)
        AS after_until
FROM llm_hourly
WHERE Hour >= toStartOfDay({since:DateTime}) AND Hour < toStartOfDay({until:DateTime}) + INTERVAL 1 DAY
