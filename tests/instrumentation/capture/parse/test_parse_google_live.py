from types import SimpleNamespace

import pytest

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.google_live import (
    TurnFold,
    asks_for_answer,
    begins_turn,
    ends_turn,
    heard,
    request,
    sent_messages,
)


def message(**fields):
    return SimpleNamespace(**fields)


def content(**fields):
    return message(server_content=SimpleNamespace(**fields))


def said(*parts):
    return content(model_turn=SimpleNamespace(parts=list(parts)))


def text(words):
    return {"type": "text", "content": words}


def test_a_session_asks_every_turn_with_its_setup():
    setup = {
        "model": "projects/p/locations/l/publishers/google/models/gemini-live",
        "generationConfig": {"responseModalities": ["AUDIO"], "temperature": 0.5},
        "systemInstruction": {"parts": [{"text": "Be kind"}]},
    }
    asked = request(Origin("gcp.vertex_ai"), setup, True)
    assert (asked.operation, asked.model, asked.stream) == ("generate_content", "gemini-live", True)
    assert asked.parameters == {"gen_ai.request.temperature": 0.5, "gen_ai.output.type": "speech"}
    assert asked.system == (text("Be kind"),)
    assert request(Origin("gcp.vertex_ai"), setup, False).system == ()


@pytest.mark.parametrize(
    ("body", "messages", "asks"),
    [
        (
            {"client_content": {"turns": [{"role": "user", "parts": [{"text": "Hi"}]}], "turnComplete": True}},
            [{"role": "user", "parts": [text("Hi")]}],
            True,
        ),
        ({"client_content": {"turn_complete": True}}, [], True),
        ({"client_content": {"turns": [], "turnComplete": False}}, [], False),
        ({"client_content": {"turns": [], "turn_complete": False}}, [], False),
        ({"realtime_input": {"text": "Hi"}}, [{"role": "user", "parts": [text("Hi")]}], True),
        ({"realtime_input": {"activityStart": {}}}, [], False),
        ({"realtime_input": {"activityEnd": {}}}, [], True),
        ({"realtime_input": {"audioStreamEnd": True}}, [], False),
        (
            {"tool_response": {"functionResponses": [{"id": "c", "response": {"a": 1}}]}},
            [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": {"a": 1}}]}],
            True,
        ),
        ({"context_update": {}}, [], False),
    ],
)
def test_what_the_client_says_and_whether_it_asks(body, messages, asks):
    assert sent_messages(body) == messages
    assert asks_for_answer(body) is asks


@pytest.mark.parametrize(
    ("received", "begins", "ends"),
    [
        (said(message(text="Hi")), True, False),
        (content(output_transcription=message(text="Hi")), True, False),
        (content(interrupted=True), True, False),
        (content(turn_complete=True), True, True),
        (message(tool_call=message(function_calls=[])), True, True),
        (message(usage_metadata=message(prompt_token_count=1)), True, False),
        (content(input_transcription=message(text="Hi")), False, False),
        (message(setup_complete=message()), False, False),
        (message(go_away=message(time_left="1s")), False, False),
        (message(session_resumption_update=message()), False, False),
    ],
)
def test_where_a_turn_begins_and_ends(received, begins, ends):
    assert (begins_turn(received), ends_turn(received)) == (begins, ends)


def test_what_was_heard():
    assert heard(content(input_transcription=message(text="Hi"))) == "Hi"
    assert heard(content(turn_complete=True)) is None


USAGE = message(
    prompt_token_count=100,
    tool_use_prompt_token_count=20,
    response_token_count=24,
    thoughts_token_count=16,
    cached_content_token_count=64,
    prompt_tokens_details=[message(modality="AUDIO", token_count=90), message(modality="IMAGE", token_count=5)],
    response_tokens_details=[message(modality="TEXT", token_count=4), message(modality="AUDIO", token_count=20)],
    traffic_type="ON_DEMAND_FLEX",
)


def folded(*received, wants=True):
    fold = TurnFold(wants)
    for one in received:
        fold.add(one)
    return fold.response()


def test_a_turn_takes_the_last_usage_by_kind():
    early = message(usage_metadata=message(prompt_token_count=1))
    response = folded(early, said(message(text="Hi")), message(server_content=None, usage_metadata=USAGE))
    assert response.usage == Usage(
        input_tokens=120,
        output_tokens=40,
        cache_read_tokens=64,
        input_audio_tokens=90,
        input_image_tokens=5,
        output_reasoning_tokens=16,
        output_audio_tokens=20,
    )
    assert response.service_tier == "flex"


def test_sound_is_told_once_and_without_its_bytes():
    sound = message(text=None, inline_data=message(mime_type="audio/pcm", data=b"secret"))
    heard_too = content(output_transcription=message(text="Hi "))
    response = folded(said(sound), heard_too, said(sound, sound), content(output_transcription=message(text="there")))
    assert response.output[0]["parts"] == [
        {"type": "blob", "modality": "audio", "mime_type": "audio/pcm"},
        text("Hi there"),
    ]


def test_other_parts_are_read_as_over_http():
    class Code:
        text = inline_data = None

        def model_dump(self, **_):
            return {"executableCode": {"language": "PYTHON", "code": "print(1)"}}

    response = folded(said(Code()))
    assert response.output[0]["parts"][0]["name"] == "code_execution"


@pytest.mark.parametrize(
    ("received", "reasons"),
    [
        ([content(turn_complete=True)], ("stop",)),
        ([content(turn_complete=True, turn_complete_reason="MALFORMED_FUNCTION_CALL")], ("malformed_function_call",)),
        ([content(turn_complete=True, turn_complete_reason="TURN_COMPLETE_REASON_UNSPECIFIED")], ("stop",)),
        ([content(interrupted=True), content(turn_complete=True)], ("interrupted",)),
        ([message(tool_call=message(function_calls=[message(id="c", name="look", args={})]))], ("tool_call",)),
        ([said(message(text="Hi"))], ()),
    ],
)
def test_why_a_turn_ended(received, reasons):
    assert folded(*received).finish_reasons == reasons
    assert folded(*received, wants=False).finish_reasons == reasons
    assert folded(*received, wants=False).output == ()


def test_the_server_that_is_about_to_leave_says_so():
    assert folded(message(go_away=message(time_left="1s"))).attributes == {"vigilo.live.go_away": True}
