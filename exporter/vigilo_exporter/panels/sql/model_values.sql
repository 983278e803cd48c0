SELECT DISTINCT Model
FROM llm_hourly
WHERE Hour >= toStartOfHour($__fromTime) AND Hour <= $__toTime
ORDER BY Model
LIMIT 1000
