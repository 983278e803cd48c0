"""What pricing costs on the app's path, beside genai-prices' own calculation.

    python benchmarks/pricing_cost.py

Prints microseconds per call, the best of several rounds, and ratios.
"""

from __future__ import annotations

import time
import timeit
from typing import TYPE_CHECKING

import genai_prices

from vigilo.capture.call import Usage
from vigilo.policy.price_table import card_for, table
from vigilo.policy.pricing import call_cost

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7


def microseconds(function: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(function, number=number, repeat=ROUNDS)) / number * 1e6


def main() -> None:
    started = time.perf_counter()
    loaded = table()
    print(f"\nloading the price table: {(time.perf_counter() - started) * 1e3:.0f} ms (genai_prices imported before)")
    usage, now = Usage(input_tokens=10_000, output_tokens=1_000, cache_read_tokens=8_000), time.time()
    theirs = genai_prices.Usage(input_tokens=10_000, output_tokens=1_000, cache_read_tokens=8_000)
    card = card_for(loaded, "openai", "gpt-4o", None, now)
    rows = {
        "arithmetic of a card": microseconds(lambda: card.usd(usage), 50_000),
        "call_cost, card cached": microseconds(lambda: call_cost("openai", "gpt-4o", usage, None, now), 50_000),
        "making a card": microseconds(lambda: loaded.card("openai", "gpt-4o", "", now), 500),
        "genai_prices.calc_price": microseconds(
            lambda: genai_prices.calc_price(theirs, "gpt-4o", provider_id="openai"), 1000
        ),
    }
    print(f"\n{'pricing one call':44} {'us':>8} {'of calc_price':>14}")
    for name, cost in rows.items():
        print(f"  {name:42} {cost:8.2f} {cost / rows['genai_prices.calc_price']:14.4f}")


if __name__ == "__main__":
    main()
