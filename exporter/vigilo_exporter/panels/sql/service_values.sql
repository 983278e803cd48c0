SELECT DISTINCT ServiceName
FROM llm_hourly
WHERE Hour >= toStartOfHour($__fromTime) AND Hour <= $__toTime
ORDER BY ServiceName
LIMIT 1000
