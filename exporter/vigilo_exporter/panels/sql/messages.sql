-- Texts are read only of a trace that is named. An event may be told after the last span of its trace has begun.
SELECT
    Timestamp AS "Time",
    ServiceName AS "Service",
    Operation AS "Operation",
    Model AS "Model",
    Source AS "Told by",
    SystemInstructions AS "Instructions",
    InputMessages AS "Input",
    OutputMessages AS "Output",
    lengthUTF8(SystemInstructions) + lengthUTF8(InputMessages) + lengthUTF8(OutputMessages) AS "Characters"
FROM llm_messages
WHERE $__timeFilter(Timestamp)
    AND NOT ($__conditionalAll(1 = 0, $trace))
    AND $__conditionalAll(
        TraceId IN (${trace:singlequote})
            AND Timestamp >= (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId IN (${trace:singlequote}))
            AND Timestamp < (
                SELECT max(End) + INTERVAL 1 DAY FROM otel_traces_trace_id_ts WHERE TraceId IN (${trace:singlequote})
            ),
        $trace)
ORDER BY Timestamp, "Told by"
LIMIT 50
