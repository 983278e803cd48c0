"""What masking and pricing cost on the app's path, beside genai-prices' own calculation.

    python benchmarks/policy_cost.py

Prints microseconds per call, the best of several rounds, and ratios.
"""

from __future__ import annotations

import time
import timeit
from typing import TYPE_CHECKING

import genai_prices

from vigilo.capture.call import Usage
from vigilo.policy.mask import mask, mask_clip
from vigilo.policy.price_table import card_for, table
from vigilo.policy.pricing import call_cost

if TYPE_CHECKING:
    from collections.abc import Callable

WITHOUT_DIGITS = (
    "Please summarise the report for the team: revenue grew, churn fell, and the new onboarding flow shipped in May. "
    "The main risk is hiring in Berlin and Austin; see the table at the end. What would you recommend for the next two "
    "quarters, and which of the five options fits the budget? Keep it short and use bullet points. Thanks a lot, and "
    "do ask when something is unclear to you! I would also like to know what the other team thinks about the second "
    "option, because they asked for it first, and they know it."
)[:500].ljust(500, ".")
WITH_DATES = (
    "Please summarise the quarterly report: revenue grew 12% in 2024, churn fell to 3.1%, and the new onboarding flow "
    "(v2.3) shipped on 2024-05-17. The main risk is hiring in Berlin and Austin; see section 4.2, table 7. What would "
    "you recommend for the next two quarters, and which of the five options A-E fits a budget of $1,250,000? Keep it "
    "under 300 words and use bullet points with short sentences. Thanks a lot!"
).ljust(500, ".")
DENSE = ("Jane Roe <jane.roe@example.com>, +1 415-555-2671, card 4111 1111 1111 1111; " * 7)[:500]
ROUNDS = 7


def microseconds(function: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(function, number=number, repeat=ROUNDS)) / number * 1e6


def main() -> None:
    print(f"{'masking 500 characters':44} {'us':>8}")
    for name, text in (("no numbers", WITHOUT_DIGITS), ("dates and sums", WITH_DATES), ("a value every 25", DENSE)):
        print(f"  {name:42} {microseconds(lambda text=text: mask(text), 2000):8.1f}")
    print(f"  {'seen before (mask_clip remembers)':42} {microseconds(lambda: mask_clip(DENSE, 1000), 20000):8.2f}")

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
