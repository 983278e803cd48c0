"""The rates of one model in integers, and the price of a call by them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from math import lcm
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    from vigilo.capture.call import Usage

Steps: TypeAlias = "tuple[tuple[int, Fraction], ...]"
"""A rate in US dollars for one piece: pairs of the number of input tokens above which it holds, and the rate. The first
threshold is ``FROM_THE_FIRST``; the others rise."""

FROM_THE_FIRST: Final = -1
REQUEST: Final = "request"
SECONDS: Final = "input_audio_seconds"

WITHIN: Final[dict[str, tuple[str, ...]]] = {
    "input_tokens": (),
    "output_tokens": (),
    "cache_read_tokens": ("input_tokens",),
    "cache_write_tokens": ("input_tokens",),
    "cache_write_1h_tokens": ("cache_write_tokens", "input_tokens"),
    "input_audio_tokens": ("input_tokens",),
    "input_image_tokens": ("input_tokens",),
    "input_video_tokens": ("input_tokens",),
    "cache_audio_read_tokens": ("cache_read_tokens", "input_audio_tokens", "input_tokens"),
    "cache_image_read_tokens": ("cache_read_tokens", "input_image_tokens", "input_tokens"),
    "output_reasoning_tokens": ("output_tokens",),
    "output_audio_tokens": ("output_tokens",),
    "output_image_tokens": ("output_tokens",),
}
"""The counts of tokens, and for each the counts that contain it, the closest first."""
TOKEN_FIELDS: Final = tuple(WITHIN)
MEDIA_FIELDS: Final = (SECONDS, "input_characters", "output_images")
FEE_FIELDS: Final = ("web_searches", "file_searches")
"""Billed beside the tokens: where one is reported that has no rate, the price of the call is not known."""

_FAST_FIELDS = frozenset(
    {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", REQUEST}
)
_KINDS = frozenset(
    {
        "input_audio_tokens",
        "input_image_tokens",
        "input_video_tokens",
        "cache_audio_read_tokens",
        "cache_image_read_tokens",
        "output_audio_tokens",
        "output_image_tokens",
    }
)
_NO_CLIFF = 1 << 62
_LEAST_DECIMALS = 9
# The app may have set its own decimal context, and a sum of many calls must not be rounded by it.
_EXACT = Context(prec=200)
_ROUNDED = Context(prec=28)  # for what has no end in decimals: a rate by the hour is billed by the second


@dataclass(frozen=True, slots=True)
class Tier:
    """What each piece adds to the price when the input has more than ``above`` tokens.

    A part adds what it costs beyond the tokens that it lies in: with input at 10 and cache reads at 4, ``cache_read``
    is -6. So the price is one sum of products. All numbers are in the unit of the card. ``rates`` has them all by the
    fields of ``Usage``; the others are those of nearly every call.
    """

    above: int
    request: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    input_audio: int
    output_audio: int
    rates: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class RateCard:
    """The rates of one model, valid in a span of time; one without rates stands for a model that has no known price.

    ``tiers`` has the highest threshold first and ends with the rates from the first token on. The unit of all amounts
    is ``1 / per`` US dollars, chosen so that every rate is a whole number: a nano-dollar for nearly all models.
    ``rated`` names the counts that have rates of their own, ``leaves`` the sums of counts that are billed at one rate;
    ``least_seconds`` of sound are billed in any case.
    """

    tiers: tuple[Tier, ...]
    per: int
    decimals: int
    rated: frozenset[str]
    leaves: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    source: str
    snapshot: str
    valid_from_unix_s: float
    valid_until_unix_s: float
    least_seconds: int
    _base: Tier
    _cliff: int
    _tokens: bool
    _fast: bool
    _kinds: bool

    def amount(self, usage: Usage) -> int | None:
        """The price of a call in units of the card; None where what was used has no rate.

        A tier's rates hold for all tokens of the call as soon as the whole input, cached tokens included, is above
        its threshold: that is how the providers bill.

        Raises:
            ValueError: the counts contradict each other, or do not tell enough.
        """
        if not self._fast or usage.web_searches or usage.file_searches:
            return self._amount_of_all(usage)
        whole = usage.input_tokens or 0
        out = usage.output_tokens or 0
        read = usage.cache_read_tokens or 0
        write = usage.cache_write_tokens or 0
        if not (whole or out) and usage.input_tokens is None and usage.output_tokens is None:
            return None
        if read < 0 or write < 0 or out < 0 or read > whole - write:
            check(usage)
        tier = self._base if whole <= self._cliff else self._tier(whole)
        amount = tier.request + tier.input * whole + tier.output * out
        if read:
            amount += tier.cache_read * read
        if write:
            for_an_hour = usage.cache_write_1h_tokens or 0
            if not 0 <= for_an_hour <= write:
                check(usage)
            amount += tier.cache_write * write + tier.cache_write_1h * for_an_hour
        if self._kinds:
            heard, seen, watched = usage.input_audio_tokens, usage.input_image_tokens, usage.input_video_tokens
            spoken, drawn = usage.output_audio_tokens, usage.output_image_tokens
            if heard or spoken or seen or drawn or watched:
                if read or write or seen or drawn or watched:
                    return self._amount_of_all(usage)
                heard, spoken = heard or 0, spoken or 0
                if not (0 <= heard <= whole and 0 <= spoken <= out):
                    check(usage)
                amount += tier.input_audio * heard + tier.output_audio * spoken
        return amount

    def usd(self, usage: Usage) -> Decimal | None:
        """The exact price of a call in US dollars; None where what was used has no rate.

        Raises:
            ValueError: as :meth:`amount`.
        """
        amount = self.amount(usage)
        return None if amount is None else self.in_usd(amount)

    def in_usd(self, amount: int) -> Decimal:
        """An amount in US dollars: exact, or to 28 digits where its decimals have no end."""
        shifted = _EXACT.scaleb(Decimal(amount), -self.decimals)
        odd = self.per // 10**self.decimals
        return shifted if odd == 1 else _ROUNDED.divide(shifted, Decimal(odd))

    def _tier(self, whole: int) -> Tier:
        return next((tier for tier in self.tiers if whole > tier.above), self.tiers[-1])

    def _amount_of_all(self, usage: Usage) -> int | None:
        """The price by all rates there are."""
        if not self.rated or not self._rates_what_was_used(usage):
            return None
        tier = self._tier(usage.input_tokens or 0)
        amount = tier.request
        for name, rate in tier.rates:
            count = getattr(usage, name)
            if not count:
                continue
            if count < 0:
                check(usage)
            if name == SECONDS:
                count = round(max(count, self.least_seconds) * 1000)
            amount += rate * count
        self._check_overlaps(usage)
        return amount

    def _rates_what_was_used(self, usage: Usage) -> bool:
        """Whether there are rates for it. Sound and images beside tokens need none: they are the same thing twice."""
        if (usage.web_searches and "web_searches" not in self.rated) or (
            usage.file_searches and "file_searches" not in self.rated
        ):
            return False
        if self._tokens and (usage.input_tokens is not None or usage.output_tokens is not None):
            return True
        return any(name in self.rated and getattr(usage, name) is not None for name in MEDIA_FIELDS)

    def _check_overlaps(self, usage: Usage) -> None:
        if (
            (usage.cache_read_tokens or 0)
            + (usage.cache_write_tokens or 0)
            + (usage.input_audio_tokens or 0)
            + (usage.input_image_tokens or 0)
            + (usage.input_video_tokens or 0)
        ) <= (usage.input_tokens or 0) and (
            not (usage.cache_read_tokens or usage.cache_write_tokens or usage.output_reasoning_tokens)
            and (usage.output_audio_tokens or 0) + (usage.output_image_tokens or 0) <= (usage.output_tokens or 0)
        ):
            return  # nothing overlaps: the way of nearly all calls with sound or pictures
        for whole, parts in self.leaves:
            left = 0
            for name, sign in parts:
                if count := getattr(usage, name):
                    left += sign * count
            if left < 0:
                check(usage)
                told = [name for name, sign in parts if sign < 0 and getattr(usage, name)]
                raise ValueError(f"{' and '.join(told)} are more than the {whole} ({getattr(usage, whole) or 0})")
        if not (self._kinds and usage.cache_read_tokens):
            return
        for name in ("cache_audio_read_tokens", "cache_image_read_tokens"):
            kind = WITHIN[name][1]
            if name in self.rated and getattr(usage, name) is None and getattr(usage, kind):
                what = kind.split("_")[1]
                raise ValueError(f"cached {what} has its own price, and nothing tells how much {what} was cached")


def check(usage: Usage) -> None:
    """Says what is wrong with counts that cannot be.

    Raises:
        ValueError: one is negative, or a part is more than what contains it.
    """
    counts = {name: getattr(usage, name) or 0 for name in (*TOKEN_FIELDS, *MEDIA_FIELDS, *FEE_FIELDS)}
    for name, count in counts.items():
        if count < 0:
            raise ValueError(f"{name} is {count}; counts are 0 or more")
    for part, wholes in WITHIN.items():
        for whole in wholes:
            if counts[part] > counts[whole]:
                raise ValueError(f"{part} ({counts[part]}) is more than the {whole} ({counts[whole]}) that contain it")
    cached = counts["cache_read_tokens"] + counts["cache_write_tokens"]
    if cached > counts["input_tokens"]:
        raise ValueError(
            f"cache_read_tokens and cache_write_tokens ({cached}) are more than the input_tokens "
            f"({counts['input_tokens']}) that contain them"
        )


def rate_card(
    rates: Mapping[str, Steps],
    source: str = "",
    snapshot: str = "",
    valid_from_unix_s: float = float("-inf"),
    valid_until_unix_s: float = float("inf"),
    least_seconds: int = 0,
) -> RateCard:
    """Makes a card of rates.

    Args:
        rates: US dollars for one piece, by field of ``Usage`` or ``REQUEST``; seconds of sound for one second.
        source: who says so.
        snapshot: version and date of what says so.
        valid_from_unix_s: first instant at which the rates hold.
        valid_until_unix_s: first instant at which they no longer hold.
        least_seconds: of sound, billed where a call has any.
    """
    rates = {
        name: tuple((above, rate / 1000) for above, rate in steps) if name == SECONDS else steps
        for name, steps in rates.items()
    }
    decimals, per = _denominator(rate for steps in rates.values() for _, rate in steps)
    leaves = _leaves(rates)
    thresholds = {FROM_THE_FIRST} | {above for steps in rates.values() for above, _ in steps}
    rated = frozenset(rates)
    tiers = tuple(_tier(above, rates, leaves, per) for above in sorted(thresholds, reverse=True))
    return RateCard(
        tiers,
        per,
        decimals,
        rated,
        tuple((name, tuple(leaf.items())) for name, leaf in leaves.items() if len(leaf) > 1),
        source,
        snapshot,
        valid_from_unix_s,
        valid_until_unix_s,
        least_seconds,
        tiers[-1],
        tiers[-2].above if len(tiers) > 1 else _NO_CLIFF,
        not rated.isdisjoint(TOKEN_FIELDS),
        not rated.isdisjoint(TOKEN_FIELDS) and rated <= _FAST_FIELDS | _KINDS | set(FEE_FIELDS),
        not rated.isdisjoint(_KINDS),
    )


def _denominator(rates: Iterable[Fraction]) -> tuple[int, int]:
    """How many decimals, and what part of a dollar, make every rate a whole number."""
    common = lcm(1, *(rate.denominator for rate in rates))
    odd = common
    for prime in (2, 5):
        while odd % prime == 0:
            odd //= prime
    decimals = _LEAST_DECIMALS
    while 10**decimals * odd % common:
        decimals += 1
    return decimals, 10**decimals * odd


def _leaves(rates: Mapping[str, Steps]) -> dict[str, dict[str, int]]:
    """What is billed at the rate of each count: the count less what has a rate of its own in it, as signed counts."""
    leaves: dict[str, dict[str, int]] = {}
    for name in sorted(rates, key=lambda name: len(WITHIN.get(name, ())), reverse=True):
        leaf = {name: 1}
        for part in leaves:
            if name in WITHIN.get(part, ()):
                for inner, sign in leaves[part].items():
                    leaf[inner] = leaf.get(inner, 0) - sign
        leaves[name] = leaf
    return leaves


def _tier(above: int, rates: Mapping[str, Steps], leaves: Mapping[str, Mapping[str, int]], per: int) -> Tier:
    whole: dict[str, int] = {}
    for name, leaf in leaves.items():
        rate = int(rate_above(rates[name], above) * per)
        for inner, sign in leaf.items():
            whole[inner] = whole.get(inner, 0) + sign * rate
    return Tier(
        above=above,
        request=whole.pop(REQUEST, 0),
        input=whole.get("input_tokens", 0),
        output=whole.get("output_tokens", 0),
        cache_read=whole.get("cache_read_tokens", 0),
        cache_write=whole.get("cache_write_tokens", 0),
        cache_write_1h=whole.get("cache_write_1h_tokens", 0),
        input_audio=whole.get("input_audio_tokens", 0),
        output_audio=whole.get("output_audio_tokens", 0),
        rates=tuple(whole.items()),
    )


def rate_above(steps: Steps, above: int) -> Fraction:
    """The rate for an input of just more than ``above`` tokens."""
    found = steps[0][1]
    for start, rate in steps:
        if start <= above:
            found = rate
    return found
