"""OpenAI's endpoints beside chat and responses, in the shapes that its API reference documents."""

import json

import pytest

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.openai import endpoint_of

ORIGIN = Origin("openai", "api.openai.com", 443)


def endpoint(path, method="POST"):
    found = endpoint_of(method, path)
    assert found is not None
    return found


def text(content):
    return {"type": "text", "content": content}


def heard(content):
    return ({"role": "assistant", "parts": [text(content)], "finish_reason": "stop"},)


def folded(path, events, content=True):
    fold = endpoint(path).fold(content)
    for event in events:
        fold.add(event)
    return fold.response()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/batches"),
        ("GET", "/models"),
        ("GET", "/files/file-1"),
        ("GET", "/responses/resp_1/input_items"),
        ("DELETE", "/responses/resp_1"),
        ("GET", "/chat/completions"),
        ("POST", "/threads"),
        ("POST", "/responses/"),
        ("GET", "/responses"),
        ("POST", ""),
    ],
)
def test_what_is_no_call_to_a_model_has_no_endpoint(method, path):
    assert endpoint_of(method, path) is None


def test_a_completion_with_several_prompts():
    body = {
        "model": "davinci",
        "prompt": ["one", "two", [1, 2]],
        "max_tokens": 5,
        "temperature": 0,
        "stop": "\n",
        "n": 2,
        "seed": 7,
        "stream": None,
    }
    request = endpoint("/completions").request(ORIGIN, body, True)
    assert (request.operation, request.model, request.stream) == ("text_completion", "davinci", False)
    assert request.input == tuple({"role": "user", "parts": [text(said)]} for said in ("one", "two"))
    assert request.parameters == {
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.temperature": 0,
        "gen_ai.request.stop_sequences": ["\n"],
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.seed": 7,
    }
    assert endpoint("/completions").request(ORIGIN, body, False).input == ()


def test_a_completion():
    body = {
        "id": "cmpl-1",
        "model": "davinci-002",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "text": "a", "finish_reason": "stop"}, {"text": "b", "finish_reason": "length"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    }
    response = endpoint("/completions").response(body, True)
    assert (response.id, response.model, response.finish_reasons) == ("cmpl-1", "davinci-002", ("stop", "length"))
    assert response.usage == Usage(input_tokens=5, output_tokens=7)
    assert [message["parts"] for message in response.output] == [[text("a")], [text("b")]]
    assert response.attributes == {"openai.response.system_fingerprint": "fp_1"}
    assert endpoint("/completions").response(body, False).output == ()


