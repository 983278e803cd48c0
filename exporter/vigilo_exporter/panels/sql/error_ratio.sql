-- Null without calls: no ratio is known then.
SELECT sum(Errors) / nullIf(sum(Calls), 0) AS ratio
FROM ({{by_hour}})
