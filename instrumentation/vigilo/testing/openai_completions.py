"""The wire of OpenAI's legacy Completions.

Shapes: the API reference of OpenAI, "Create completion" (2026-11).
"""

from __future__ import annotations

import time

from vigilo.testing.completion import Completion, Prompt, complete
from vigilo.testing.openai_usage import chat_usage
from vigilo.testing.wire import Answer, Call, Json, server_sent_event, streamed, whole


def completions(call: Call) -> Answer:
    """``POST /completions``: one answer for each prompt, as often as asked for."""
    given = call.body["prompt"]
    texts = (given,) if isinstance(given, str) else tuple(str(text) for text in given)
    prompt = Prompt(model=call.body["model"], texts=texts, last_user=texts[-1] if texts else "")
    made = complete(prompt, call.reply)
    base = {
        "id": f"cmpl-{call.number:06}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": made.model,
        "system_fingerprint": "fp_0a1b2c3d4e",
    }
    choices = call.body.get("n") or 1
    if call.body.get("stream"):
        with_usage = bool((call.body.get("stream_options") or {}).get("include_usage"))
        return streamed(_events(base, made, choices, with_usage))
    said = [_choice(index, made.text, made.finish_reason) for index in range(choices)]
    return whole({**base, "choices": said, "usage": chat_usage(made.usage)})


def _choice(index: int, text: str, finish_reason: str | None) -> Json:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _events(base: Json, made: Completion, choices: int, with_usage: bool) -> list[bytes]:
    if with_usage:
        base = {**base, "usage": None}
    last = len(made.pieces) - 1
    events = [
        server_sent_event({**base, "choices": [_choice(index, piece, made.finish_reason if at == last else None)]})
        for at, piece in enumerate(made.pieces)
        for index in range(choices)
    ]
    if with_usage:
        events.append(server_sent_event({**base, "choices": [], "usage": chat_usage(made.usage)}))
    return [*events, server_sent_event("[DONE]")]
