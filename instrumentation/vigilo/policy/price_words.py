"""Rates in the words and units that people write them in."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.policy.price_file import PIECE_RATES, TOKEN_RATES
from vigilo.policy.rate_card import FROM_THE_FIRST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from vigilo.policy.rate_card import Steps

_MILLION = 1_000_000
_SHOWN = Context(prec=12)
_KEYS: Final = {
    **{field: (key, _MILLION, "per million") for key, field in TOKEN_RATES.items()},
    **{field: (key, pieces, "each") for key, (field, pieces) in PIECE_RATES.items()},
}


class RateRow(NamedTuple):
    """One rate: its key in a file of prices, what it is for, and pairs of a threshold (None: at first) and dollars."""

    key: str
    unit: str
    steps: tuple[tuple[int | None, str], ...]


def rate_rows(rates: Mapping[str, Steps]) -> list[RateRow]:
    """Rates in the order in which a file of prices has them."""
    order = list(_KEYS)
    rows = []
    for field in sorted(rates, key=order.index):
        key, pieces, unit = _KEYS[field]
        steps = tuple(
            (None if above == FROM_THE_FIRST else above, _dollars(rate * pieces)) for above, rate in rates[field]
        )
        rows.append(RateRow(key, unit, steps))
    return rows


def _dollars(amount: Fraction) -> str:
    number = _SHOWN.divide(Decimal(amount.numerator), Decimal(amount.denominator))
    return f"{number.normalize():f}"
