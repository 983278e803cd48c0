from types import SimpleNamespace

import pytest

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.google_interactions import CREATE, FETCH, endpoint_of, goes_on

GEMINI = Origin("gcp.gemini", "generativelanguage.googleapis.com", 443)
USAGE = {
    "total_tokens": 160,
    "total_input_tokens": 100,
    "input_tokens_by_modality": [
        {"modality": "text", "tokens": 60},
        {"modality": "audio", "tokens": 10},
        {"modality": "image", "tokens": 30},
    ],
    "total_cached_tokens": 64,
    "total_output_tokens": 24,
    "output_tokens_by_modality": [{"modality": "image", "tokens": 20}],
    "total_tool_use_tokens": 20,
    "total_thought_tokens": 16,
}
COUNTED = Usage(
    input_tokens=120,
    output_tokens=40,
    cache_read_tokens=64,
    input_audio_tokens=10,
    input_image_tokens=30,
    output_reasoning_tokens=16,
    output_image_tokens=20,
)


def text(content):
    return {"type": "text", "content": content}


def test_only_a_new_interaction_has_an_endpoint():
    assert endpoint_of("POST", "/v1beta/interactions") is CREATE
    assert endpoint_of("GET", "/v1beta/interactions/v1_1") is None
    assert endpoint_of("POST", "/v1beta/interactions/v1_1/cancel") is None


def test_a_request_of_a_model():
    body = {
        "model": "gemini-3-flash",
        "input": "Hi",
        "system_instruction": "Be kind",
        "generation_config": {
            "temperature": 0.5,
            "max_output_tokens": 9,
            "stop_sequences": ["E"],
            "thinking_level": "low",
        },
        "previous_interaction_id": "v1_0",
        "tools": [{"type": "function", "name": "look"}],
        "stream": True,
    }
    request = CREATE.request(GEMINI, body, True)
    assert (request.operation, request.model, request.stream) == ("generate_content", "gemini-3-flash", True)
    assert request.parameters == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.request.stop_sequences": ["E"],
        "gen_ai.request.previous_response.id": "v1_0",
    }
    assert request.input == ({"role": "user", "parts": [text("Hi")]},)
    assert request.system == (text("Be kind"),)
    assert request.tools == ({"type": "function", "name": "look"},)
    private = CREATE.request(GEMINI, body, False)
    assert (private.input, private.system, private.tools) == ((), (), ())


def test_a_request_of_an_agent_is_no_call_of_a_model():
    request = CREATE.request(GEMINI, {"agent": "deep-research", "input": "Hi", "background": True}, False)
    assert (request.operation, request.model) == ("invoke_agent", None)
    assert request.parameters == {"gen_ai.agent.name": "deep-research"}


