"""Spans become typed calls and hourly sums inside ClickHouse, whoever wrote the spans."""

from __future__ import annotations

CALLS = "SELECT * FROM llm_calls ORDER BY SpanId"


def test_a_call_is_typed_from_its_span(write_segments, ask, llm_span):
    attributes = {
        "gen_ai.response.model": "gpt-5-2026-08-07",
        "user.id": "u1",
        "session.id": "s1",
        "gen_ai.conversation.id": "c1",
        "vigilo.operation": "summary",
        "gen_ai.response.finish_reasons": '["stop", "length", "stop"]',
        "gen_ai.response.time_to_first_chunk": "0.250000001",
        "http.request.resend_count": "2",
        "gen_ai.usage.input_tokens": "120",
        "gen_ai.usage.output_tokens": "30",
        "gen_ai.usage.cache_read.input_tokens": "100",
        "gen_ai.usage.cache_write.input_tokens": "7",
        "gen_ai.usage.reasoning.output_tokens": "20",
        "gen_ai.usage.cost": "0.0000123",
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": "3",
        "gen_ai.usage.audio.input_tokens": "4",
        "gen_ai.usage.audio.output_tokens": "5",
        "gen_ai.usage.image.input_tokens": "6",
        "gen_ai.usage.image.output_tokens": "8",
        "vigilo.usage.audio.input_seconds": "12.5",
        "vigilo.usage.output_images": "2",
        "vigilo.cost.model": "dall-e-3/hd/1024x1792",
        "vigilo.cost.tier": "priority",
        "vigilo.cost.source": "genai-prices",
        "vigilo.cost.snapshot": "0.2.3 (2026-11-09)",
        "vigilo.cost.parts": "2",
    }
    write_segments([llm_span(attributes, ParentSpanId="00f067aa0ba902b7", StatusCode="Ok")])
    assert ask(CALLS)["answers"] == [
        [
            {
                "Timestamp": "2026-11-20 10:00:00.000000001",
                "TraceId": "0af7651916cd43dd8448eb211c80319c",
                "SpanId": "b7ad6b7169203331",
                "ParentSpanId": "00f067aa0ba902b7",
                "ServiceName": "shop",
                "Operation": "chat",
                "Provider": "openai",
                "RequestModel": "gpt-5",
                "ResponseModel": "gpt-5-2026-08-07",
                "UserId": "u1",
                "SessionId": "s1",
                "ConversationId": "c1",
                "AppOperation": "summary",
                "Status": "Ok",
                "ErrorType": "",
                "FinishReason": "length,stop",
                "DurationNs": 1_500_000_000,
                "TimeToFirstChunkNs": 250_000_001,
                "ResendCount": 2,
                "InputTokens": 120,
                "OutputTokens": 30,
                "CacheReadTokens": 100,
                "CacheWriteTokens": 7,
                "CacheWrite1hTokens": 3,
                "ReasoningTokens": 20,
                "InputAudioTokens": 4,
                "OutputAudioTokens": 5,
                "InputImageTokens": 6,
                "OutputImageTokens": 8,
                "BilledAs": "dall-e-3/hd/1024x1792",
                "OtherUsage": {"input_audio_seconds": 12.5, "output_images": 2},
                "ServiceTier": "priority",
                "CostUsd": "0.0000123",
                "Priced": True,
                "CostSource": "genai-prices",
                "CostSnapshot": "0.2.3 (2026-11-09)",
                "CostParts": 2,
            }
        ]
    ]


def test_a_cost_is_exact_to_the_nano_dollar_however_it_is_written(write_segments, ask, llm_span):
    written = {
        "0.0000123": "0.0000123",
        "1.23e-05": "0.0000123",
        "1e-09": "0.000000001",
        "0.1": "0.1",
        "0.0012299999999999998": "0.00123",
        "1234.567890123": "1234.567890123",
        "0.0": "0",
    }
    write_segments([llm_span({"gen_ai.usage.cost": text}, SpanId=text) for text in written])
    rows = ask("SELECT SpanId, CostUsd, Priced FROM llm_calls")["answers"][0]
    assert {row["SpanId"]: row["CostUsd"] for row in rows} == written
    assert all(row["Priced"] for row in rows)


