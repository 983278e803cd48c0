"""What others add to OpenAI's Chat Completions: reasoning, prices, and usage and errors in places of their own.

Sources: the API references of DeepSeek (``reasoning_content``, cache hits), Groq (``x_groq``), Mistral (``thinking``),
Moonshot (``cached_tokens``, usage in a choice), OpenRouter (``reasoning``, "Usage accounting", "Errors"), Perplexity
(``usage.cost``) and xAI (``cost_in_usd_ticks``, reasoning beside the completion), all of 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.capture.parse.endpoint import count, read

if TYPE_CHECKING:
    from vigilo.capture.call import Part

_NOTHING: dict[str, Any] = {}
_TICKS_PER_USD = 10_000_000_000


def extra(source: Any, name: str) -> Any:
    """A field that the SDK's class need not declare; a good deal faster than ``getattr`` where there is none."""
    if isinstance(source, dict):
        return source.get(name)
    value = source.__dict__.get(name)
    return (getattr(source, "__pydantic_extra__", None) or {}).get(name) if value is None else value


def thoughts_of(said: Any) -> list[Part]:
    """The reasoning in a message that has it in a field of its own."""
    return [{"type": "reasoning", "content": text}] if (text := _thought(said)) else []


def thinking_part(block: Any) -> Part:
    """Mistral's block of reasoning: a text, or a list of texts."""
    inside = read(block, "thinking")
    texts = [inside] if isinstance(inside, str) else [read(text, "text") or "" for text in inside or ()]
    return {"type": "reasoning", "content": "".join(texts)}


class Thoughts:
    """The reasoning in the pieces of a stream, by choice."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[str]] = {}

    def add(self, index: int, delta: Any, *, keep: bool) -> int:
        """Notes the reasoning in a piece without text, and says how many characters it has."""
        text = _thought(delta)
        if not text and isinstance(blocks := extra(delta, "content"), list):
            text = "".join(thinking_part(block)["content"] for block in blocks)
        if text and keep:
            self._pieces.setdefault(index, []).append(text)
        return len(text)

    def parts(self, index: int) -> list[Part]:
        """What one choice thought, as at most one part."""
        pieces = self._pieces.get(index)
        return [{"type": "reasoning", "content": "".join(pieces)}] if pieces else []


def _thought(said: Any) -> str:
    if said is None:
        return ""
    if isinstance(said, dict):
        text = said.get("reasoning_content") or said.get("reasoning")
    else:  # runs once a chunk, so without a call for each of the four places
        own, more = said.__dict__, getattr(said, "__pydantic_extra__", None) or _NOTHING
        text = more.get("reasoning_content") or more.get("reasoning")
        text = text or own.get("reasoning_content") or own.get("reasoning")
    return text if isinstance(text, str) else ""


def stray_usage(chunk: Any, choice: Any) -> Any:
    """The usage of a stream whose last chunk does not have it where OpenAI's has."""
    return extra(choice, "usage") or read(extra(chunk, "x_groq"), "usage")


def cached(usage: Any, details: Any) -> int | None:
    """Tokens read from a cache, which some tell without details."""
    for source, name in ((details, "cached_tokens"), (usage, "prompt_cache_hit_tokens"), (usage, "cached_tokens")):
        if (tokens := count(source, name)) is not None:
            return tokens
    return None


def made(usage: Any) -> int | None:
    """All tokens of the output. Some leave reasoning out of the completion, but none out of the total."""
    asked, completion, total = (count(usage, f"{kind}_tokens") for kind in ("prompt", "completion", "total"))
    if asked is None or completion is None or total is None:
        return completion
    return max(completion, total - asked)


def cost_usd(usage: Any) -> float | None:
    """What the provider says that the call cost; a model of one's own contract is paid beside the router."""
    if usage is None:
        return None
    if (ticks := count(usage, "cost_in_usd_ticks")) is not None:
        return ticks / _TICKS_PER_USD
    cost = read(usage, "cost")
    paid = _number(cost) if _number(cost) is not None else _number(read(cost, "total_cost"))
    if paid is not None and read(usage, "is_byok"):
        paid += _number(read(read(usage, "cost_details"), "upstream_inference_cost")) or 0.0
    return paid


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def told_error(body: Any, choices: Any) -> tuple[str, str] | None:
    """Kind and message of an error that came with status 200: of the whole answer, or of a choice that broke off."""
    error = read(body, "error") if not choices else None
    for choice in choices or ():
        if read(choice, "finish_reason") == "error":
            error = extra(choice, "error") or {"message": "the provider ended the answer with an error"}
    if not error:
        return None
    kind = read(error, "code") or read(error, "type") or "error"
    return str(kind), str(read(error, "message") or error)
