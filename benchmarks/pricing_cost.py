"""What pricing costs on the app's path, beside genai-prices' own calculation and bare arithmetic.

    python benchmarks/pricing_cost.py

Prints microseconds of the thread's CPU time per call, the best of many rounds, and ratios. The floor is what the three
products of such a call cost with nothing around them: three counts read, multiplied by whole numbers and summed up.
"""

from __future__ import annotations

import time
import timeit
from typing import TYPE_CHECKING

import genai_prices

from vigilo.capture.call import Usage
from vigilo.policy import live_prices
from vigilo.policy.pricing import call_cost, price

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 40


def microseconds(function: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(function, number=number, repeat=ROUNDS, timer=time.thread_time)) / number * 1e6


def bare(usage: Usage, rate_in: int, rate_out: int, rate_read: int) -> int | None:
    if usage.input_tokens is None or usage.output_tokens is None or usage.cache_read_tokens is None:
        return None
    return rate_in * usage.input_tokens + rate_out * usage.output_tokens + rate_read * usage.cache_read_tokens


def main() -> None:
    started = time.perf_counter()
    book = live_prices.live.up_to_date()
    assert book is not None
    print(f"\nloading the prices: {(time.perf_counter() - started) * 1e3:.0f} ms (genai_prices imported before)")
    now = time.time()
    usage = Usage(input_tokens=10_000, output_tokens=1_000, cache_read_tokens=8_000)
    written = Usage(input_tokens=12_000, output_tokens=300, cache_read_tokens=8000, cache_write_tokens=2000)
    heard = Usage(input_tokens=3_000, output_tokens=100, input_audio_tokens=2_000)
    theirs = genai_prices.Usage(input_tokens=10_000, output_tokens=1_000, cache_read_tokens=8_000)
    card = book.card("openai", "gpt-4o", None, now)
    cost = call_cost("openai", "gpt-4o", usage, None, now)
    assert cost is not None
    few, many = 1_000, 20_000
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "floor: bare integer arithmetic": (lambda: bare(usage, 2500, 10_000, -1250), many),
        "arithmetic of a card": (lambda: card.amount(usage), many),
        "call_cost: gpt-4o with cached tokens": (lambda: call_cost("openai", "gpt-4o", usage, None, now), many),
        "call_cost: claude with cache writes": (
            lambda: call_cost("anthropic", "claude-sonnet-4-5", written, "standard", now),
            many,
        ),
        "call_cost: gemini with audio": (lambda: call_cost("gcp.gemini", "gemini-2.5-flash", heard, None, now), many),
        "call_cost: unknown model": (lambda: call_cost("openai", "no-such-model", usage, None, now), many),
        "the cost as a float": (lambda: cost.usd_float, many),
        "the cost as a decimal": (lambda: cost.usd, many),
        "price(), the public function": (lambda: price("openai", "gpt-4o", usage), few),
        "making a card, once a model, tier and day": (lambda: book.quote("openai", "gpt-4o", "", now), 100),
        "genai_prices.calc_price": (lambda: genai_prices.calc_price(theirs, "gpt-4o", provider_id="openai"), 200),
    }
    rows = {name: microseconds(function, number) for name, (function, number) in calls.items()}
    floor, own = rows["floor: bare integer arithmetic"], rows["genai_prices.calc_price"]
    print(f"\n{'pricing one call':44} {'us':>8} {'of floor':>9} {'of calc_price':>14}")
    for name, took in rows.items():
        print(f"  {name:42} {took:8.2f} {took / floor:9.1f} {took / own:14.4f}")


if __name__ == "__main__":
    main()
