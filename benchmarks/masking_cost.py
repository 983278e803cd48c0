"""What masking costs on the app's path, and what the worst texts for it cost.

    python benchmarks/masking_cost.py                 both tables
    python benchmarks/masking_cost.py --search 300    also looks for worse texts, as many tries, and prints the worst

The first table gives microseconds for 500 characters with RE2 (``pip install 'vigilo-otel[fast]'``) and without,
beside the floor: one plain regular expression with a part for each kind, no validator, on the same text. The second
gives milliseconds for texts of 10 KB to 10 MB that are made of one piece again and again. All of it is CPU time of the
thread, the best of several rounds.
"""

from __future__ import annotations

import argparse
import random
import re
import time
import timeit
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vigilo.policy.mask import hints, mask, mask_clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WITHOUT_DIGITS = (
    "Please summarise the report for the team: revenue grew, churn fell, and the new onboarding flow shipped in May. "
    "The main risk is hiring in Berlin and Austin; see the table at the end. What would you recommend for the next two "
    "quarters, and which of the five options fits the budget? Keep it short and use bullet points. Thanks a lot, and "
    "do ask when something is unclear to you! I would also like to know what the other team thinks about the second "
    "option, because they asked for it first, and they know it best."
)[:500]
WITH_DATES = (
    "Please summarise the quarterly report: revenue grew 12% in 2024, churn fell to 3.1%, and the new onboarding flow "
    "(v2.3) shipped on 2024-05-17. The main risk is hiring in Berlin and Austin; see section 4.2, table 7. What would "
    "you recommend for the next two quarters, and which of the five options A-E fits a budget of $1,250,000? Keep it "
    "under 300 words and use bullet points with short sentences. Thanks a lot, and do ask when something is unclear to "
    "you! I would also like to know what the others think of option B, as they asked."
)[:500]
DENSE = ("Jane Roe <jane.roe@example.com>, +1 415-555-2671, card 4111 1111 1111 1111; " * 7)[:500]
ALL_KINDS = (
    "jane.roe@example.com, (415) 555-2671, 5555-5555-5555-4444, 536-90-4399, DE89 3704 0044 0532 0130 00, 192.0.2.45, "
    "2001:db8::1, password: 4fJ9qZ7xW2; " * 4
)[:500]
NAIVE = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.]+|\+?\d[\d ().-]{7,}\d|(?:\d[ -]?){13,19}|\d{3}-\d\d-\d{4}|[A-Z]{2}\d\d[A-Z0-9]{11,30}"
    r"|(?:\d{1,3}\.){3}\d{1,3}|(?:sk-|ghp_)\w{20,}"
)
ROUNDS = 15
PIECES = [
    *("1-1-1-", "a.a.a.", "x@a.a.", "sk-sk-", "((((", "1:1:1:", "+1(+1(", "://:@", "password=", "key=", "[EMAIL"),
    *("data:;base64,", "@@@@", "1 1 1 ", "12 ", "123 ", "4111 ", "4111111111111112 ", "4111 1111 1111 1111 ", "(1) "),
    *("00 1 ", "call 123-4567 ", "415-555-2671 ", "jane@example.com ", "x@a.io,", "a%40b.io ", "536-90-4399 "),
    *(
        "536904399 ",
        "DE89370400440532013000 ",
        "GB12 ",
        "192.0.2.1 ",
        "2001:db8::1 ",
        "::",
        "1::",
        " dot ",
        "a (at) b.co ",
    ),
    *("a" * 511 + " ", "a" * 512 + " ", "a", "eyJ.", "token: x1y2z3w4 ", "-----BEGIN PRIVATE KEY-----", "curl -u a:b "),
    *("Authorization: Basic ", "http://a:b@c/ ", "\\n1", "\u00e9@\u00e9.\u00e9", "\uff14", "\ud83d", "word "),
    "aws:0f1e2d3c4b5a69788796a5b4c3d2e1f0 ",
    "Zq3kP9xW2mT7vB4nR8sY1dLc ",
    "qbmkz=Zq3kP9xW2mT7vB ",
]
SIZES = {"10 KB": 10_000, "100 KB": 100_000, "1 MB": 1_000_000, "10 MB": 10_000_000}


