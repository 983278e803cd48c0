SELECT sum(Calls) AS calls
FROM ({{by_hour}})
