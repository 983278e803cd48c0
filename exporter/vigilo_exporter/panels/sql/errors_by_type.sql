SELECT if(ErrorType = '', 'unknown', ErrorType) AS type, sum(Errors) AS errors
FROM ({{by_hour}})
WHERE Errors > 0
GROUP BY type
ORDER BY errors DESC, type
LIMIT 20