def microseconds(function: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(function, number=number, repeat=ROUNDS, timer=time.thread_time)) / number * 1e6


def milliseconds(text: str, rounds: int = 3) -> float:
    return min(timeit.repeat(lambda: mask(text), number=1, repeat=rounds, timer=time.thread_time)) * 1e3


def made_of(piece: str, size: int) -> str:
    return (piece * (size // len(piece) + 1))[:size]


@contextmanager
def without_re2() -> Iterator[None]:
    chosen = hints._engine
    hints._engine = lambda: hints.plain_hints
    try:
        yield
    finally:
        hints._engine = chosen


def print_short_texts() -> None:
    fast = hints._engine() is not hints.plain_hints
    print(f"{'us for 500 characters':36} {'with RE2' if fast else '(no RE2)':>9} {'without':>9} {'floor':>9}")
    texts = {
        "no numbers": WITHOUT_DIGITS,
        "dates and sums": WITH_DATES,
        "a value every 25 characters": DENSE,
        "a value every 20, of all kinds": ALL_KINDS,
    }
    for name, text in texts.items():
        with_re2 = microseconds(lambda text=text: mask(text), 500)
        with without_re2():
            plain = microseconds(lambda text=text: mask(text), 500)
        floor = microseconds(lambda text=text: NAIVE.sub("[X]", text), 500)
        print(f"  {name:34} {with_re2:9.1f} {plain:9.1f} {floor:9.1f}")
    seen = microseconds(lambda: mask_clip(DENSE, 1000), 5000)
    print(f"  {'seen before (mask_clip remembers)':34} {seen:9.2f}")


def print_worst_texts() -> None:
    print(f"\n{'ms for texts made of one piece':36}" + "".join(f"{size:>9}" for size in SIZES))
    rows = {piece: [milliseconds(made_of(piece, size)) for size in SIZES.values()] for piece in PIECES}
    for piece, row in sorted(rows.items(), key=lambda item: -max(item[1])):
        shown = ascii(piece) if len(piece) < 32 else f"{piece[0]!a} * {len(piece.strip())} + ' '"
        print(f"  {shown:34}" + "".join(f"{value:9.1f}" for value in row))
    print(f"  {'the worst of all':34}" + "".join(f"{max(values):9.1f}" for values in zip(*rows.values(), strict=True)))


def search(tries: int) -> None:
    """Changes the worst pieces known, and keeps what is worse."""
    chance = random.Random(0)
    size = SIZES["100 KB"]
    worst = sorted(((milliseconds(made_of(piece, size), 1), piece) for piece in PIECES), reverse=True)[:12]
    for _ in range(tries):
        _, one = chance.choice(worst)
        _, other = chance.choice(worst)
        cut = chance.randrange(len(one) + 1)
        changed = chance.choice(
            [
                one[:cut] + other,
                one[:cut] + chance.choice(" 0159aAzZ.-:@+()[]/=_\"'\\\n,") + one[cut:],
                one[:cut] + one[cut + 1 :],
                one + chance.choice(PIECES),
            ]
        )[:80]
        if changed and all(changed != piece for _, piece in worst):
            worst = sorted([*worst, (milliseconds(made_of(changed, size), 1), changed)], reverse=True)[:12]
    print(f"\n{'the worst after a search':64} {'10 MB':>9}")
    for _, piece in worst[:6]:
        print(f"  {piece!a:62} {milliseconds(made_of(piece, SIZES['10 MB'])):9.1f}")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--search", type=int, default=0, metavar="TRIES")
    tries = arguments.parse_args().search
    print_short_texts()
    print_worst_texts()
    if tries:
        search(tries)


if __name__ == "__main__":
    main()
