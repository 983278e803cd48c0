SELECT sum(Cost) AS cost
FROM ({{by_hour}})
