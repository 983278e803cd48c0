"""One LLM call as plain values: what was asked, what came back, what it used.

Nothing here knows OpenTelemetry or a provider's SDK, so every stage of a call's way can be tested with literals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Part: TypeAlias = dict[str, Any]
"""One part of a message in the conventions' JSON: ``{"type": "text", "content": ...}``."""

Message: TypeAlias = dict[str, Any]
"""``{"role": str, "parts": list[Part]}``; answers also have ``finish_reason``."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What is billed of one call. ``None``: the provider did not say. Totals contain their parts.

    ``cache_read_tokens``, ``cache_write_tokens``, ``input_audio_tokens``, ``input_image_tokens`` and
    ``input_video_tokens`` lie inside ``input_tokens``; ``cache_write_1h_tokens`` lies inside ``cache_write_tokens``;
    ``cache_audio_read_tokens`` lies inside both ``cache_read_tokens`` and ``input_audio_tokens``, as
    ``cache_image_read_tokens`` does with images; ``output_reasoning_tokens``, ``output_audio_tokens`` and
    ``output_image_tokens`` lie inside ``output_tokens``.

    Beside tokens: seconds of sound that were transcribed, characters that were said, images that were made, and calls
    of the provider's own search tools.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_reasoning_tokens: int | None = None
    output_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    cache_audio_read_tokens: int | None = None
    cache_image_read_tokens: int | None = None
    input_video_tokens: int | None = None
    input_audio_seconds: float | None = None
    input_characters: int | None = None
    output_images: int | None = None
    web_searches: int | None = None
    file_searches: int | None = None


NOTHING: Final = Usage()
"""Nothing was counted."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for; only what was really sent.

    ``parameters`` maps attribute names of the conventions to values. ``input`` and ``system`` are the conversation as
    the conventions' message JSON, not masked yet; ``tools`` the tool definitions as sent. ``billed`` is what the
    request itself tells of its bill, where the answer tells nothing (characters to be said); ``billed_as`` the name of
    the price where it depends on more than the model: ``dall-e-3/hd/1024x1792``. ``account``: tells calls with one key
    of the provider's from those with another, which have limits of their own; the key cannot be told from it.
    """

    operation: str
    provider: str
    model: str | None
    parameters: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    conversation_id: str | None = None
    input: tuple[Message, ...] = ()
    system: tuple[Part, ...] = ()
    tools: tuple[Part, ...] = ()
    server_address: str | None = None
    server_port: int | None = None
    billed: Usage = NOTHING
    billed_as: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, whole or put together from a stream.

    ``usage_estimated``: the counts are vigilo's own estimate, since the provider gave none. ``billed``: the same tokens
    as the provider bills them, with the model of each part, where several inferences make one answer (a batch, an
    advisor, a compaction); empty where ``usage`` is one inference of ``model``. ``cost_usd``: what the provider itself
    says that the call cost. ``error``: kind and message of an error that came as if it were an answer.
    ``attributes``: further span attributes by name.
    """

    id: str | None = None
    model: str | None = None
    finish_reasons: tuple[str, ...] = ()
    usage: Usage = NOTHING
    output: tuple[Message, ...] = ()
    service_tier: str | None = None
    usage_estimated: bool = False
    billed: tuple[tuple[str | None, Usage], ...] = ()
    cost_usd: float | None = None
    error: tuple[str, str] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
