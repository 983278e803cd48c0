"""What a call of Anthropic used, and how that is billed."""

from vigilo.capture.call import Usage
from vigilo.capture.parse.anthropic_messages import MESSAGES
from vigilo.capture.parse.anthropic_usage import billed, price_tier, sum_usage, told_usage, usage
from vigilo.capture.parse.endpoint import Origin

SPENT = {"input_tokens": 100, "output_tokens": 40, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 0}
ANSWERED = Usage(120, 40, 20, 0)
COMPACTED = {"type": "compaction", "input_tokens": 900, "output_tokens": 50, "cache_read_input_tokens": 100}
ADVISED = {"type": "advisor_message", "model": "claude-opus-4-6", "input_tokens": 700, "output_tokens": 30}


def test_the_answer_is_one_inference():
    used = {**SPENT, "iterations": [{"type": "message", **SPENT}]}
    assert usage(used) == ANSWERED
    assert billed("claude", used) == ()


def test_what_the_provider_ran_beside_the_answer_is_billed_too():
    used = {**SPENT, "iterations": [COMPACTED, {"type": "message", **SPENT}, ADVISED]}
    assert usage(used) == Usage(120 + 1000 + 700, 40 + 50 + 30, 20 + 100, 0)
    assert billed("claude", used) == (
        ("claude", ANSWERED),
        ("claude", Usage(1000, 50, 100)),
        ("claude-opus-4-6", Usage(700, 30)),
    )
    assert told_usage(used) == {
        "anthropic.usage.compaction.input_tokens": 1000,
        "anthropic.usage.compaction.output_tokens": 50,
    }


def test_no_usage_is_unknown_not_zero():
    assert usage(None) == Usage()
    assert told_usage(None) == {}
    assert sum_usage([]) == Usage()
    assert price_tier(None) is None


def test_what_usage_tells_beside_tokens():
    used = {
        **SPENT,
        "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "priority",
        "inference_geo": "us",
        "speed": "standard",
    }
    assert told_usage(used) == {
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 7,
        "anthropic.usage.server_tool_use.web_search_requests": 2,
        "anthropic.response.service_tier": "priority",
        "anthropic.usage.inference_geo": "us",
        "anthropic.usage.speed": "standard",
    }
    assert price_tier(used) == "priority@us"


def test_the_fast_mode_has_a_price_of_its_own():
    assert price_tier({"service_tier": "standard", "speed": "fast"}) == "fast"
    assert price_tier({"service_tier": "batch", "speed": "fast"}) == "batch"


def test_a_stream_that_compacts_and_pauses():
    fold = MESSAGES.fold(True)
    fold.add({"type": "message_start", "message": {"id": "m", "model": "claude", "usage": {"input_tokens": 100}}})
    fold.add({"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": None}})
    fold.add({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "So far"}})
    called = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    fold.add({"type": "content_block_start", "index": 1, "content_block": called})
    asked = {"type": "input_json_delta", "partial_json": '{"query": "rain"}'}
    fold.add({"type": "content_block_delta", "index": 1, "delta": asked})
    cited = {"type": "citations_delta", "citation": {"cited_text": "a"}}
    fold.add({"type": "content_block_delta", "index": 1, "delta": cited})
    used = {**SPENT, "iterations": [COMPACTED]}
    fold.add({"type": "message_delta", "delta": {"stop_reason": "pause_turn"}, "usage": used})
    response = fold.response()
    assert response.finish_reasons == ("pause_turn",)
    assert response.usage == Usage(1120, 90, 120, 0)
    assert response.attributes["gen_ai.conversation.compacted"] is True
    assert response.attributes["anthropic.message.stop_reason"] == "pause_turn"
    assert response.output[0]["parts"] == [
        {"type": "compaction", "content": "So far"},
        {
            "type": "server_tool_call",
            "id": "s",
            "name": "web_search",
            "server_tool_call": {"type": "web_search", "arguments": '{"query": "rain"}'},
        },
    ]


def test_a_whole_answer_that_compacts_without_content():
    blocks = [{"type": "compaction", "content": "So far"}, {"type": "text", "text": "Hi"}]
    response = MESSAGES.response({"content": blocks, "stop_reason": "refusal", "usage": SPENT}, False)
    assert response.attributes["gen_ai.conversation.compacted"] is True
    assert response.finish_reasons == ("content_filter",)
    assert response.output == ()


def test_parameters_have_the_conventions_types_and_the_apps_user_stays_private():
    body = {
        "model": "claude",
        "messages": [],
        "temperature": 1,
        "top_k": 5,
        "service_tier": "standard_only",
        "metadata": {"user_id": "ada@example.com"},
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {}}},
    }
    request = MESSAGES.request(Origin("anthropic"), body, True)
    assert request.parameters == {
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.top_k": 5.0,
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.output.type": "json",
        "anthropic.request.service_tier": "standard_only",
        "anthropic.thinking.type": "enabled",
        "anthropic.thinking.budget_tokens": 2048,
    }
    assert isinstance(request.parameters["gen_ai.request.top_k"], float)
    assert "ada@example.com" not in repr(request)
