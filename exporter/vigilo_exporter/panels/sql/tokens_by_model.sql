WITH greatest($__interval_s, if($__toTime - $__fromTime > 86400, 3600, 1)) AS step_s
SELECT
    toStartOfInterval(Began, toIntervalSecond(step_s)) AS time,
    Model AS model,
    sum(InputTokens) / step_s AS input,
    sum(OutputTokens) / step_s AS output
FROM ({{by_step}})
GROUP BY time, model
ORDER BY time, model
