"""The rates of one model in integers, and the price of a call by them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vigilo.capture.call import Usage

Rates: TypeAlias = "Mapping[str, Decimal]"
"""US dollars per million tokens by field of ``Usage``; ``REQUEST`` is US dollars per thousand requests."""

REQUEST = "request"
CACHED_AUDIO = "cache_audio_read_tokens"
TOKEN_FIELDS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "output_reasoning_tokens",
    "output_audio_tokens",
)
_LEAST_DECIMALS = 3  # $ per million tokens with three decimals is whole nano-dollars per token
# The app may have set its own decimal context, and a sum of many calls must not be rounded by it.
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Tier:
    """What each token adds to the price when the input has more than ``above`` tokens.

    A part adds what it costs beyond the tokens that it lies in: with input at 10 and cache reads at 4, ``cache_read``
    is -6. So the price is one sum of products. All numbers are in the unit of the card.
    """

    above: int
    request: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    input_audio: int
    output_reasoning: int
    output_audio: int


@dataclass(frozen=True, slots=True)
class RateCard:
    """The rates of one model, valid in a span of time.

    ``tiers`` has the highest threshold first and ends with the rates from the first token on. The unit of all amounts
    is ``10 ** -decimals`` US dollars, chosen so that every rate is a whole number: 9 for nearly all models.
    ``rated`` names the token counts that have rates of their own.
    """

    tiers: tuple[Tier, ...]
    decimals: int
    rated: frozenset[str]
    valid_from_unix_s: float = float("-inf")
    valid_until_unix_s: float = float("inf")

    def usd(self, usage: Usage) -> Decimal:
        """The exact price of a call in US dollars.

        A tier's rates hold for all tokens of the call as soon as the whole input, cached tokens included, is above
        its threshold: that is how the providers bill.

        Raises:
            ValueError: the counts contradict each other, or do not tell enough.
        """
        whole = usage.input_tokens or 0
        out = usage.output_tokens or 0
        read = usage.cache_read_tokens or 0
        write = usage.cache_write_tokens or 0
        write_1h = usage.cache_write_1h_tokens or 0
        audio_in = usage.input_audio_tokens or 0
        reasoning = usage.output_reasoning_tokens or 0
        audio_out = usage.output_audio_tokens or 0
        if (
            not (
                0 <= write_1h <= write
                and 0 <= read <= whole - write
                and 0 <= audio_in <= whole
                and 0 <= reasoning <= out
                and 0 <= audio_out <= out
            )
            or (audio_in and (read or write))
            or (reasoning and audio_out)
        ):
            self._check(usage)
        tier = self.tiers[0]
        if whole <= tier.above:
            tier = next(tier for tier in self.tiers if whole > tier.above)
        amount = tier.request + tier.input * whole + tier.output * out
        if read or write:
            amount += tier.cache_read * read + tier.cache_write * write + tier.cache_write_1h * write_1h
        if audio_in or reasoning or audio_out:
            amount += tier.input_audio * audio_in + tier.output_reasoning * reasoning + tier.output_audio * audio_out
        return _EXACT.scaleb(Decimal(amount), -self.decimals)

    def _check(self, usage: Usage) -> None:
        """Says what is wrong; counts that overlap are fine where the rates do not tell them apart."""
        counts = {name: getattr(usage, name) or 0 for name in TOKEN_FIELDS}
        for name, count in counts.items():
            if count < 0:
                raise ValueError(f"{name} is {count}; token counts are 0 or more")
        for part, whole in _WHOLE_OF.items():
            if part != CACHED_AUDIO and counts[part] > counts[whole]:
                raise ValueError(f"{part} ({counts[part]}) is more than the {whole} ({counts[whole]}) that contain it")
        cached = counts["cache_read_tokens"] + counts["cache_write_tokens"]
        if cached > counts["input_tokens"]:
            raise ValueError(
                f"cache_read_tokens and cache_write_tokens ({cached}) are more than the input_tokens "
                f"({counts['input_tokens']}) that contain them"
            )
        if CACHED_AUDIO in self.rated and counts["input_audio_tokens"] and counts["cache_read_tokens"]:
            raise ValueError(
                "cached audio has a price of its own, and the counts do not tell how much audio was cached"
            )
        for whole, parts in _DISJOINT.items():
            told = sum(counts[part] for part in parts if part in self.rated)
            if told > counts[whole]:
                raise ValueError(f"{' and '.join(parts)} ({told}) are more than the {whole} ({counts[whole]})")


_WHOLE_OF = {
    "cache_read_tokens": "input_tokens",
    "cache_write_tokens": "input_tokens",
    "cache_write_1h_tokens": "cache_write_tokens",
    "input_audio_tokens": "input_tokens",
    CACHED_AUDIO: "input_audio_tokens",
    "output_reasoning_tokens": "output_tokens",
    "output_audio_tokens": "output_tokens",
}
_DISJOINT = {
    "input_tokens": ("cache_read_tokens", "cache_write_tokens", "input_audio_tokens"),
    "output_tokens": ("output_reasoning_tokens", "output_audio_tokens"),
}


def rate_card(
    tiers: Mapping[int, Rates],
    valid_from_unix_s: float = float("-inf"),
    valid_until_unix_s: float = float("inf"),
) -> RateCard:
    """Makes a card of rates.

    Args:
        tiers: the full rates by the number of input tokens above which they hold; the rates from the first token on
            have the key -1.
        valid_from_unix_s: first instant at which the rates hold.
        valid_until_unix_s: first instant at which they no longer hold.
    """
    decimals = _LEAST_DECIMALS
    for rates in tiers.values():
        for rate in rates.values():
            decimals = max(decimals, -int(rate.as_tuple().exponent))
    return RateCard(
        tuple(_tier(above, tiers[above], decimals) for above in sorted(tiers, reverse=True)),
        decimals + 6,
        frozenset(name for rates in tiers.values() for name in rates),
        valid_from_unix_s,
        valid_until_unix_s,
    )


def _tier(above: int, rates: Rates, decimals: int) -> Tier:
    def whole(name: str) -> int:
        return int(_EXACT.scaleb(rates[name], decimals)) if name in rates else 0

    def beyond(name: str) -> int:
        """Nothing where a part has no rate: it is billed as the tokens that it lies in."""
        if name not in rates:
            return 0
        around = _WHOLE_OF[name]
        while around not in rates and around in _WHOLE_OF:
            around = _WHOLE_OF[around]
        return whole(name) - whole(around)

    return Tier(
        above=above,
        request=whole(REQUEST) * 1000,  # a thousand requests against a million tokens
        input=whole("input_tokens"),
        output=whole("output_tokens"),
        cache_read=beyond("cache_read_tokens"),
        cache_write=beyond("cache_write_tokens"),
        cache_write_1h=beyond("cache_write_1h_tokens"),
        input_audio=beyond("input_audio_tokens"),
        output_reasoning=beyond("output_reasoning_tokens"),
        output_audio=beyond("output_audio_tokens"),
    )
