import pytest

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.google import ENDPOINTS, endpoint_of, route

GENERATE, EMBED = ENDPOINTS["generateContent"], ENDPOINTS["batchEmbedContents"]
USAGE = {
    "promptTokenCount": 100,
    "toolUsePromptTokenCount": 20,
    "candidatesTokenCount": 24,
    "thoughtsTokenCount": 16,
    "cachedContentTokenCount": 64,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90}, {"modality": "AUDIO", "tokenCount": 10}],
}


def text(content):
    return {"type": "text", "content": content}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("models/gemini-2.5-flash:generateContent", ("gemini-2.5-flash", "generateContent")),
        ("models/gemini-2.5-flash:streamGenerateContent?alt=sse", ("gemini-2.5-flash", "streamGenerateContent")),
        ("publishers/google/models/gemini-2.5-pro:generateContent", ("gemini-2.5-pro", "generateContent")),
        ("tunedModels/mine:generateContent", ("mine", "generateContent")),
        ("projects/p/locations/l/endpoints/7:generateContent", (None, "generateContent")),
        ("models/gemini-2.5-flash", (None, "")),
        ("files", (None, "")),
    ],
)
def test_model_and_method_come_from_the_path(path, expected):
    assert route(path) == expected


def test_predict_is_an_embedding_only_for_embedding_models():
    assert endpoint_of("publishers/google/models/text-embedding-005:predict")[1] is not None
    assert endpoint_of("publishers/google/models/imagen-4:predict")[1] is None
    assert endpoint_of("models/gemini-2.5-flash:countTokens")[1] is None


def test_a_request():
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"a": 1}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"result": "a cat"}}}]},
            {"parts": [{"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v.mp4"}}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be kind"}]},
        "generationConfig": {
            "temperature": 0.5,
            "topK": 3,
            "maxOutputTokens": 9,
            "stopSequences": ["END"],
            "responseMimeType": "application/json",
        },
        "tools": [{"functionDeclarations": [{"name": "look", "description": "d"}]}, {"googleSearch": {}}],
    }
    request = GENERATE.request(Origin("gcp.gemini"), body, True)
    assert request.operation == "generate_content"
    assert request.parameters == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.output.type": "json",
    }
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
    assert request.tools == ({"type": "function", "name": "look", "description": "d"}, {"type": "googleSearch"})


def test_an_answer_counts_thoughts_and_tool_results_in():
    body = {
        "responseId": "g1",
        "modelVersion": "gemini-2.5-flash-001",
        "usageMetadata": USAGE,
        "candidates": [
            {
                "index": 0,
                "finishReason": "STOP",
                "content": {"parts": [{"text": "hm", "thought": True}, {"text": "Hi"}]},
            }
        ],
    }
    response = GENERATE.response(body, True)
    assert response.usage == Usage(120, 40, 64, None, None, 10, 16, None)
    assert (response.id, response.model, response.finish_reasons) == ("g1", "gemini-2.5-flash-001", ("stop",))
    assert response.output[0]["parts"] == [{"type": "reasoning", "content": "hm"}, text("Hi")]


def test_a_stop_with_a_function_call_is_a_tool_call():
    part = {"functionCall": {"name": "look", "args": {}}}
    body = {"candidates": [{"finishReason": "STOP", "content": {"parts": [part]}}]}
    assert GENERATE.response(body, True).finish_reasons == ("tool_call",)


@pytest.mark.parametrize(
    "body",
    [
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"candidates": [{"finishReason": "SAFETY"}]},
        {"candidates": [{"finishReason": "PROHIBITED_CONTENT"}]},
    ],
)
def test_what_was_blocked_says_so(body):
    assert GENERATE.response(body, True).finish_reasons == ("content_filter",)


def test_a_stream_joins_its_texts_and_takes_the_last_usage():
    fold = GENERATE.fold(True)
    fold.add({"candidates": [{"content": {"parts": [{"text": "Hel"}]}}], "usageMetadata": {"promptTokenCount": 1}})
    fold.add({"candidates": [{"content": {"parts": [{"text": "lo"}]}, "finishReason": "STOP"}], "usageMetadata": USAGE})
    response = fold.response()
    assert response.output[0]["parts"] == [text("Hello")]
    assert response.usage.input_tokens == 120


def test_embeddings():
    request = EMBED.request(Origin("gcp.gemini"), {"requests": [{"outputDimensionality": 8}]}, True)
    assert (request.operation, request.parameters) == ("embeddings", {"gen_ai.embeddings.dimension.count": 8})
    vertex = {"predictions": [{"embeddings": {"statistics": {"token_count": n}}} for n in (3, 4)]}
    assert EMBED.response(vertex, True).usage == Usage(input_tokens=7)
    assert EMBED.response({"embeddings": [{"values": [0.1]}]}, True).usage == Usage()
