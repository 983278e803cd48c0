"""Prices as people write them: ``[prices]`` of ``vigilo.toml``, a file of its own, and vigilo's own small table.

    [prices]
    file = "prices.toml"                             # more of the same, in a file beside this one
    aliases = { "my-deployment" = "gpt-4o-mini" }    # or "provider/model"

    [[prices.models]]
    provider = "openai"                              # any provider where it is left out
    model = "my-model"
    match = "exact"                                  # or "prefix", or "regex" for a pattern of the whole name
    from = 2026-01-01                                # first day, and ...
    until = 2026-07-01                               # ... first day no longer; UTC
    input = 2.50                                     # US dollars per million tokens
    output = 10.0
    tiers = [{ above = 200000, input = 5.0 }]        # all tokens of a call whose input is more than that
    batch = 0.5                                      # part of the price that is paid in a batch
    context_window = 128000                          # tokens

A file of its own has the same keys at its top, with ``snapshot``, the day it was made.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vigilo.errors import ConfigError
from vigilo.policy.model_names import table_provider
from vigilo.policy.rate_card import FROM_THE_FIRST, REQUEST, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vigilo.policy.rate_card import Steps

_MILLION = 1_000_000
TOKEN_RATES: Final = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "input_audio": "input_audio_tokens",
    "output_audio": "output_audio_tokens",
    "cache_read_audio": "cache_audio_read_tokens",
    "input_image": "input_image_tokens",
    "output_image": "output_image_tokens",
    "cache_read_image": "cache_image_read_tokens",
    "input_video": "input_video_tokens",
    "reasoning": "output_reasoning_tokens",
    "characters": "input_characters",
}
"""Keys of rates in US dollars per million, and the counts that they are for."""
PIECE_RATES: Final = {
    "request": (REQUEST, 1),
    "image": ("output_images", 1),
    "web_search": ("web_searches", 1),
    "file_search": ("file_searches", 1),
    "audio_minute": (SECONDS, 60),
}
"""Keys of rates in US dollars for one piece, the counts that they are for, and how many of these one piece has."""
FACTORS: Final = ("batch", "flex", "priority", "fast")
"""Keys of the part of the list price that is paid in a tier of service."""
_MATCHES = ("exact", "prefix", "regex")
_MODEL_KEYS = (
    "provider", "model", "match", "from", "until", *TOKEN_RATES, *PIECE_RATES, *FACTORS, "tiers", "context_window",
    "context_window_is", "max_output_tokens", "min_audio_seconds", "source", "checked",
)  # fmt: skip
_MOST_PER_MILLION = 1000
_LEAST_PER_MILLION = Decimal("0.001")
_MOST_PER_PIECE = 100
_MOST_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file says about one model, or about all whose names match, in a span of time (Unix seconds).

    ``rates`` are US dollars for one piece by field of ``Usage``; ``factors`` parts of the list price by tier.
    ``window_is`` says what ``context_window`` limits: ``total`` or ``input``.
    """

    provider: str | None
    model: str
    match: str
    valid_from: float
    valid_until: float
    rates: Mapping[str, Steps]
    factors: Mapping[str, Fraction]
    context_window: int | None = None
    window_is: str = "total"
    max_output_tokens: int | None = None
    min_audio_seconds: int = 0
    source: str = ""

    def names(self, provider: str, model: str) -> bool:
        """Whether it is about a model, both in lower case and the provider in the table's word."""
        if self.provider is not None and self.provider != provider:
            return False
        if self.match == "exact":
            return model == self.model
        if self.match == "prefix":
            return model.startswith(self.model)
        return re.fullmatch(self.model, model) is not None


@dataclass(frozen=True, slots=True)
class TierFactor:
    """The part of a provider's list prices that it charges for tokens in a tier, for all of its models.

    ``not_on`` are the counts that cost as much as ever.
    """

    provider: str
    tier: str
    factor: Fraction
    not_on: frozenset[str]


