"""How many tokens a call may use, before it is sent: its input by its text, its output by what calls like it used."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vigilo import semconv
from vigilo.capture.call import NOTHING, Usage
from vigilo.policy.pricing import call_cost, context_window
from vigilo.policy.quota.rules import NANO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vigilo.capture.call import Request

DEFAULT_OUTPUT: Final = 4096
"""Tokens that an answer of a model may have that nothing is known of; reserving the most that the model can write
would refuse nearly every call."""
OF_MEDIA: Final = {"image": 1100, "audio": 1500, "video": 5000, "document": 4000}
"""Tokens of what is no text, whose size is not known: a large picture, a minute of sound, 20 s of film, some pages."""
MAX_CHARS: Final = 16_384
"""As much text of a request is looked at; the rest counts like it."""
MAX_CHARS_OF_A_TEXT: Final = 8_192
_PER_MESSAGE: Final = 4
_PER_FIELD: Final = 2
_MAX_DEPTH: Final = 12
_FRAME: Final = frozenset({"role", "type", "id", "modality", "mime_type", "file_id", "uri"})
"""Fields of messages and parts that are no text of theirs."""
_SENT: Final = frozenset({"arguments", "response", "parameters"})
"""Fields whose values are sent as they are."""

WRITING: Final = frozenset({"chat", "generate_content", "text_completion", "invoke_agent", "compaction"})
"""Operations that answer with text."""
COUNTED_IN_TOKENS: Final = WRITING | {"embeddings", "create_cache"}
"""Operations whose input is text."""


class Estimate(NamedTuple):
    """Tokens, and their prices in billionths of a US dollar; 0 where no price is known."""

    input_tokens: int
    output_tokens: int
    input_cost: int = 0
    cost: int = 0


# Bytes of UTF-8 by kind: digit, sign, first byte of a character that is not ASCII, and anything else.
_KINDS: Final = bytes(
    ord("0") if 48 <= byte < 58
    else ord("u") if byte >= 0xC0
    else ord(".") if 32 < byte < 127 and not chr(byte).isalpha()
    else ord(" ")
    for byte in range(256)
)  # fmt: skip
_LETTERS: Final = bytes(ord("a") if byte < 128 and chr(byte).isalpha() else ord(" ") for byte in range(256))


def text_tokens(text: str) -> float:
    """About how many tokens a text has: a word one for each 7 letters, a number one for each 3 digits, each sign one.

    Measured against GPT-4o's own counts it is 1.07 of them for English, 1.2 to 1.3 for code, JSON and Chinese.
    """
    length = len(text)
    if length > MAX_CHARS_OF_A_TEXT:
        half = MAX_CHARS_OF_A_TEXT // 2
        return text_tokens(text[:half] + text[-half:]) * length / MAX_CHARS_OF_A_TEXT
    data = text.encode("utf-8", "surrogatepass")
    kinds = data.translate(_KINDS)
    others = 0.8 * kinds.count(b"u") if len(data) != length else 0.0
    letters = b" " + data.translate(_LETTERS)
    # Each 7 letters of a word are a token, and so is what is left of it.
    words = letters.replace(b"aaaaaaa", b"b")
    tokens = (
        (len(letters) - len(words)) // 6
        + words.count(b" a")
        + words.count(b"ba")
        + kinds.count(b"0") / 3
        + kinds.count(b".")
        + others
    )
    return max(tokens, len(data) / 4)


def input_tokens(request: Request) -> int:
    """About how many tokens are sent to the model; 1 at the least."""
    pieces: list[str] = []
    tokens = _PER_MESSAGE * len(request.input) + _gather((request.input, request.system, request.tools), pieces, 0)
    return max(1, round(tokens + _of_texts(pieces)))


def written_tokens(output: Iterable[Any]) -> int:
    """About how many tokens the messages of an answer have; 0 for none."""
    pieces: list[str] = []
    tokens = _gather(tuple(output), pieces, 0)
    return round(tokens + _of_texts(pieces))


def _of_texts(pieces: list[str]) -> float:
    tokens = 0.0
    looked_at = left = 0
    for text in pieces:
        if looked_at < MAX_CHARS:
            looked_at += len(text)
            tokens += text_tokens(text)
        else:
            left += len(text)
    return tokens * (looked_at + left) / looked_at if left else tokens


def _gather(value: Any, pieces: list[str], depth: int, is_sent: bool = False) -> int:
    """Notes the texts in a value; returns the tokens of all else in it.

    ``is_sent``: whether it is sent as it is, names of fields and all, as the parameters of a tool are.
    """
    if isinstance(value, str):
        if value.startswith("data:"):
            return OF_MEDIA["image"]
        pieces.append(value)
        return 0
    if isinstance(value, dict):
        modality = value.get("modality")
        if modality is not None and value.get("type") in ("blob", "uri", "file"):
            return OF_MEDIA.get(modality, OF_MEDIA["document"])
        if depth >= _MAX_DEPTH:
            return 0
        if is_sent:
            return _PER_FIELD * len(value) + sum([_gather(item, pieces, depth + 1, True) for item in value.values()])
        return sum(
            [_gather(item, pieces, depth + 1, name in _SENT) for name, item in value.items() if name not in _FRAME]
        )
    if isinstance(value, (list, tuple)):
        return sum([_gather(item, pieces, depth + 1, is_sent) for item in value]) if depth < _MAX_DEPTH else 0
    return 0 if value is None else 1


class Outputs:
    """What answers used lately, by provider, model and user: of each the latest, and of many the ones used last."""

    def __init__(self, keeps: int = 1024, samples: int = 64, least: int = 8) -> None:
        """Keeps a kilobyte for each of ``keeps`` places.

        Args:
            keeps: how many providers, models and users are known.
            samples: how many answers of each.
            least: how many answers tell something.
        """
        self._keeps, self._samples, self._least = keeps, samples, least
        self._known: OrderedDict[tuple[str, ...], _Lately] = OrderedDict()
        # Finalizers learn as well, in the middle of anything.
        self._lock = threading.RLock()

    def learn(self, provider: str, model: str, user: str | None, tokens: int) -> None:
        """Notes what an answer used."""
        with self._lock:
            for key in ((provider, model), (provider, model, user)) if user else ((provider, model),):
                lately = self._known.get(key)
                if lately is None:
                    lately = self._known[key] = _Lately(self._samples)
                    while len(self._known) > self._keeps:
                        self._known.popitem(last=False)
                self._known.move_to_end(key)
                lately.add(tokens)

    def high(self, provider: str, model: str, user: str | None) -> int | None:
        """What 95 of 100 answers stay below, of this user where that is known; None where too few are."""
        for key in ((provider, model, user), (provider, model)) if user else ((provider, model),):
            lately = self._known.get(key)
            if lately is not None and len(lately.tokens) >= self._least:
                with self._lock:
                    return lately.high()
        return None

    def forget(self) -> None:
        """As if nothing had been called yet."""
        self._known = OrderedDict()

    def unlock(self) -> None:
        """For a forked process, in which nobody is learning."""
        self._lock = threading.RLock()


class _Lately:
    __slots__ = ("_high", "tokens")

    def __init__(self, samples: int) -> None:
        self.tokens: deque[int] = deque(maxlen=samples)
        self._high: int | None = None

    def add(self, tokens: int) -> None:
        self.tokens.append(tokens)
        self._high = None

    def high(self) -> int:
        if self._high is None:
            ordered = sorted(self.tokens)
            self._high = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
        return self._high


outputs: Final = Outputs()
"""What the settled calls of this process used."""


def output_tokens(request: Request, user: str | None, unknown: int = DEFAULT_OUTPUT) -> int:
    """How many tokens the answer may have: as the request limits it, else as answers of the model were so far.

    ``unknown``: what it is where nothing is known.
    """
    wanted = request.parameters.get(semconv.REQUEST_CHOICE_COUNT)
    answers = wanted if isinstance(wanted, int) and wanted > 0 else 1
    allowed = request.parameters.get(semconv.REQUEST_MAX_TOKENS)
    if isinstance(allowed, int) and not isinstance(allowed, bool) and allowed >= 0:
        return allowed * answers
    model = request.model or ""
    learned = outputs.high(request.provider, model, user)
    if learned is None:
        if request.operation not in WRITING:
            return 0
        bound = unknown
    else:
        bound = min(DEFAULT_OUTPUT, learned * 3 // 2)
        answers = 1  # they were learned as they are asked for
    most = _most(request.provider, model)
    return (bound if most is None else min(bound, most)) * answers


_MOST_FOR_S: Final = 60.0
_MAX_MODELS: Final = 256
_known_most: Final[dict[tuple[str, str], tuple[int | None, float]]] = {}


def _most(provider: str, model: str) -> int | None:
    """The most that a model writes, looked up once a minute; None where that is not known."""
    now_s = time.monotonic()
    known = _known_most.get((provider, model))
    if known is not None and now_s < known[1]:
        return known[0]
    window = context_window(provider, model) if model else None
    most = window.max_output_tokens if window is not None else None
    if len(_known_most) >= _MAX_MODELS:
        _known_most.clear()
    _known_most[provider, model] = (most, now_s + _MOST_FOR_S)
    return most


def estimate(
    request: Request, user: str | None, at_unix_s: float, unknown: int = DEFAULT_OUTPUT, *, priced: bool
) -> Estimate:
    """What a call may use. ``unknown``: as of :func:`output_tokens`; ``priced``: whether its price is wanted too."""
    asked, answered = input_tokens(request), output_tokens(request, user, unknown)
    if request.operation not in COUNTED_IN_TOKENS and request.operation not in _PARTLY:
        asked = 0  # paid by the piece, by characters or by seconds
    if not priced:
        return Estimate(asked, answered)
    if request.billed is not NOTHING:
        cost = cost_of(request, request.billed, at_unix_s)
        return Estimate(asked, answered, cost, cost)
    if request.operation in _MADE and (cost := cost_of(request, _MADE_ONE, at_unix_s)):
        return Estimate(asked, answered, 0, cost)
    return Estimate(
        asked,
        answered,
        cost_of(request, Usage(input_tokens=asked, output_tokens=0), at_unix_s),
        cost_of(request, Usage(input_tokens=asked, output_tokens=answered), at_unix_s),
    )


_MADE: Final = frozenset({"image_generation", "image_edit"})
_MADE_ONE: Final = Usage(output_images=1)
_PARTLY: Final = _MADE | {"moderation"}
"""Operations whose input is text that some models count in tokens."""


def cost_of(request: Request, usage: Usage, at_unix_s: float) -> int:
    """The price of so much at the list price, in billionths of a US dollar, rounded up; 0 where none is known."""
    name = request.billed_as or request.model
    cost = call_cost(request.provider, name, usage, None, at_unix_s) if name else None
    return 0 if cost is None else -(-cost.amount * NANO // cost.card.per)


def forget() -> None:
    """As if nothing had been called yet. For tests."""
    outputs.forget()
    _known_most.clear()


if hasattr(os, "register_at_fork"):
    # Another thread may have been learning: the lock is as it was then.
    os.register_at_fork(after_in_child=outputs.unlock)