def test_what_is_no_cost_is_unpriced_and_refuses_no_span(write_segments, ask, llm_span):
    wrong = ["", "free", "nan", "inf", "-1", "1e300", "99999999999999999999"]
    wrong_numbers = {
        "gen_ai.response.time_to_first_chunk": "nan",
        "gen_ai.usage.input_tokens": "-5",
        "http.request.resend_count": "many",
        "gen_ai.response.finish_reasons": "stop",
    }
    write_segments([llm_span({**wrong_numbers, "gen_ai.usage.cost": text}) for text in wrong])
    query = "SELECT DISTINCT CostUsd, Priced, TimeToFirstChunkNs, InputTokens, ResendCount, FinishReason FROM llm_calls"
    rows, counts = ask(query, "SELECT count() AS calls FROM llm_calls")["answers"]
    assert counts == [{"calls": len(wrong)}]
    assert rows == [
        {
            "CostUsd": "0",
            "Priced": False,
            "TimeToFirstChunkNs": 0,
            "InputTokens": 0,
            "ResendCount": 0,
            "FinishReason": "stop",
        }
    ]


def test_the_older_name_of_cache_writes_counts(write_segments, ask, llm_span):
    write_segments([llm_span({"gen_ai.usage.cache_creation.input_tokens": "9"})])
    assert ask("SELECT CacheWriteTokens FROM llm_calls")["answers"] == [[{"CacheWriteTokens": 9}]]


def test_spans_of_other_things_are_no_calls(write_segments, ask, llm_span):
    write_segments([llm_span(), llm_span(SpanAttributes={"http.request.method": "GET"})])
    answers = ask("SELECT count() AS n FROM otel_traces", "SELECT count() AS n FROM llm_calls")["answers"]
    assert answers == [[{"n": 2}], [{"n": 1}]]


def test_hours_add_up_calls_tokens_costs_and_latencies(write_segments, ask, llm_span):
    tokens = {
        "gen_ai.request.model": "house-model",
        "gen_ai.usage.input_tokens": "100",
        "gen_ai.usage.output_tokens": "10",
    }
    first = {**tokens, "gen_ai.usage.cost": "0.25", "gen_ai.response.time_to_first_chunk": "0.5"}
    write_segments([llm_span(first), llm_span(tokens, Timestamp="2026-11-20 10:59:59", Duration=1)])
    write_segments([llm_span(Timestamp="2026-11-20 11:00:00", StatusCode="Error", Duration=0)])
    query = """
        SELECT toString(Hour) AS hour, sum(Calls) AS calls, sum(Errors) AS errors, sum(InputTokens) AS input,
            sum(CostUsd) AS cost, sum(PricedCalls) AS priced, sum(UnpricedCalls) AS unpriced,
            sumMap(DurationBuckets) AS durations, sumMap(TimeToFirstChunkBuckets) AS first_chunks
        FROM llm_hourly GROUP BY Hour ORDER BY Hour
    """
    assert ask(query)["answers"][0] == [
        {
            "hour": "2026-11-20 10:00:00",
            "calls": 2,
            "errors": 0,
            "input": 200,
            "cost": "0.25",
            "priced": 1,
            "unpriced": 1,
            "durations": {"0": 1, "243": 1},  # 2**(243/8) <= 1.5e9 < 2**(244/8)
            "first_chunks": {"231": 1},
        },
        {
            "hour": "2026-11-20 11:00:00",
            "calls": 1,
            "errors": 1,
            "input": 0,
            "cost": "0",
            "priced": 0,
            "unpriced": 0,
            "durations": {"0": 1},
            "first_chunks": {},
        },
    ]


def test_a_trace_is_found_by_its_id_in_time(write_segments, ask, llm_span):
    write_segments([llm_span(), llm_span(Timestamp="2026-11-20 10:00:07")])
    query = "SELECT TraceId, toString(min(Start)) AS a, toString(max(End)) AS b FROM otel_traces_trace_id_ts GROUP BY 1"
    assert ask(query)["answers"][0] == [
        {"TraceId": "0af7651916cd43dd8448eb211c80319c", "a": "2026-11-20 10:00:00", "b": "2026-11-20 10:00:07"}
    ]
