"""The endpoints of OpenAI's SDK, on OpenAI and on Azure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from .cells import Cell, Endpoint, Expected, Fresh
from .styles import helpers, stainless

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED = [{"role": "user", "content": "Hello there"}]
MODEL = "gpt-4o-mini"
SOUND = ("hello.mp3", b"ID3" + bytes(64))
PICTURE = ("picture.png", b"\x89PNG" + bytes(64))
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


class Answer(BaseModel):
    text: str


def expected(operation: str, model: str | None, *tokens: int | None) -> Expected:
    input_tokens, output_tokens = tokens or (120, 40)
    return Expected(operation, "openai", model, (input_tokens, output_tokens))


CHAT = Endpoint(
    client="OpenAI",
    name="chat.completions",
    method="chat.completions.create",
    arguments={"model": MODEL, "messages": ASKED},
    stream={"stream": True},
    counted={"stream_options": {"include_usage": True}},
    helper="chat.completions.stream",
    parse="chat.completions.parse",
    parse_arguments={"response_format": Answer},
    expected=expected("chat", MODEL),
)
RESPONSES = Endpoint(
    client="OpenAI",
    name="responses",
    method="responses.create",
    arguments={"model": MODEL, "input": "Hello there"},
    stream={"stream": True},
    helper="responses.stream",
    parse="responses.parse",
    parse_arguments={"text_format": Answer},
    expected=expected("chat", MODEL),
)
COMPLETIONS = Endpoint(
    client="OpenAI",
    name="completions",
    method="completions.create",
    arguments={"model": "gpt-3.5-turbo-instruct", "prompt": "Hello there"},
    stream={"stream": True},
    counted=CHAT.counted,
    expected=expected("text_completion", "gpt-3.5-turbo-instruct"),
)
EMBEDDINGS = Endpoint(
    client="OpenAI",
    name="embeddings",
    method="embeddings.create",
    arguments={"model": "text-embedding-3-small", "input": "Hello there"},
    expected=expected("embeddings", "text-embedding-3-small", 120, None),
)


def _with_tools(endpoint: Endpoint, tool: dict[str, Any]) -> Endpoint:
    arguments = {**endpoint.arguments, "tools": [tool]}
    return replace(endpoint, name=f"{endpoint.name}, tools", arguments=arguments, parse=None)


ENDPOINTS = (
    CHAT,
    _with_tools(CHAT, {"type": "function", "function": TOOL}),
    replace(CHAT, name="chat.completions, 3 choices", arguments={**CHAT.arguments, "n": 3}, parse=None),
    RESPONSES,
    _with_tools(RESPONSES, {"type": "function", "strict": True, **TOOL}),
    replace(
        RESPONSES,
        name="responses, in a conversation",
        arguments={**RESPONSES.arguments, "conversation": "conv_1"},
        helper=None,
        parse=None,
    ),
    COMPLETIONS,
    EMBEDDINGS,
    Endpoint(
        client="OpenAI",
        name="responses.compact",
        method="responses.compact",
        arguments={"model": MODEL, "input": "Hello there"},
        expected=expected("compaction", MODEL),
    ),
    Endpoint(
        client="OpenAI",
        name="responses.retrieve, made in the background",
        method="responses.retrieve",
        arguments={"response_id": Fresh("resp_")},
        polled=True,
        expected=expected("fetch_response", MODEL),
    ),
    Endpoint(
        client="OpenAI",
        name="responses.input_tokens",
        method="responses.input_tokens.count",
        arguments={"model": MODEL, "input": "Hello there"},
        expected=expected("count_tokens", MODEL, None, None),
    ),
    Endpoint(
        client="OpenAI",
        name="images.generate",
        method="images.generate",
        arguments={"model": "gpt-image-1", "prompt": "A cat"},
        stream={"stream": True, "partial_images": 2},
        expected=expected("image_generation", "gpt-image-1"),
    ),
    Endpoint(
        client="OpenAI",
        name="images.edit",
        method="images.edit",
        arguments={"model": "gpt-image-1", "image": PICTURE, "prompt": "A cat"},
        stream={"stream": True, "partial_images": 2},
        expected=expected("image_edit", "gpt-image-1"),
    ),
    Endpoint(
        client="OpenAI",
        name="audio.transcriptions",
        method="audio.transcriptions.create",
        arguments={"model": "gpt-4o-transcribe", "file": SOUND},
        stream={"stream": True},
        expected=expected("transcription", "gpt-4o-transcribe"),
    ),
    Endpoint(
        client="OpenAI",
        name="audio.transcriptions, with speakers",
        method="audio.transcriptions.create",
        arguments={
            "model": "gpt-4o-transcribe-diarize",
            "file": SOUND,
            "response_format": "diarized_json",
            "chunking_strategy": "auto",
        },
        stream={"stream": True},
        expected=expected("transcription", "gpt-4o-transcribe-diarize"),
    ),
    Endpoint(
        client="OpenAI",
        name="audio.translations",
        method="audio.translations.create",
        arguments={"model": "whisper-1", "file": SOUND},
        expected=expected("translation", "whisper-1", None, None),
    ),
    Endpoint(
        client="OpenAI",
        name="audio.speech",
        method="audio.speech.create",
        arguments={"model": "gpt-4o-mini-tts", "input": "Hello there", "voice": "alloy"},
        binary=True,
        expected=expected("speech", "gpt-4o-mini-tts", None, None),
    ),
    Endpoint(
        client="OpenAI",
        name="moderations",
        method="moderations.create",
        arguments={"model": "omni-moderation-latest", "input": "Hello there"},
        expected=expected("moderation", "omni-moderation-latest", None, None),
    ),
    Endpoint(
        client="OpenAI",
        name="batches.create",
        method="batches.create",
        arguments={"endpoint": "/v1/chat/completions", "input_file_id": "file-1", "completion_window": "24h"},
        expected=expected("batch", None, None, None),
    ),
    Endpoint(
        client="OpenAI",
        name="batches.retrieve, ended",
        method="batches.retrieve",
        arguments={"batch_id": Fresh("batch_")},
        polled=True,
        expected=expected("batch", MODEL),
    ),
    Endpoint(
        client="OpenAI",
        name="files.create, for a batch",
        method="files.create",
        arguments={"file": ("requests.jsonl", b"{}"), "purpose": "batch"},
        polled=True,
        expected=expected("file_upload", None, None, None),
    ),
    Endpoint(
        client="OpenAI",
        name="models.list, no call to a model",
        method="models.list",
        arguments={},
        polled=True,
        expected=replace(expected("none", None), spans=0),
    ),
)
# Until 1.92 the two methods were found under `beta` only.
BETA = replace(
    CHAT, name="beta.chat.completions", helper="beta.chat.completions.stream", parse="beta.chat.completions.parse"
)
ON_AZURE = (CHAT, RESPONSES, EMBEDDINGS)


def cells() -> Iterator[Cell]:
    for endpoint in ENDPOINTS:
        yield from stainless(endpoint)
    yield from helpers(BETA)
    for endpoint in ON_AZURE:
        on_azure = replace(endpoint.expected, provider="azure.ai.openai")
        yield from stainless(replace(endpoint, client="AzureOpenAI", expected=on_azure))
