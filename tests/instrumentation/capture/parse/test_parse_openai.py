from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.openai import endpoint_of

ORIGIN = Origin("openai", "api.openai.com", 443)
CHAT, RESPONSES, EMBEDDINGS = (endpoint_of("POST", path) for path in ("/chat/completions", "/responses", "/embeddings"))
DETAILED_USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 16, "audio_tokens": 2},
}


def text(content):
    return {"type": "text", "content": content}


def test_a_chat_request_tells_what_was_sent():
    body = {
        "model": "gpt-4o",
        "messages": [],
        "temperature": 0,
        "max_tokens": 10,
        "stop": ["a", "b"],
        "n": 2,
        "stream": True,
        "response_format": {"type": "json_schema"},
        "service_tier": "flex",
    }
    request = CHAT.request(ORIGIN, body, True)
    assert (request.operation, request.provider, request.model, request.stream) == ("chat", "openai", "gpt-4o", True)
    assert (request.server_address, request.server_port) == ("api.openai.com", 443)
    assert request.parameters == {
        "openai.api.type": "chat_completions",
        "gen_ai.request.temperature": 0,
        "gen_ai.request.max_tokens": 10,
        "gen_ai.request.stop_sequences": ["a", "b"],
        "gen_ai.request.choice.count": 2,
        "gen_ai.output.type": "json",
        "openai.request.service_tier": "flex",
    }


def test_other_providers_do_not_get_openais_own_attributes():
    assert CHAT.request(Origin("groq"), {"model": "m", "n": 1}, True).parameters == {}


def test_messages_of_all_kinds_become_parts():
    body = {
        "messages": [
            {"role": "system", "content": "Be kind"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
                    {"type": "file", "file": {"file_id": "f1"}},
                    {"type": "brand_new"},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "look", "description": "d", "parameters": {"type": "object"}}}
        ],
    }
    request = CHAT.request(ORIGIN, body, True)
    assert request.input == (
        {"role": "system", "parts": [text("Be kind")]},
        {
            "role": "user",
            "parts": [
                text("What is this?"),
                {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
                {
                    "type": "blob",
                    "modality": "image",
                    "mime_type": "image/png",
                    "content": "data:image/png;base64,AAAA",
                },
                {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "BBBB"},
                {"type": "file", "modality": "document", "file_id": "f1"},
                {"type": "brand_new"},
            ],
        },
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "t1", "name": "look", "arguments": '{"a":1}'}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1", "response": "a cat"}]},
    )
    assert request.tools == (
        {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}},
    )


def test_content_is_left_alone_when_it_is_not_wanted():
    request = CHAT.request(ORIGIN, {"messages": [{"role": "user", "content": "secret"}], "tools": [{}]}, False)
    assert (request.input, request.system, request.tools) == ((), (), ())


def test_a_chat_answer():
    body = {
        "id": "c1",
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp",
        "usage": DETAILED_USAGE,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}},
            {
                "index": 1,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "t1", "function": {"name": "look", "arguments": "{}"}}],
                },
            },
        ],
    }
    response = CHAT.response(body, True)
    assert (response.id, response.model, response.service_tier) == ("c1", "gpt-4o-2024-08-06", "default")
    assert response.finish_reasons == ("stop", "tool_call")
    assert response.usage == Usage(120, 40, 64, None, None, 3, 16, 2)
    assert response.output[0] == {"role": "assistant", "parts": [text("Hi")], "finish_reason": "stop"}
    assert response.output[1]["parts"] == [{"type": "tool_call", "id": "t1", "name": "look", "arguments": "{}"}]
    assert response.attributes == {
        "openai.response.service_tier": "default",
        "openai.response.system_fingerprint": "fp",
    }


def test_an_answer_without_usage_has_unknown_tokens_not_zero():
    assert CHAT.response({"choices": []}, True).usage == Usage()


def test_a_chat_stream_is_put_together():
    fold = CHAT.fold(True)
    head = {"id": "c1", "model": "gpt-4o-2024-08-06"}

    def chunk(delta, index=0, reason=None):
        return {**head, "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}

    call = {"index": 0, "id": "t1", "function": {"name": "look", "arguments": ""}}
    for part in (
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "other"}, index=1),
        chunk({"content": "lo"}),
        chunk({"tool_calls": [call]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
        chunk({}, reason="tool_calls"),
        chunk({}, index=1, reason="length"),
        {**head, "choices": [], "usage": DETAILED_USAGE},
    ):
        fold.add(part)
    response = fold.response()
    assert (response.id, response.model) == ("c1", "gpt-4o-2024-08-06")
    assert response.finish_reasons == ("tool_call", "length")
    assert response.usage.input_tokens == 120
    assert response.output == (
        {
            "role": "assistant",
            "parts": [text("Hello"), {"type": "tool_call", "id": "t1", "name": "look", "arguments": '{"a":1}'}],
            "finish_reason": "tool_call",
        },
        {"role": "assistant", "parts": [text("other")], "finish_reason": "length"},
    )


def test_a_chat_stream_that_broke_off_keeps_what_came():
    fold = CHAT.fold(True)
    fold.add({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]})
    response = fold.response()
    assert response.usage == Usage()
    assert response.finish_reasons == ()
    assert response.output == ({"role": "assistant", "parts": [text("Hel")], "finish_reason": ""},)


