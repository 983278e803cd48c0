import pytest

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.google_generate import GENERATE, parameters

USAGE = {
    "promptTokenCount": 100,
    "toolUsePromptTokenCount": 20,
    "candidatesTokenCount": 24,
    "thoughtsTokenCount": 16,
    "cachedContentTokenCount": 64,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 60},
        {"modality": "AUDIO", "tokenCount": 10},
        {"modality": "IMAGE", "tokenCount": 30},
    ],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 20}, {"modality": "AUDIO", "tokenCount": 4}],
}


def text(content):
    return {"type": "text", "content": content}


def answered(*parts, **candidate):
    return {"candidates": [{"content": {"parts": list(parts)}, **candidate}]}


def test_a_request():
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"a": 1}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"result": "a cat"}}}]},
            {"parts": [{"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v.mp4"}}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be kind"}]},
        "generationConfig": {"temperature": 0.5},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "look", "description": "d", "parametersJsonSchema": {"type": "object"}}
                ]
            },
            {"googleSearch": {}},
        ],
    }
    request = GENERATE.request(Origin("gcp.gemini"), body, True)
    assert request.operation == "generate_content"
    assert request.parameters == {"gen_ai.request.temperature": 0.5}
    assert request.system == (text("Be kind"),)
    assert request.input[0]["parts"][1] == {
        "type": "blob",
        "modality": "image",
        "mime_type": "image/png",
        "content": "AAAA",
    }
    assert request.input[1]["parts"][0]["arguments"] == {"a": 1}
    assert request.input[2]["parts"][0]["response"] == {"result": "a cat"}
    assert request.input[3]["parts"][0]["uri"] == "gs://b/v.mp4"
    assert request.tools == (
        {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}},
        {"type": "googleSearch"},
    )


def test_without_content_no_message_is_read():
    body = {"contents": [{"parts": [{"text": "secret"}]}], "systemInstruction": {"parts": [{"text": "secret"}]}}
    request = GENERATE.request(Origin("gcp.gemini"), body, False)
    assert (request.input, request.system, request.tools) == ((), (), ())
    assert GENERATE.response(answered({"text": "secret"}, finishReason="STOP"), False).output == ()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {}),
        ({"topK": 3, "topP": 0.5}, {"gen_ai.request.top_k": 3, "gen_ai.request.top_p": 0.5}),
        ({"maxOutputTokens": 9, "seed": 0}, {"gen_ai.request.max_tokens": 9, "gen_ai.request.seed": 0}),
        ({"stopSequences": ["END"]}, {"gen_ai.request.stop_sequences": ["END"]}),
        ({"candidateCount": 1}, {}),
        ({"candidateCount": 2}, {"gen_ai.request.choice.count": 2}),
        ({"responseMimeType": "application/json"}, {"gen_ai.output.type": "json"}),
        ({"responseModalities": ["TEXT", "IMAGE"]}, {"gen_ai.output.type": "image"}),
        ({"responseModalities": ["AUDIO"]}, {"gen_ai.output.type": "speech"}),
        ({"responseModalities": ["TEXT"]}, {"gen_ai.output.type": "text"}),
        ({"thinkingConfig": {"thinkingLevel": "HIGH"}}, {"gen_ai.request.reasoning.level": "high"}),
        ({"thinkingConfig": {"thinkingBudget": 512}}, {}),
        ({"thinkingConfig": {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}}, {}),
    ],
)
def test_only_what_was_sent_is_told(config, expected):
    assert parameters(config) == expected


def test_an_answer_counts_thoughts_and_tool_results_in_and_tells_kinds_apart():
    body = {
        **answered({"text": "hm", "thought": True}, {"text": "Hi"}, finishReason="STOP"),
        "responseId": "g1",
        "modelVersion": "gemini-2.5-flash-001",
        "usageMetadata": USAGE,
    }
    response = GENERATE.response(body, True)
    assert response.usage == Usage(
        input_tokens=120,
        output_tokens=40,
        cache_read_tokens=64,
        input_audio_tokens=10,
        input_image_tokens=30,
        output_reasoning_tokens=16,
        output_audio_tokens=4,
        output_image_tokens=20,
    )
    assert (response.id, response.model, response.finish_reasons) == ("g1", "gemini-2.5-flash-001", ("stop",))
    assert response.output[0]["parts"] == [{"type": "reasoning", "content": "hm"}, text("Hi")]


