SELECT DISTINCT ServiceName FROM llm_calls WHERE $__timeFilter(Timestamp) ORDER BY ServiceName LIMIT 1000
