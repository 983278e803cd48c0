"""What masking costs on the app's path.

    python benchmarks/masking_cost.py

Prints microseconds per text, the best of several rounds.
"""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING

from vigilo.policy.mask import mask, mask_clip

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


if __name__ == "__main__":
    main()