@dataclass(frozen=True, slots=True)
class PriceFile:
    """What the user, or vigilo itself, says about prices. ``paths`` are the files that it was read from."""

    aliases: Mapping[str, str]
    entries: tuple[Entry, ...]
    tier_factors: tuple[TierFactor, ...] = ()
    snapshot: date | None = None
    paths: tuple[Path, ...] = ()

    @classmethod
    def parse(cls, path: Path, table: Mapping[str, Any]) -> PriceFile:
        """Reads ``[prices]`` of ``vigilo.toml``, and the file that it names; an own entry wins over one of that file.

        Raises:
            ConfigError: a key is unknown or a value not allowed.
        """
        where = f"{path}: `[prices]`"
        own = _read(where, table, ("file", "aliases", "models"))
        named = table.get("file")
        if named is None:
            return cls(own.aliases, own.entries, paths=(path,))
        if not isinstance(named, str) or not named:
            raise ConfigError(f"{where}: `file` is {named!r}; it is the path of a file of prices")
        beside = (path.parent / Path(named).expanduser()).absolute()
        other = cls.read(beside)
        return cls({**other.aliases, **own.aliases}, own.entries + other.entries, (), other.snapshot, (path, beside))

    @classmethod
    def read(cls, path: Path, *, ours: bool = False) -> PriceFile:
        """Reads a file of prices of its own; ``ours`` is vigilo's, whose patterns are known to be quick.

        Raises:
            ConfigError: it cannot be read, a key is unknown or a value not allowed.
        """
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from None
        if set(table) == {"prices"} and isinstance(table["prices"], dict):
            table = table["prices"]
        read = _read(str(path), table, ("aliases", "models", "snapshot", *(["tiers"] if ours else [])), ours)
        return cls(read.aliases, read.entries, read.tier_factors, read.snapshot, (path,))

    def entries_for(self, provider: str, model: str) -> Iterator[Entry]:
        """Entries about a model, the most exact first, whenever they hold."""
        found = [entry for entry in self.entries if entry.names(provider, model)]
        found.sort(key=lambda entry: (_MATCHES.index(entry.match), entry.provider is None, -len(entry.model)))
        return iter(found)

    def tier_factor(self, provider: str, tier: str) -> TierFactor | None:
        """What a tier costs at a provider, where that is one factor for all its models."""
        return next((one for one in self.tier_factors if (one.provider, one.tier) == (provider, tier)), None)


def _read(where: str, table: Mapping[str, Any], allowed: tuple[str, ...], ours: bool = False) -> PriceFile:
    _known(where, table, allowed)
    models = table.get("models", [])
    if not isinstance(models, list) or not all(isinstance(one, dict) for one in models):
        raise ConfigError(f"{where}: `models` is no list of tables; write `[[prices.models]]`, or `[[models]]`")
    entries = tuple(_entry(f"{where}: model {one.get('model', '')!r}", one, ours) for one in models)
    snapshot = table.get("snapshot")
    if snapshot is not None and (not isinstance(snapshot, date) or isinstance(snapshot, datetime)):
        raise ConfigError(f"{where}: `snapshot` is {snapshot!r}; it is a date such as 2026-11-21, without quotes")
    factors = tuple(_tier_factor(where, one) for one in table.get("tiers", ()))
    return PriceFile(_aliases(where, table.get("aliases", {})), _in_turn(where, entries), factors, snapshot)


def _tier_factor(where: str, table: Mapping[str, Any]) -> TierFactor:
    _known(where, table, ("provider", "tier", "factor", "not_on", "source", "checked"))
    return TierFactor(
        table["provider"],
        table["tier"],
        _factor(where, "factor", table["factor"]),
        frozenset(TOKEN_RATES[name] for name in table.get("not_on", ())),
    )


def _aliases(where: str, table: Any) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(target, str) and target for target in table.values()):
        raise ConfigError(f'{where}: `aliases` is {table!r}; it is a table, {{ "my-deployment" = "gpt-4o-mini" }}')
    return {name.strip().lower(): target.strip().lower() for name, target in table.items()}


def _entry(where: str, table: Mapping[str, Any], ours: bool) -> Entry:
    _known(where, table, _MODEL_KEYS)
    model, match = table.get("model"), table.get("match", "exact")
    if not isinstance(model, str) or not model.strip():
        raise ConfigError(f"{where}: `model` is missing; it is the name of a model")
    if match not in _MATCHES:
        raise ConfigError(f"{where}: `match` is {match!r}; allowed is {' or '.join(f'`{word}`' for word in _MATCHES)}")
    if match == "regex":
        try:
            re.compile(model)
        except re.error as error:
            raise ConfigError(f"{where}: `model` is no regular expression: {error}") from None
        # A name of a model may be anything that a user of the app sends.
        from vigilo.policy.mask.slow_patterns import why_refused

        if not ours and why_refused(rf"\A(?:{model})x\Z") is not None:
            raise ConfigError(f"{where}: `model` can take very long on some names; repeat less in it, or use `prefix`")
    provider = table.get("provider")
    if provider is not None and (not isinstance(provider, str) or not provider.strip()):
        raise ConfigError(f"{where}: `provider` is {provider!r}; it is a name such as openai")
    valid_from, valid_until = _day(where, "from", table, float("-inf")), _day(where, "until", table, float("inf"))
    if valid_from >= valid_until:
        raise ConfigError(f"{where}: `until` ({table['until']}) does not lie after `from` ({table.get('from')})")
    window_is = table.get("context_window_is", "total")
    if window_is not in ("total", "input"):
        raise ConfigError(f"{where}: `context_window_is` is {window_is!r}; allowed is `total` or `input`")
    entry = Entry(
        None if provider is None else table_provider(provider),
        model.strip() if match == "regex" else model.strip().lower(),
        match,
        valid_from,
        valid_until,
        _rates(where, table),
        {name: _factor(where, name, table[name]) for name in FACTORS if name in table},
        _tokens(where, "context_window", table),
        window_is,
        _tokens(where, "max_output_tokens", table),
        _tokens(where, "min_audio_seconds", table) or 0,
        str(table.get("source", "")),
    )
    if not (entry.rates or entry.factors or entry.context_window or entry.max_output_tokens or entry.min_audio_seconds):
        raise ConfigError(f"{where}: it says nothing: no rate, no factor and no `context_window`")
    return entry