def test_a_stream_that_gave_nothing_is_an_empty_answer():
    assert CHAT.fold(True).response().output == ()


def test_a_responses_request():
    body = {
        "model": "gpt-5",
        "instructions": "Be brief",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "function_call", "call_id": "t1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "t1", "output": "a cat"},
            {"type": "reasoning", "summary": [{"text": "because"}]},
        ],
        "conversation": {"id": "conv_1"},
        "previous_response_id": "resp_0",
        "reasoning": {"effort": "low"},
        "tools": [{"type": "function", "name": "look"}, {"type": "web_search"}],
    }
    request = RESPONSES.request(ORIGIN, body, True)
    assert request.conversation_id == "conv_1"
    assert request.parameters == {
        "openai.api.type": "responses",
        "gen_ai.request.previous_response.id": "resp_0",
        "gen_ai.request.reasoning.level": "low",
    }
    assert request.system == (text("Be brief"),)
    assert [message["role"] for message in request.input] == ["user", "assistant", "tool", "assistant"]
    assert request.input[1]["parts"] == [{"type": "tool_call", "id": "t1", "name": "look", "arguments": "{}"}]
    assert request.input[3]["parts"] == [{"type": "reasoning", "content": "because"}]
    assert request.tools == ({"type": "function", "name": "look"}, {"type": "web_search"})


def responses_answer(**more):
    usage = {
        "input_tokens": 120,
        "output_tokens": 40,
        "input_tokens_details": {"cached_tokens": 64},
        "output_tokens_details": {"reasoning_tokens": 16},
    }
    content = [{"type": "output_text", "text": "Hi"}]
    output = [{"type": "message", "role": "assistant", "content": content}]
    return {"id": "r1", "model": "gpt-5-2026", "status": "completed", "usage": usage, "output": output, **more}


def test_a_responses_answer():
    response = RESPONSES.response(responses_answer(), True)
    assert response.finish_reasons == ("stop",)
    assert response.usage == Usage(120, 40, cache_read_tokens=64, output_reasoning_tokens=16)
    assert response.output == ({"role": "assistant", "parts": [text("Hi")], "finish_reason": "stop"},)


def test_why_a_responses_answer_ended():
    incomplete = responses_answer(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    called = responses_answer(output=[{"type": "function_call", "call_id": "t", "name": "look", "arguments": "{}"}])
    assert RESPONSES.response(incomplete, True).finish_reasons == ("length",)
    assert RESPONSES.response(called, True).finish_reasons == ("tool_call",)
    assert RESPONSES.response(responses_answer(status="failed"), True).finish_reasons == ("error",)
    assert RESPONSES.response(responses_answer(status="queued", output=[]), True).finish_reasons == ()


def test_a_responses_stream_takes_the_last_events_response():
    fold = RESPONSES.fold(True)
    fold.add({"type": "response.created", "response": {"id": "r1", "model": "gpt-5"}})
    fold.add({"type": "response.output_text.delta", "delta": "H"})
    fold.add({"type": "response.completed", "response": responses_answer()})
    assert fold.response() == RESPONSES.response(responses_answer(), True)


def test_a_responses_stream_that_broke_off_keeps_its_text():
    fold = RESPONSES.fold(True)
    fold.add({"type": "response.created", "response": {"id": "r1", "model": "gpt-5"}})
    fold.add({"type": "response.output_text.delta", "delta": "Hel"})
    response = fold.response()
    assert (response.id, response.model, response.usage) == ("r1", "gpt-5", Usage())
    assert response.output[0]["parts"] == [text("Hel")]


def test_embeddings_tell_tokens_and_no_content():
    request = EMBEDDINGS.request(ORIGIN, {"model": "e", "input": "secret", "dimensions": 8}, True)
    assert (request.operation, request.input) == ("embeddings", ())
    assert request.parameters == {"gen_ai.embeddings.dimension.count": 8}
    response = EMBEDDINGS.response({"model": "e", "usage": {"prompt_tokens": 8, "total_tokens": 8}}, True)
    assert response.usage == Usage(input_tokens=8)


def test_whole_numbers_are_doubles_where_the_conventions_want_one():
    sent = CHAT.request(ORIGIN, {"model": "m", "temperature": 1, "top_p": 1, "seed": 1, "max_tokens": 5}, False)
    told = sent.parameters
    assert [type(told[f"gen_ai.request.{name}"]) for name in ("temperature", "top_p")] == [float, float]
    assert [type(told[f"gen_ai.request.{name}"]) for name in ("seed", "max_tokens")] == [int, int]


def test_a_tool_of_openais_own_is_a_server_tool_call():
    item = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "rain"}}
    (message,) = RESPONSES.response({"status": "completed", "output": [item]}, True).output
    called = {"type": "web_search_call", "arguments": {"type": "search", "query": "rain"}}
    assert message["parts"] == [
        {"type": "server_tool_call", "id": "ws_1", "name": "web_search_call", "server_tool_call": called}
    ]
