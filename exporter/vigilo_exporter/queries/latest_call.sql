-- How many calls there are at all, and when the latest one began.
SELECT
    count() AS calls,
    max(Timestamp) AS latest
FROM llm_calls
