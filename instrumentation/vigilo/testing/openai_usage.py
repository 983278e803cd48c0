"""Token counts as OpenAI's endpoints write them: prompt and completion in the older, input and output in the newer.

Shapes: the API reference of OpenAI, "The chat completion object", "The response object" (2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigilo.capture.call import Usage
    from vigilo.testing.wire import Json


def chat_usage(usage: Usage) -> Json:
    """``usage`` of chat completions and legacy completions."""
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    details: Json = {"cached_tokens": usage.cache_read_tokens or 0, "audio_tokens": usage.input_audio_tokens or 0}
    if usage.cache_write_tokens is not None:
        details["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": usage.output_reasoning_tokens or 0,
            "audio_tokens": usage.output_audio_tokens or 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def responses_usage(usage: Usage) -> Json:
    """``usage`` of responses and of batches."""
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": usage.output_reasoning_tokens or 0},
        "total_tokens": asked + said,
    }


def image_usage(usage: Usage) -> Json:
    """``usage`` of images: what is no image is text."""
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    given = usage.input_image_tokens or 0
    made = said if usage.output_image_tokens is None else usage.output_image_tokens
    return {
        "input_tokens": asked,
        "input_tokens_details": {"image_tokens": given, "text_tokens": asked - given},
        "output_tokens": said,
        "output_tokens_details": {"image_tokens": made, "text_tokens": said - made},
        "total_tokens": asked + said,
    }


def audio_usage(usage: Usage) -> Json:
    """``usage`` of transcriptions that are paid by token: all that goes in is sound unless told otherwise."""
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    heard = asked if usage.input_audio_tokens is None else usage.input_audio_tokens
    return {
        "type": "tokens",
        "input_tokens": asked,
        "input_token_details": {"audio_tokens": heard, "text_tokens": asked - heard},
        "output_tokens": said,
        "total_tokens": asked + said,
    }


def realtime_usage(usage: Usage) -> Json:
    """``usage`` of a response in a realtime session: what is no sound is text."""
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    heard, spoken, cached = usage.input_audio_tokens or 0, usage.output_audio_tokens or 0, usage.cache_read_tokens or 0
    return {
        "total_tokens": asked + said,
        "input_tokens": asked,
        "output_tokens": said,
        "input_token_details": {
            "text_tokens": asked - heard,
            "audio_tokens": heard,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {"text_tokens": cached, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": said - spoken, "audio_tokens": spoken},
    }
