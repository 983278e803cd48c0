SELECT if(ErrorType = '', 'unknown', ErrorType) AS type, count() AS errors
FROM llm_calls
WHERE $__timeFilter(Timestamp)
    AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
    AND $__conditionalAll(RequestModel IN (${model:singlequote}), $model)
    AND Status = 'Error'
GROUP BY type
ORDER BY errors DESC, type
LIMIT 20