def _rates(where: str, table: Mapping[str, Any]) -> dict[str, Steps]:
    tiers = table.get("tiers", [])
    if not isinstance(tiers, list) or not all(isinstance(one, dict) for one in tiers):
        raise ConfigError(f"{where}: `tiers` is {tiers!r}; it is a list, [{{ above = 200000, input = 5.0 }}]")
    rates: dict[str, list[tuple[int, Fraction]]] = {}
    for name in (*TOKEN_RATES, *PIECE_RATES):
        if name in table:
            field, rate = _rate(where, name, table[name])
            rates[field] = [(FROM_THE_FIRST, rate)]
    last = 0
    for tier in tiers:
        _known(f"{where}, `tiers`", tier, ("above", *TOKEN_RATES))
        above = tier.get("above")
        if not isinstance(above, int) or isinstance(above, bool) or above <= last:
            raise ConfigError(f"{where}: `above` is {above!r}; it is a number of input tokens, more than {last}")
        last = above
        for name in tier:
            if name != "above":
                field, rate = _rate(f"{where}, above {above}", name, tier[name])
                if field not in rates:
                    raise ConfigError(f"{where}: `{name}` has a rate above {above} tokens, but none below")
                rates[field].append((above, rate))
    return {field: tuple(steps) for field, steps in rates.items()}


def _rate(where: str, name: str, value: Any) -> tuple[str, Fraction]:
    rate = _decimal(where, name, value)
    if name in TOKEN_RATES:
        if rate > _MOST_PER_MILLION:
            raise ConfigError(
                f"{where}: `{name}` is {value}: that is more than ${_MOST_PER_MILLION:,} per million. "
                "Rates are US dollars per million tokens; is this one in cents, or per thousand million?"
            )
        if 0 < rate < _LEAST_PER_MILLION:
            raise ConfigError(
                f"{where}: `{name}` is {_plain(rate)}, which looks like US dollars per token. "
                f"Rates are US dollars per million tokens: write {_plain(rate * _MILLION)}"
            )
        return TOKEN_RATES[name], Fraction(rate) / _MILLION
    if rate > _MOST_PER_PIECE:
        raise ConfigError(f"{where}: `{name}` is {value}: that is more than ${_MOST_PER_PIECE} for one")
    field, pieces = PIECE_RATES[name]
    return field, Fraction(rate) / pieces


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _decimal(where: str, name: str, value: Any) -> Decimal:
    """A number as it is written: TOML's floats have every digit of it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{where}: `{name}` is {value!r}; it is a number of US dollars, without quotes")
    number = Decimal(repr(value))
    if not number.is_finite() or number < 0:
        raise ConfigError(f"{where}: `{name}` is {value}; a price is 0 or more")
    return number


def _factor(where: str, name: str, value: Any) -> Fraction:
    factor = _decimal(where, name, value)
    if not 0 < factor <= _MOST_FACTOR:
        raise ConfigError(f"{where}: `{name}` is {value}; it is a part of the list price, such as 0.5 for half of it")
    return Fraction(factor)


def _tokens(where: str, name: str, table: Mapping[str, Any]) -> int | None:
    value = table.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ConfigError(f"{where}: `{name}` is {value!r}; it is a whole number, 1 or more")
    return value


def _day(where: str, name: str, table: Mapping[str, Any], default: float) -> float:
    if name not in table:
        return default
    value = table[name]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    if not isinstance(value, date):
        raise ConfigError(f"{where}: `{name}` is {value!r}; it is a date such as 2026-01-01, without quotes")
    return datetime.combine(value, time(), timezone.utc).timestamp()


def _known(where: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for key in table:
        if key not in allowed:
            raise ConfigError(f"{where}: unknown key `{key}`; allowed are {', '.join(f'`{name}`' for name in allowed)}")


def _in_turn(where: str, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The entries, those of one model ending where the next one begins.

    Raises:
        ConfigError: two are about the same model at the same time.
    """
    by_model: dict[tuple[str | None, str, str], list[Entry]] = {}
    for entry in entries:
        by_model.setdefault((entry.provider, entry.match, entry.model), []).append(entry)
    ordered: list[Entry] = []
    for same in by_model.values():
        same.sort(key=lambda entry: entry.valid_from)
        for entry, following in zip(same, [*same[1:], None], strict=True):
            if following is None:
                ordered.append(entry)
                continue
            if entry.valid_from == following.valid_from or (
                entry.valid_until != float("inf") and entry.valid_until > following.valid_from
            ):
                raise ConfigError(
                    f"{where}: two entries for model {entry.model!r} hold at the same time; "
                    "give the older one an `until`, or the newer one a later `from`"
                )
            ordered.append(_until(entry, following.valid_from))
    return tuple(ordered)


def _until(entry: Entry, end: float) -> Entry:
    from dataclasses import replace

    return replace(entry, valid_until=min(entry.valid_until, end))