def test_a_stop_with_a_function_call_is_a_tool_call():
    body = answered({"functionCall": {"name": "look", "args": {}}}, finishReason="STOP")
    assert GENERATE.response(body, True).finish_reasons == ("tool_call",)
    assert GENERATE.response(body, False).finish_reasons == ("tool_call",)


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, ("content_filter",)),
        ({"candidates": [{"finishReason": "SAFETY"}]}, ("content_filter",)),
        ({"candidates": [{"finishReason": "PROHIBITED_CONTENT"}]}, ("content_filter",)),
        ({"candidates": [{"finishReason": "IMAGE_RECITATION"}]}, ("content_filter",)),
        ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, ("length",)),
        ({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}, ("malformed_function_call",)),
        ({"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]}, ()),
        ({"candidates": [{"index": 1, "finishReason": "STOP"}, {"finishReason": "MAX_TOKENS"}]}, ("length", "stop")),
        ({}, ()),
    ],
)
def test_why_it_stopped(body, reasons):
    assert GENERATE.response(body, True).finish_reasons == reasons


@pytest.mark.parametrize(
    ("used", "tier"),
    [
        ({"trafficType": "ON_DEMAND"}, "standard"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"serviceTier": "priority"}, "priority"),
        ({"trafficType": "TRAFFIC_TYPE_UNSPECIFIED"}, None),
        ({}, None),
    ],
)
def test_the_tier_of_the_price_comes_with_the_usage(used, tier):
    assert GENERATE.response({"usageMetadata": {"promptTokenCount": 1, **used}}, True).service_tier == tier


def test_tools_of_google_are_server_tool_calls():
    body = answered(
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"toolCall": {"id": "t1", "toolType": "GOOGLE_MAPS", "args": {"query": "cafe"}}},
        {"toolResponse": {"id": "t1", "toolType": "GOOGLE_MAPS", "response": {"places": 2}}},
        {"text": "one"},
        finishReason="STOP",
        groundingMetadata={"webSearchQueries": ["what is one"]},
        urlContextMetadata={"urlMetadata": [{"retrievedUrl": "https://example.org"}]},
    )
    (message,) = GENERATE.response(body, True).output
    assert [(part["type"], part.get("name")) for part in message["parts"]] == [
        ("server_tool_call", "google_search"),
        ("server_tool_call", "url_context"),
        ("server_tool_call", "code_execution"),
        ("server_tool_call_response", None),
        ("server_tool_call", "google_maps"),
        ("server_tool_call_response", None),
        ("text", None),
    ]
    searched, _, ran, gave, *_ = message["parts"]
    asked = {"type": "google_search", "arguments": {"queries": ["what is one"]}}
    assert searched["server_tool_call"] == asked
    assert ran["server_tool_call"]["arguments"] == {"language": "PYTHON", "code": "print(1)"}
    done = {"type": "code_execution", "result": {"outcome": "OUTCOME_OK", "output": "1"}}
    assert gave["server_tool_call_response"] == done
    assert message["parts"][4]["id"] == message["parts"][5]["id"] == "t1"


def test_a_part_that_is_not_known_keeps_its_name_only():
    (message,) = GENERATE.response(answered({"hologram": {"data": "secret"}}), True).output
    assert message["parts"] == [{"type": "hologram"}]


def test_a_stream_joins_its_texts_and_takes_the_last_usage():
    fold = GENERATE.fold(True)
    fold.add({**answered({"text": "h", "thought": True}), "responseId": "g1", "usageMetadata": {"promptTokenCount": 1}})
    fold.add(answered({"text": "m", "thought": True}))
    fold.add(answered({"text": "Hel"}))
    fold.add({**answered({"text": "lo"}, finishReason="STOP"), "usageMetadata": USAGE, "modelVersion": "m"})
    response = fold.response()
    assert response.output[0]["parts"] == [{"type": "reasoning", "content": "hm"}, text("Hello")]
    assert response.usage.input_tokens == 120
    assert (response.id, response.model, response.finish_reasons) == ("g1", "m", ("stop",))


def test_a_stream_that_breaks_off_tells_what_came():
    fold = GENERATE.fold(True)
    fold.add({**answered({"text": "Hel"}), "responseId": "g1"})
    response = fold.response()
    assert response.output == ({"role": "assistant", "parts": [text("Hel")], "finish_reason": ""},)
    assert (response.finish_reasons, response.usage) == ((), Usage())


def test_an_empty_stream_is_an_empty_answer():
    assert GENERATE.fold(True).response().output == ()
    assert GENERATE.response(None, True).usage == Usage()