def test_a_stream_of_completions():
    base = {"id": "cmpl-1", "model": "davinci-002"}
    fold = endpoint("/completions").fold(True)
    assert fold.add({**base, "choices": [{"index": 1, "text": "c", "finish_reason": None}]}) is False
    assert fold.add({**base, "choices": [{"index": 0, "text": "a", "finish_reason": None}]}) is False
    assert fold.add({**base, "choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]}) is False
    assert fold.add({**base, "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}) is True
    response = fold.response()
    assert (response.id, response.finish_reasons) == ("cmpl-1", ("stop",))
    assert response.usage == Usage(input_tokens=5, output_tokens=7)
    assert [(message["parts"], message["finish_reason"]) for message in response.output] == [
        ([text("ab")], "stop"),
        ([text("c")], ""),
    ]
    assert folded("/completions", []).usage == Usage()


IMAGE_USAGE = {
    "input_tokens": 50,
    "output_tokens": 300,
    "total_tokens": 350,
    "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
}


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/images/generations", "image_generation"),
        ("/images/edits", "image_edit"),
        ("/images/variations", "image_edit"),
    ],
)
def test_images(path, operation):
    request = endpoint(path).request(ORIGIN, {"model": "gpt-image-1", "prompt": "A cat", "n": 3}, True)
    assert (request.operation, request.model) == (operation, "gpt-image-1")
    assert request.parameters == {"gen_ai.output.type": "image", "gen_ai.request.choice.count": 3}
    assert request.input == ({"role": "user", "parts": [text("A cat")]},)
    body = {"created": 1, "data": [{"b64_json": "AAAA"}, {"revised_prompt": "A cute cat"}], "usage": IMAGE_USAGE}
    response = endpoint(path).response(body, True)
    assert response.output == heard("A cute cat")
    assert response.usage == Usage(input_tokens=50, output_tokens=300, input_image_tokens=40, output_image_tokens=300)


def test_images_with_text_in_their_output():
    used = {**IMAGE_USAGE, "output_tokens_details": {"image_tokens": 272, "text_tokens": 28}}
    assert endpoint("/images/generations").response({"usage": used}, True).usage.output_image_tokens == 272


def test_images_that_are_paid_by_the_image_have_no_tokens():
    assert endpoint("/images/generations").response({"created": 1, "data": []}, True).usage == Usage()


def test_a_stream_of_images():
    partial = {"type": "image_generation.partial_image", "b64_json": "A", "partial_image_index": 0}
    completed = {"type": "image_generation.completed", "b64_json": "AA", "usage": IMAGE_USAGE}
    assert folded("/images/generations", [partial, completed]).usage.output_image_tokens == 300
    assert folded("/images/generations", [partial]).usage == Usage()


TOKENS = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
    "output_tokens": 45,
    "total_tokens": 59,
}
HEARD_TOKENS = Usage(input_tokens=14, output_tokens=45, input_audio_tokens=10)


def test_a_transcription_request():
    body = {"model": "gpt-4o-transcribe", "prompt": "Names: Ada", "temperature": 0.2, "stream": True}
    request = endpoint("/audio/transcriptions").request(ORIGIN, body, True)
    assert (request.operation, request.stream) == ("transcription", True)
    assert request.parameters == {"gen_ai.request.temperature": 0.2}
    assert request.input == ({"role": "user", "parts": [text("Names: Ada")]},)
    assert endpoint("/audio/translations").request(ORIGIN, body, False).operation == "translation"
    assert endpoint("/audio/translations").request(ORIGIN, body, False).input == ()


@pytest.mark.parametrize(
    ("body", "output", "usage", "seconds"),
    [
        ({"text": "Hi", "usage": TOKENS}, "Hi", HEARD_TOKENS, None),
        ({"text": "Hi", "usage": {"type": "duration", "seconds": 9}}, "Hi", Usage(input_audio_seconds=9.0), None),
        ({"text": "Hi", "duration": "8.47", "segments": [{"text": "Hi"}]}, "Hi", Usage(input_audio_seconds=8.0), None),
        ("Hi\n", "Hi\n", Usage(), None),
        (b"WEBVTT\n", "WEBVTT\n", Usage(), None),
        (
            {
                "text": "Hi Ho",
                "duration": 3.0,
                "segments": [{"speaker": "A", "text": "Hi"}, {"speaker": "B", "text": "Ho"}],
                "usage": TOKENS,
            },
            "A: Hi\nB: Ho",
            HEARD_TOKENS,
            3.0,
        ),
    ],
)
def test_a_transcript(body, output, usage, seconds):
    response = endpoint("/audio/transcriptions").response(body, True)
    assert response.output == heard(output)
    assert response.usage == usage
    assert response.attributes.get("vigilo.usage.audio.input_seconds") == seconds
    assert endpoint("/audio/transcriptions").response(body, False).output == ()


def test_a_stream_of_a_transcript():
    pieces = [{"type": "transcript.text.delta", "delta": piece} for piece in ("Hi ", "there")]
    done = {"type": "transcript.text.done", "text": "Hi there!", "usage": TOKENS}
    whole = folded("/audio/transcriptions", [*pieces, done])
    assert (whole.output, whole.usage) == (heard("Hi there!"), HEARD_TOKENS)
    broken = folded("/audio/transcriptions", pieces)
    assert (broken.output, broken.usage) == (heard("Hi there"), Usage())
    assert folded("/audio/transcriptions", [*pieces, done], content=False).output == ()


def test_a_stream_of_a_transcript_with_speakers():
    spoken = {"type": "transcript.text.segment", "id": "seg_1", "start": 0.0, "end": 1.0, "speaker": "A", "text": "Hi"}
    done = {"type": "transcript.text.done", "text": "Hi", "usage": {"type": "duration", "seconds": 2}}
    response = folded("/audio/transcriptions", [spoken, done])
    assert response.output == heard("A: Hi")
    assert response.usage == Usage(input_audio_seconds=2.0)


def test_speech():
    body = {"model": "gpt-4o-mini-tts", "input": "Hello", "voice": "alloy", "instructions": "Softly"}
    request = endpoint("/audio/speech").request(ORIGIN, body, True)
    assert (request.operation, request.parameters) == ("speech", {"gen_ai.output.type": "speech"})
    assert request.input == ({"role": "user", "parts": [text("Hello")]},)
    assert request.system == (text("Softly"),)
    assert endpoint("/audio/speech").request(ORIGIN, body, False).system == ()


DONE = {"type": "speech.audio.done", "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}}


class Binary:
    """As the SDK hands out bytes."""

    def __init__(self, content):
        self.content = content


@pytest.mark.parametrize("as_sent", [bytes.decode, bytes, Binary], ids=["text", "bytes", "object"])
@pytest.mark.parametrize("head", ["", "event: speech.audio.done\n"])
def test_speech_as_events_counts_its_tokens(as_sent, head):
    first = 'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n'
    if head:
        first = f"event: speech.audio.delta\n{first}"
    body = f"{first}{head}data: {json.dumps(DONE)}\n\n".encode()
    used = Usage(input_tokens=14, output_tokens=101)
    assert endpoint("/audio/speech").response(as_sent(body), True).usage == used
    assert folded("/audio/speech", [{"type": "speech.audio.delta", "audio": "AAAA"}, DONE]).usage == used


@pytest.mark.parametrize("body", [b"ID3\x04", b"\xff\xfbdata:", "", None, Binary(None), b"data: broken"])
def test_sound_counts_no_tokens(body):
    assert endpoint("/audio/speech").response(body, True).usage == Usage()


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("bad?", [[text("bad?")]]),
        (["one", "two"], [[text("one")], [text("two")]]),
        (
            [
                {"type": "text", "text": "bad?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            ],
            [[text("bad?"), {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"}]],
        ),
    ],
)
def test_moderations(given, parts):
    request = endpoint("/moderations").request(ORIGIN, {"model": "omni", "input": given}, True)
    assert [message["parts"] for message in request.input] == parts
    assert endpoint("/moderations").request(ORIGIN, {"input": given}, False).input == ()
    response = endpoint("/moderations").response({"id": "modr-1", "model": "omni-2024", "results": []}, True)
    assert (response.id, response.model, response.usage) == ("modr-1", "omni-2024", Usage())


BATCH = {
    "id": "batch_parse",
    "object": "batch",
    "status": "completed",
    "model": "gpt-5",
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 30},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 150,
    },
}


def test_a_batch_counts_once():
    counts = endpoint("/batches/batch_parse", "GET").counts
    assert [counts({**BATCH, "status": status}) for status in ("validating", "in_progress", "finalizing")] == [
        False
    ] * 3
    assert not counts({**BATCH, "usage": None})
    assert not counts({**BATCH, "usage": {"total_tokens": 0}})
    assert [counts(BATCH), counts(BATCH)] == [True, False]
    assert counts({**BATCH, "id": "batch_parse_2"})


def test_a_batch_that_has_ended():
    response = endpoint("/batches/batch_parse", "GET").response(BATCH, True)
    assert (response.id, response.model, response.service_tier) == ("batch_parse", "gpt-5", "batch")
    assert response.finish_reasons == ("stop",)
    assert response.usage == Usage(input_tokens=100, output_tokens=50, cache_read_tokens=30, output_reasoning_tokens=20)


@pytest.mark.parametrize(
    ("status", "reasons"), [("in_progress", ()), ("failed", ("error",)), ("expired", ("expired",))]
)
def test_the_status_of_a_batch(status, reasons):
    assert endpoint("/batches/b", "GET").response({"id": "b", "status": status}, True).finish_reasons == reasons


def test_a_batch_is_started():
    body = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    assert endpoint("/batches").request(ORIGIN, body, True).operation == "batch"
    assert endpoint("/batches").counts is None


def test_a_file_counts_when_it_holds_a_batch():
    upload = endpoint("/files")
    assert [upload.counts({"id": "f", "purpose": purpose}) for purpose in ("batch", "vision")] == [True, False]
    assert upload.request(ORIGIN, {}, True).operation == "file_upload"
    assert upload.response({"id": "file-1", "purpose": "batch"}, True).id == "file-1"


def background(**fields):
    return {"id": "resp_parse", "status": "completed", "background": True, "output": [], "model": "m", **fields}


def test_a_background_response_counts_once():
    counts = endpoint("/responses/resp_parse", "GET").counts
    assert not counts(background(status="queued"))
    assert not counts(background(background=False))
    assert [counts(background()), counts(background())] == [True, False]
    assert all(counts(background(id=status, status=status)) for status in ("failed", "incomplete", "cancelled"))


def test_a_background_response_that_was_counted_when_it_was_created_counts_no_more():
    endpoint("/responses").response(background(id="resp_at_once"), True)
    assert not endpoint("/responses/resp_at_once", "GET").counts(background(id="resp_at_once"))


def test_a_background_response_that_is_fetched():
    fetched = endpoint("/responses/resp_parse", "GET")
    body = background(conversation={"id": "conv_1"}, instructions="x", temperature=1.0)
    request = fetched.request(ORIGIN, body, True)
    assert (request.operation, request.model, request.conversation_id) == ("fetch_response", "m", "conv_1")
    assert request.parameters == {"openai.api.type": "responses"}  # nothing that the caller sent now
    assert fetched.response(body, True).finish_reasons == ("stop",)


def test_a_response_that_failed_tells_why():
    error = {"code": "server_error", "message": "Try again"}
    failed = endpoint("/responses").response(background(id="resp_failed", status="failed", error=error), True)
    assert (failed.error, failed.finish_reasons) == (("server_error", "Try again"), ("error",))
    assert endpoint("/responses").response(background(id="resp_fine"), True).error is None


def test_a_compaction():
    compact = endpoint("/responses/compact")
    body = {"model": "gpt-5", "input": "Hi", "previous_response_id": "resp_0"}
    request = compact.request(ORIGIN, body, True)
    assert (request.operation, request.model) == ("compaction", "gpt-5")
    assert request.parameters["gen_ai.request.previous_response.id"] == "resp_0"
    used = {"input_tokens": 10, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}}
    response = compact.response({"id": "resp_1", "object": "response.compaction", "output": [], "usage": used}, True)
    assert (response.id, response.usage.input_tokens, response.usage.output_tokens) == ("resp_1", 10, 4)


def test_counted_tokens_are_no_usage():
    counting = endpoint("/responses/input_tokens")
    assert counting.request(ORIGIN, {"model": "gpt-5", "input": "Hi"}, True).operation == "count_tokens"
    response = counting.response({"object": "response.input_tokens", "input_tokens": 11}, True)
    assert (response.usage, response.attributes) == (Usage(), {"vigilo.counted.input_tokens": 11})
    assert counting.response({}, True).attributes == {}


def test_a_spoken_chat():
    chat = endpoint("/chat/completions")
    earlier = {"role": "assistant", "audio": {"id": "audio_1"}}
    body = {"model": "gpt-audio", "modalities": ["text", "audio"], "audio": {"voice": "alloy"}, "messages": [earlier]}
    request = chat.request(ORIGIN, body, True)
    assert request.parameters["gen_ai.output.type"] == "speech"
    assert request.input[0]["parts"] == [{"type": "file", "modality": "audio", "file_id": "audio_1"}]
    spoken = {"role": "assistant", "content": None, "audio": {"id": "audio_2", "data": "AAAA", "transcript": "Hi"}}
    answered = chat.response({"choices": [{"message": spoken, "finish_reason": "stop"}]}, True)
    assert answered.output[0]["parts"] == [text("Hi")]
    deltas = [
        {"audio": {"id": "audio_2", "transcript": "H"}},
        {"audio": {"data": "AA"}},
        {"audio": {"transcript": "i"}},
    ]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    assert folded("/chat/completions", events).output[0]["parts"] == [text("Hi")]


def test_a_custom_tool_is_called():
    chat = endpoint("/chat/completions")
    tool = {"type": "custom", "custom": {"name": "sql", "description": "d"}}
    request = chat.request(ORIGIN, {"model": "m", "messages": [], "tools": [tool]}, True)
    assert request.tools == ({"type": "custom", "name": "sql", "description": "d"},)
    first = {"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "sql", "input": "SELECT "}}
    rest = {"index": 0, "custom": {"input": "1"}}
    events = [{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in (first, rest)]
    parts = folded("/chat/completions", events).output[0]["parts"]
    assert parts == [{"type": "tool_call", "id": "call_1", "name": "sql", "arguments": "SELECT 1"}]


def test_predicted_tokens_lie_inside_the_output():
    details = {"accepted_prediction_tokens": 8, "rejected_prediction_tokens": 4, "reasoning_tokens": 0}
    prompt = {"cached_tokens": 2, "cache_write_tokens": 3, "image_tokens": 5}
    used = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": details,
    }
    assert endpoint("/chat/completions").response({"usage": used}, True).usage == Usage(
        input_tokens=10,
        output_tokens=20,
        cache_read_tokens=2,
        cache_write_tokens=3,
        input_image_tokens=5,
        output_reasoning_tokens=0,
    )