@pytest.mark.parametrize(
    ("wanted", "output"),
    [
        ({"response_modalities": ["image"]}, "image"),
        ({"response_modalities": ["TEXT", "AUDIO"]}, "speech"),
        ({"response_modalities": ["text"]}, "text"),
        ({"response_mime_type": "application/json"}, "json"),
        ({"response_format": {"type": "text", "mime_type": "application/json", "schema": {}}}, "json"),
        ({"response_format": [{"type": "image"}]}, "image"),
        ({"response_format": []}, None),
        ({}, None),
    ],
)
def test_what_was_asked_for(wanted, output):
    request = CREATE.request(GEMINI, {"model": "m", "input": "Hi", **wanted}, False)
    assert request.parameters.get("gen_ai.output.type") == output


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        (None, []),
        ({"type": "text", "text": "Hi"}, [("user", text("Hi"))]),
        (["Hi", {"type": "text", "text": "there"}], [("user", text("Hi")), ("user", text("there"))]),
        ([{"role": "model", "content": [{"type": "text", "text": "Hi"}]}], [("assistant", text("Hi"))]),
        ([{"role": "user", "content": "Hi"}], [("user", text("Hi"))]),
        ([{"type": "user_input", "content": [{"type": "text", "text": "Hi"}]}], [("user", text("Hi"))]),
        (
            [{"type": "image", "data": "AAAA", "mime_type": "image/png"}],
            [("user", {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"})],
        ),
        (
            [{"type": "document", "uri": "gs://b/d.pdf"}],
            [("user", {"type": "uri", "modality": "document", "uri": "gs://b/d.pdf"})],
        ),
        (
            [{"type": "function_call", "id": "c", "name": "look", "arguments": {"a": 1}}],
            [("assistant", {"type": "tool_call", "id": "c", "name": "look", "arguments": {"a": 1}})],
        ),
        (
            [{"type": "function_result", "call_id": "c", "result": "a cat"}],
            [("tool", {"type": "tool_call_response", "id": "c", "response": "a cat"})],
        ),
    ],
)
def test_what_was_given(given, messages):
    request = CREATE.request(GEMINI, {"model": "m", "input": given}, True)
    assert [(message["role"], *message["parts"]) for message in request.input] == messages


STEPS = [
    {"type": "thought", "signature": "s", "summary": [{"type": "text", "text": "hm"}]},
    {"type": "thought", "signature": "s"},
    {"type": "google_search_call", "id": "g", "arguments": {"queries": ["cats"]}},
    {"type": "google_search_result", "call_id": "g", "result": [{"title": "Cat"}]},
    {"type": "mcp_server_tool_call", "id": "m", "name": "fetch", "arguments": {}},
    {"type": "model_output", "content": [{"type": "text", "text": "a cat"}]},
]


def test_an_answer():
    body = {
        "id": "v1_1",
        "model": "gemini-3-flash",
        "status": "completed",
        "service_tier": "flex",
        "steps": STEPS,
        "usage": USAGE,
    }
    response = CREATE.response(body, True)
    assert response.usage == COUNTED
    assert (response.id, response.model, response.finish_reasons) == ("v1_1", "gemini-3-flash", ("stop",))
    assert response.service_tier == "flex"
    (message,) = response.output
    assert [(part["type"], part.get("name")) for part in message["parts"]] == [
        ("reasoning", None),
        ("server_tool_call", "google_search"),
        ("server_tool_call_response", None),
        ("server_tool_call", "fetch"),
        ("text", None),
    ]
    assert CREATE.response(body, False).output == ()


def test_the_sdks_own_objects_read_like_json():
    steps = [SimpleNamespace(type="model_output", content=[SimpleNamespace(type="text", text="a cat")])]
    used = SimpleNamespace(total_input_tokens=3, total_output_tokens=2, total_thought_tokens=None)
    body = SimpleNamespace(id="v1_1", model="m", status="completed", steps=steps, usage=used, service_tier=None)
    response = CREATE.response(body, True)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (3, 2)
    assert response.output[0]["parts"] == [text("a cat")]


def test_before_there_were_steps_an_answer_had_outputs():
    body = {
        "id": "v1_1",
        "status": "requires_action",
        "outputs": [
            {"type": "text", "text": "a cat"},
            {"type": "function_call", "id": "c", "name": "look", "arguments": {}},
        ],
        "usage": {"total_input_tokens": 3, "total_output_tokens": 2, "total_reasoning_tokens": 5},
    }
    response = CREATE.response(body, True)
    assert response.usage == Usage(input_tokens=3, output_tokens=7, output_reasoning_tokens=5)
    assert [part["type"] for part in response.output[0]["parts"]] == ["text", "tool_call"]
    assert response.finish_reasons == ("tool_call",)


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        ("completed", ("stop",)),
        ("incomplete", ("length",)),
        ("requires_action", ("tool_call",)),
        ("failed", ("error",)),
        ("cancelled", ("cancelled",)),
        ("budget_exceeded", ("budget_exceeded",)),
        ("requires_continuation", ("requires_continuation",)),
        ("in_progress", ()),
        ("queued", ()),
        (None, ()),
    ],
)
def test_why_it_stopped(status, reasons):
    assert CREATE.response({"status": status}, True).finish_reasons == reasons
    assert goes_on({"status": status}) is (status in ("in_progress", "queued"))


def test_what_is_fetched_is_an_operation_of_its_own():
    request = FETCH.request(GEMINI, {"id": "v1_1", "model": "gemini-3-flash", "steps": STEPS}, True)
    assert (request.operation, request.model, request.input) == ("fetch_response", "gemini-3-flash", ())


