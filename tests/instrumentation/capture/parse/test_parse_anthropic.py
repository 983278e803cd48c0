from vigilo.capture.call import Usage
from vigilo.capture.parse.anthropic import endpoint_of
from vigilo.capture.parse.endpoint import Origin

MESSAGES = endpoint_of("POST", "/v1/messages")
USAGE = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 40,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 12},
    "service_tier": "standard",
}
COUNTED = Usage(120, 40, 40, 30, 10, None, 12)


def text(content):
    return {"type": "text", "content": content}


def test_a_request():
    body = {
        "model": "claude-haiku-4-5",
        "max_tokens": 100,
        "stop_sequences": ["END"],
        "system": [{"type": "text", "text": "Be kind"}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a cat"}]},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                    {"type": "document", "source": {"type": "file", "file_id": "f1"}},
                ],
            },
        ],
        "tools": [{"name": "look", "description": "d", "input_schema": {"type": "object"}}],
    }
    request = MESSAGES.request(Origin("anthropic"), body, True)
    assert request.parameters == {"gen_ai.request.max_tokens": 100, "gen_ai.request.stop_sequences": ["END"]}
    assert request.system == (text("Be kind"),)
    assert request.input[1]["parts"] == [
        {"type": "reasoning", "content": "hm"},
        {"type": "tool_call", "id": "t1", "name": "look", "arguments": {"a": 1}},
    ]
    assert request.input[2]["parts"] == [
        {"type": "tool_call_response", "id": "t1", "response": [text("a cat")]},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
        {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
        {"type": "file", "modality": "document", "file_id": "f1"},
    ]
    assert request.tools == (
        {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}},
    )


def test_an_answer_counts_cached_tokens_in():
    content = [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t1", "name": "look", "input": {}}]
    body = {"id": "m1", "model": "claude", "content": content, "stop_reason": "tool_use", "usage": USAGE}
    response = MESSAGES.response(body, True)
    assert response.usage == COUNTED
    assert response.finish_reasons == ("tool_call",)
    assert response.service_tier == "standard"
    assert response.output[0]["parts"] == [
        text("Hi"),
        {"type": "tool_call", "id": "t1", "name": "look", "arguments": {}},
    ]


def events():
    yield {"type": "message_start", "message": {"id": "m1", "model": "claude", "usage": {**USAGE, "output_tokens": 1}}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}
    yield {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}}
    yield {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "lo"}}
    tool = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    yield {"type": "content_block_start", "index": 2, "content_block": tool}
    yield {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}}
    yield {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "1}"}}
    used = {"output_tokens": 40, "output_tokens_details": USAGE["output_tokens_details"]}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": used}
    yield {"type": "message_stop"}


def test_a_stream_is_put_together():
    fold = MESSAGES.fold(True)
    for event in events():
        fold.add(event)
    response = fold.response()
    assert (response.id, response.model, response.finish_reasons) == ("m1", "claude", ("stop",))
    assert response.usage == COUNTED
    assert response.output[0]["parts"] == [
        {"type": "reasoning", "content": "hm"},
        text("Hello"),
        {"type": "tool_call", "id": "t1", "name": "look", "arguments": '{"a":1}'},
    ]


def test_a_stream_that_broke_off_has_input_tokens_but_not_the_placeholder_of_the_output():
    fold = MESSAGES.fold(True)
    for event in list(events())[:5]:
        fold.add(event)
    response = fold.response()
    assert response.usage.input_tokens == 120
    assert response.usage.output_tokens is None
    assert response.output[0]["parts"][1] == text("Hel")


def test_what_the_sdk_writes_into_a_block_later_is_not_counted_twice():
    block = {"type": "text", "text": ""}
    fold = MESSAGES.fold(True)
    fold.add({"type": "content_block_start", "index": 0, "content_block": block})
    block["text"] = "Hello"
    fold.add({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}})
    assert fold.response().output[0]["parts"] == [text("Hello")]


def test_without_content_only_counts_are_kept():
    fold = MESSAGES.fold(False)
    for event in events():
        fold.add(event)
    assert fold.response().output == ()
    assert fold.response().usage == COUNTED
