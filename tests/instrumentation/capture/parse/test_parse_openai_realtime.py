"""Events of OpenAI's realtime sessions, in the shapes that its API reference documents."""

import pytest

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.openai_realtime import RealtimeSession, ResponseFold, failure, response

ORIGIN = Origin("openai", "api.openai.com", 443)


def text(content):
    return {"type": "text", "content": content}


def item(*content, role="user"):
    return {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": list(content)}}


def said(words):
    return {"type": "input_text", "text": words}


USED = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "image_tokens": 7, "cached_tokens": 64},
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
DONE = {
    "id": "resp_1",
    "object": "realtime.response",
    "status": "completed",
    "status_details": None,
    "output": [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_audio", "transcript": "Hello"}, {"type": "output_text", "text": "there"}],
        }
    ],
    "usage": USED,
}


def test_a_response_that_is_done():
    told = response(DONE, True, "gpt-realtime-2025")
    assert (told.id, told.model, told.finish_reasons) == ("resp_1", "gpt-realtime-2025", ("stop",))
    assert told.usage == Usage(
        input_tokens=132,
        output_tokens=121,
        cache_read_tokens=64,
        input_audio_tokens=13,
        input_image_tokens=7,
        output_audio_tokens=91,
    )
    assert told.output == ({"role": "assistant", "parts": [text("Hello"), text("there")], "finish_reason": "stop"},)
    assert response(DONE, False).output == ()
    assert response({}, True).usage == Usage()


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"status": "in_progress"}, ()),
        ({"status": "cancelled", "status_details": {"reason": "turn_detected"}}, ("cancelled",)),
        ({"status": "incomplete", "status_details": {"reason": "max_output_tokens"}}, ("length",)),
        ({"status": "incomplete", "status_details": {"reason": "content_filter"}}, ("content_filter",)),
        ({"status": "incomplete"}, ("length",)),
        ({"status": "failed"}, ("error",)),
        ({"output": [{"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"}]}, ("tool_call",)),
    ],
)
def test_why_a_response_ended(fields, reasons):
    assert response({**DONE, **fields}, False).finish_reasons == reasons


def test_a_call_of_a_tool():
    call = {"type": "function_call", "name": "f", "call_id": "c", "arguments": '{"a":1}'}
    (message,) = response({**DONE, "output": [call, {"type": "mcp_call", "id": "m", "name": "g"}]}, True).output
    assert message["parts"] == [
        {"type": "tool_call", "id": "c", "name": "f", "arguments": '{"a":1}'},
        {"type": "server_tool_call", "id": "m", "name": "g", "server_tool_call": {"type": "g"}},
    ]


def test_a_failure_tells_its_code():
    error = {"type": "server_error", "code": "rate_limit_exceeded", "message": "Slow down"}
    failed = {**DONE, "status": "failed", "status_details": {"type": "failed", "error": error}}
    assert failure(failed) == ("rate_limit_exceeded", "Slow down")
    assert failure({**failed, "status_details": {"error": {"type": "server_error"}}})[0] == "server_error"
    assert failure({"status": "failed"})[0] == "failed"
    assert failure(DONE) is None
    assert response(failed, True).error == ("rate_limit_exceeded", "Slow down")


@pytest.mark.parametrize("kind", ["response.output_audio_transcript.delta", "response.audio_transcript.delta"])
def test_a_response_that_breaks_off_keeps_its_text(kind):
    fold = ResponseFold(True, RealtimeSession("gpt-realtime"))
    fold.add({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}})
    fold.add({"type": kind, "delta": "Hel"})
    fold.add({"type": kind, "delta": "lo"})
    told = fold.response()
    assert (told.id, told.model, told.finish_reasons) == ("resp_1", "gpt-realtime", ())
    assert told.output == ({"role": "assistant", "parts": [text("Hello")], "finish_reason": ""},)


def test_a_response_without_content_keeps_no_text():
    fold = ResponseFold(False, RealtimeSession())
    fold.add({"type": "response.output_text.delta", "delta": "Hello"})
    assert fold.response().output == ()