def events(*steps, completed=True):
    told = [{"event_type": "interaction.created", "interaction": {"id": "v1_1", "model": "m", "status": "in_progress"}}]
    for index, (started, *deltas) in enumerate(steps):
        told.append({"event_type": "step.start", "index": index, "step": started})
        told += [{"event_type": "step.delta", "index": index, "delta": delta} for delta in deltas]
        told.append({"event_type": "step.stop", "index": index})
    if completed:
        final = {"id": "v1_1", "model": "m", "status": "completed", "usage": USAGE, "service_tier": "standard"}
        told.append({"event_type": "interaction.completed", "interaction": final})
    return told


def folded(told, content=True):
    fold = CREATE.fold(content)
    for event in told:
        fold.add(event)
    return fold.response()


THOUGHT = ({"type": "thought"}, {"type": "thought_summary", "content": {"type": "text", "text": "hm"}})
SIGNATURE = {"type": "thought_signature", "signature": "s"}
SAID = ({"type": "model_output"}, {"type": "text", "text": "a "}, {"type": "text", "text": "cat"})
CALL = (
    {"type": "function_call", "id": "c", "name": "look", "arguments": {}},
    {"type": "arguments_delta", "arguments": '{"a":'},
    {"type": "arguments_delta", "arguments": "1}"},
)
SEARCH = (
    {"type": "google_search_call", "id": "g", "arguments": {}},
    {"type": "google_search_call", "id": "g", "arguments": {"queries": ["cats"]}},
)


def test_a_stream_is_put_together_step_by_step():
    response = folded(events((*THOUGHT, SIGNATURE), SEARCH, SAID))
    assert response.usage == COUNTED
    assert (response.id, response.model, response.finish_reasons) == ("v1_1", "m", ("stop",))
    assert response.output[0]["parts"] == [
        {"type": "reasoning", "content": "hm"},
        {
            "type": "server_tool_call",
            "id": "g",
            "name": "google_search",
            "server_tool_call": {"type": "google_search", "arguments": {"queries": ["cats"]}},
        },
        text("a cat"),
    ]


@pytest.mark.parametrize("content", [True, False])
def test_a_streamed_function_call_is_a_tool_call(content):
    response = folded(events(CALL), content)
    assert response.finish_reasons == ("tool_call",)
    if content:
        (part,) = response.output[0]["parts"]
        assert part == {"type": "tool_call", "id": "c", "name": "look", "arguments": '{"a":1}'}
    else:
        assert response.output == ()


def test_a_stream_that_breaks_off_tells_what_came():
    response = folded(events(SAID, completed=False))
    assert (response.id, response.model, response.finish_reasons) == ("v1_1", "m", ())
    assert response.usage == Usage()
    assert response.output[0]["parts"] == [text("a cat")]


def test_an_error_in_a_stream_is_told():
    response = folded([*events(SAID, completed=False), {"event_type": "error", "error": {"code": "internal"}}])
    assert response.finish_reasons == ("error",)
    assert response.attributes == {"error.type": "internal"}


def test_a_stream_of_contents_from_before_there_were_steps():
    final = {"id": "v1_1", "status": "completed", "usage": USAGE}
    told = [
        {"event_type": "interaction.start", "interaction": {"id": "v1_1", "status": "in_progress"}},
        {"event_type": "content.start", "index": 0, "content": {"type": "text"}},
        {"event_type": "content.delta", "index": 0, "delta": {"type": "text", "text": "a "}},
        {"event_type": "content.delta", "index": 0, "delta": {"type": "text", "text": "cat"}},
        {"event_type": "content.stop", "index": 0},
        {"event_type": "content.delta", "index": 1, "delta": {"type": "function_call", "id": "c", "name": "look"}},
        {"event_type": "interaction.complete", "interaction": final},
    ]
    response = folded(told)
    assert response.usage == COUNTED
    assert [part["type"] for part in response.output[0]["parts"]] == ["text", "tool_call"]
    assert response.finish_reasons == ("tool_call",)
