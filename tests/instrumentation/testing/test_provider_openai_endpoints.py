"""Everything beside chat and responses, through OpenAI's own SDK against the local provider."""

from __future__ import annotations

import openai
import pytest

from vigilo.testing import ProviderServer, Usage

USAGE = Usage(input_tokens=50, output_tokens=20)
AUDIO = ("hello.mp3", b"ID3 and sound")
PICTURE = ("cat.png", b"PNG and pixels")


def test_completes_a_text(openai_client: openai.OpenAI, server: ProviderServer) -> None:
    server.reply("there", usage=USAGE)
    made = openai_client.completions.create(model="davinci", prompt="Hello", n=2)
    assert [choice.text for choice in made.choices] == ["there", "there"]
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (50, 20)


def test_streams_a_text_with_its_usage_when_asked(openai_client: openai.OpenAI, server: ProviderServer) -> None:
    server.reply("good day to you")
    asked = {"include_usage": True}
    chunks = list(openai_client.completions.create(model="davinci", prompt="Hello", stream=True, stream_options=asked))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "good day to you"
    assert [bool(chunk.usage) for chunk in chunks] == [False, False, False, False, True]


def test_makes_images(openai_client: openai.OpenAI, server: ProviderServer) -> None:
    server.reply(usage=Usage(input_tokens=50, output_tokens=300, input_image_tokens=40))
    made = openai_client.images.edit(model="gpt-image-1", prompt="A hat", image=PICTURE, n=2)
    assert [image.b64_json[:4] for image in made.data] == ["iVBO", "iVBO"]
    assert made.to_dict()["usage"]["input_tokens_details"]["image_tokens"] == 40
    sent = server.requests[-1]
    assert sent.path == "/v1/images/edits"
    assert b"cat.png" in sent.body


def test_streams_images(openai_client: openai.OpenAI) -> None:
    if not hasattr(openai.types, "ImageGenStreamEvent"):
        pytest.skip("this SDK has no streams of images")
    events = list(openai_client.images.generate(model="gpt-image-1", prompt="A cat", stream=True, partial_images=2))
    assert [event.type.partition(".")[2] for event in events] == ["partial_image", "partial_image", "completed"]
    assert events[-1].usage.output_tokens > 0


@pytest.mark.parametrize(
    ("model", "form", "usage"),
    [
        ("gpt-4o-transcribe", "json", {"type": "tokens", "input_tokens": 50}),
        ("whisper-1", "verbose_json", {"type": "duration", "seconds": 2.5}),
    ],
)
def test_transcribes(openai_client: openai.OpenAI, server: ProviderServer, model: str, form: str, usage: dict) -> None:
    if usage["type"] == "tokens":
        server.reply("Good day", usage=USAGE)
    raw = openai_client.audio.transcriptions.with_raw_response.create(model=model, file=AUDIO, response_format=form)
    told = raw.http_response.json()
    assert usage.items() <= told["usage"].items()
    assert told["text"] == ("Good day" if usage["type"] == "tokens" else "Hello there, can you hear me?")


def test_transcribes_as_bare_text(openai_client: openai.OpenAI) -> None:
    heard = openai_client.audio.transcriptions.create(model="whisper-1", file=AUDIO, response_format="text")
    assert heard == "Hello there, can you hear me?\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the newest SDK says so of the endpoint
def test_translates(openai_client: openai.OpenAI) -> None:
    assert openai_client.audio.translations.create(model="whisper-1", file=AUDIO).text.startswith("Hello")


def test_speaks(openai_client: openai.OpenAI) -> None:
    sound = openai_client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there")
    assert sound.content.startswith(b"ID3")
    events = openai_client.audio.speech.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Hello there", extra_body={"stream_format": "sse"}
    )
    assert b"speech.audio.done" in events.content


def test_moderates(openai_client: openai.OpenAI) -> None:
    verdicts = openai_client.moderations.create(input=["fine", "also fine"], model="omni-moderation-latest")
    assert [verdict.flagged for verdict in verdicts.results] == [False, False]


def test_a_batch_goes_from_its_file_to_its_tokens(openai_client: openai.OpenAI, server: ProviderServer) -> None:
    file = openai_client.files.create(file=("requests.jsonl", b"{}\n"), purpose="batch")
    assert (file.filename, file.bytes, file.purpose) == ("requests.jsonl", 3, "batch")
    batch = openai_client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert batch.status == "validating"
    server.reply(finish_reason="in_progress")
    assert openai_client.batches.retrieve(batch.id).status == "in_progress"
    ended = openai_client.batches.retrieve(batch.id)
    assert (ended.id, ended.status, ended.output_file_id) == (batch.id, "completed", "file-000002")


def test_a_background_response_is_fetched(openai_client: openai.OpenAI, server: ProviderServer) -> None:
    begun = openai_client.responses.create(model="gpt-4o-mini", input="Hello", extra_body={"background": True})
    assert (begun.status, begun.usage) == ("queued", None)
    server.reply(finish_reason="in_progress")
    assert openai_client.responses.retrieve(begun.id).usage is None
    ended = openai_client.responses.retrieve(begun.id)
    assert (ended.id, ended.status) == (begun.id, "completed")
    assert ended.usage.output_tokens > 0


def test_a_background_response_is_cancelled(openai_client: openai.OpenAI) -> None:
    begun = openai_client.responses.create(model="gpt-4o-mini", input="Hello", extra_body={"background": True})
    answer = openai_client.post(f"/responses/{begun.id}/cancel", cast_to=openai.types.responses.Response)
    assert (answer.id, answer.status, answer.usage) == (begun.id, "cancelled", None)


def test_counts_and_compacts_the_input_of_a_response(openai_client: openai.OpenAI) -> None:
    if not hasattr(openai_client.responses, "compact"):
        pytest.skip("this SDK cannot compact")
    counted = openai_client.responses.input_tokens.count(model="gpt-4o-mini", input="Hello there")
    compacted = openai_client.responses.compact(model="gpt-4o-mini", input="Hello there")
    assert compacted.usage.input_tokens == counted.input_tokens > 0
