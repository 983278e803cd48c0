SELECT DISTINCT RequestModel FROM llm_calls WHERE $__timeFilter(Timestamp) ORDER BY RequestModel LIMIT 1000