def test_what_the_caller_set_is_sent_and_what_the_server_tells_is_not():
    session = RealtimeSession("gpt-realtime")
    told = {"id": "sess_1", "model": "gpt-realtime-2025", "temperature": 0.8, "output_modalities": ["audio"]}
    session.receives({"type": "session.created", "session": told}, True)
    assert session.request(ORIGIN, {"type": "response.create"}, True).parameters == {}
    update = {"instructions": "Be kind", "max_output_tokens": "inf", "output_modalities": ["audio"], "temperature": 0.7}
    session.sends({"type": "session.update", "session": update}, True)
    own = {"output_modalities": ["text"], "max_output_tokens": 50}
    request = session.request(ORIGIN, {"type": "response.create", "response": own}, True)
    assert (request.operation, request.model, request.stream) == ("chat", "gpt-realtime-2025", True)
    assert request.parameters == {
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.output.type": "text",
    }
    assert request.system == (text("Be kind"),)
    assert request.conversation_id == "sess_1"
    spoken = session.request(ORIGIN, None, False)
    assert spoken.parameters["gen_ai.output.type"] == "speech"
    assert "gen_ai.request.max_tokens" not in spoken.parameters
    assert spoken.system == ()


def test_the_words_of_the_beta():
    session = RealtimeSession()
    update = {"modalities": ["text", "audio"], "max_response_output_tokens": 9}
    session.sends({"type": "session.update", "session": update}, False)
    assert session.request(ORIGIN, None, False).parameters == {
        "gen_ai.request.max_tokens": 9,
        "gen_ai.output.type": "speech",
    }


def test_what_was_said_since_the_last_response_is_its_input():
    session = RealtimeSession()
    session.sends(item(said("Hi"), {"type": "input_audio", "audio": "AAAA"}), True)
    session.sends({"type": "conversation.item.create", "item": {"type": "item_reference", "id": "item_1"}}, True)
    output = {"type": "function_call_output", "call_id": "c", "output": "42"}
    session.sends({"type": "conversation.item.create", "item": output}, True)
    done = {"type": "conversation.item.input_audio_transcription.completed", "transcript": "And you?"}
    session.receives(done, True)
    assert session.request(ORIGIN, None, True).input == (
        {"role": "user", "parts": [text("Hi")]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "42"}]},
        {"role": "user", "parts": [text("And you?")]},
    )
    assert session.request(ORIGIN, None, True).input == ()


def test_nothing_is_kept_without_content():
    session = RealtimeSession()
    session.sends(item(said("Hi")), False)
    assert session.request(ORIGIN, None, True).input == ()


def test_a_response_beside_the_conversation_has_its_own_input():
    session = RealtimeSession()
    session.sends(item(said("Hi")), True)
    beside = {"conversation": "none", "input": [item(said("Classify"))["item"]]}
    request = session.request(ORIGIN, {"type": "response.create", "response": beside}, True)
    assert request.input == ({"role": "user", "parts": [text("Classify")]},)
    assert session.request(ORIGIN, None, True).input == ({"role": "user", "parts": [text("Hi")]},)


def test_a_long_silence_keeps_the_newest_messages():
    session = RealtimeSession()
    for number in range(150):
        session.sends(item(said(str(number))), True)
    kept = session.request(ORIGIN, None, True).input
    assert len(kept) == 100
    assert kept[-1]["parts"] == [text("149")]


@pytest.mark.parametrize(
    "told",
    [
        {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}},
        {"input_audio_transcription": {"model": "gpt-4o-transcribe"}},
    ],
)
def test_a_transcription_is_paid_apart(told):
    session = RealtimeSession("gpt-realtime")
    session.receives({"type": "session.updated", "session": told}, False)
    used = {"type": "tokens", "input_tokens": 30, "output_tokens": 8, "input_token_details": {"audio_tokens": 30}}
    done = {"type": "conversation.item.input_audio_transcription.completed", "transcript": "Hi", "usage": used}
    request, answered = session.transcription(ORIGIN, done, True)
    assert (request.operation, request.model) == ("transcription", "gpt-4o-transcribe")
    assert answered.usage == Usage(input_tokens=30, output_tokens=8, input_audio_tokens=30)
    assert answered.output[0]["parts"] == [text("Hi")]
    assert session.transcription(ORIGIN, {**done, "usage": None}, True) is None
    assert session.transcription(ORIGIN, {"type": "rate_limits.updated"}, True) is None
