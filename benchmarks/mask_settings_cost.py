"""What the user's own settings of masking cost: patterns, an allow-list, numbered tags, pseudonyms, labels.

    python benchmarks/mask_settings_cost.py

Prints microseconds of CPU time of one thread, the best of several rounds, and what a start costs that reads patterns.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = (
    "Please summarise the report for the team: revenue grew, churn fell, and a new onboarding flow shipped in May. "
    "The main risk is hiring in Berlin and Austin; see TCK-123456 at the end. What would you recommend for the next "
    "two quarters, and which of the five options fits the budget? Keep it short and use bullet points. Thanks, and "
    "do ask jane@example.com when something is unclear to you! I would also like to know what the other team thinks."
)[:500].ljust(500, ".")
RULES = """
[mask]
allow = ["support@example.com", "+1 800 555 0199", "*@example.org"]
leave = ["IP"]

[[mask.patterns]]
name = "TICKET"
pattern = 'TCK-[0-9]{6}'

[[mask.patterns]]
name = "STAFF"
pattern = '\\b[a-z]{1,30}@corp\\.example\\b'

[[mask.patterns]]
name = "CUSTOMER"
pattern = '(?:CUST|KD)-[A-Z0-9]{3,12}'
"""
DEAREST = (r"[\w.]{1,64}@corp\.example", "a", "[A-Z]{1,20}[0-9]{1,20}!", "A", r"\b\w+-\w+-", "a ")
ROUNDS = 9


def microseconds(function: Callable[[int], object], number: int = 2000) -> float:
    """The best of several rounds; each call has a number of its own, so that nothing is remembered."""
    best = float("inf")
    for turn in range(ROUNDS):
        began = time.thread_time()
        for count in range(turn * number, (turn + 1) * number):
            function(count)
        best = min(best, time.thread_time() - began)
    return best / number * 1e6


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "vigilo.toml").write_text(RULES, "utf-8")
    os.environ.update(VIGILO_HOME=str(folder / "home"))
    from vigilo.capture.call import Request
    from vigilo.capture.content import Content
    from vigilo.capture.track import track
    from vigilo.capture.who import who
    from vigilo.policy.mask import mask, mask_clip, mask_messages
    from vigilo.policy.mask.labels import mask_label
    from vigilo.policy.mask.numbering import Numbers, numbers_of
    from vigilo.policy.mask.slow_patterns import why_refused
    from vigilo.policy.mask.user_rules import user_rules
    from vigilo.policy.pseudonym import load_key, user_pseudonym
    from vigilo.settings import Settings

    def row(name: str, took: float, unit: str = "us") -> None:
        print(f"  {name:66} {took:8.2f} {unit}")

    texts = [f"{number:06d} {TEXT[7:]}" for number in range(2000 * ROUNDS)]
    print("masking 500 characters with one address in them")
    row("without [mask]", microseconds(lambda count: mask(texts[count])))
    os.environ["VIGILO_CONFIG"] = str(folder / "vigilo.toml")
    user_rules.cache_clear()
    began = time.thread_time()
    user_rules()
    start_ms = (time.thread_time() - began) * 1e3
    row("with three patterns and an allow-list", microseconds(lambda count: mask(texts[count])))
    row("... reading them, once a process", start_ms, "ms")
    numbers = Numbers()
    row("... and numbered", microseconds(lambda count: mask_clip(texts[count], 1000, "", numbers)))
    print("one value")
    row("its number, the value being known", microseconds(lambda count: numbers.tag("[EMAIL]", "jane@example.com")))
    row("the numbers of a conversation", microseconds(lambda count: numbers_of("c1")))
    key = load_key(folder / "home")
    row("a pseudonym", microseconds(lambda count: user_pseudonym(f"user{count}@example.com", key)))
    row("a pseudonym in a tenant", microseconds(lambda count: user_pseudonym(f"user{count}@example.com", key, "acme")))
    row("a label that was seen before", microseconds(lambda count: mask_label("gpt-4o-mini")))
    settings = Settings(home=folder / "home")
    request = Request("chat", "openai", "gpt-4o-mini", {"gen_ai.request.temperature": 0.5}, conversation_id="c1")
    with track(user="ada", tenant="acme", conversation="c1", operation="chat", tags={"plan": "free"}):
        row("who and what for, user, tenant, operation, one tag", microseconds(lambda count: who(settings, request)))
    content = Content(settings)
    row("a call's parameters", microseconds(lambda count: content.parameters(request.parameters)))
    print("a conversation of 20 messages of 500 characters, 19 of them seen before")
    for name, told in (("plain tags", None), ("numbered tags", Numbers())):
        messages = [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts[:20]]

        def turn(count: int, told: Numbers | None = told, messages: list[dict[str, object]] = messages) -> None:
            newest = {"role": "user", "parts": [{"type": "text", "content": texts[20 + count]}]}
            mask_messages([*messages[:19], newest], content="masked", max_chars=1000, numbers=told)

        row(name, microseconds(turn, 200))
    arguments = json.dumps({"to": ["jane@example.com"], "body": json.dumps({"text": TEXT})})
    part = {"type": "tool_call", "name": "send", "arguments": arguments}
    call = [{"role": "assistant", "parts": [part]}]
    row(
        "arguments of a tool, JSON in JSON",
        microseconds(lambda count: mask_messages(call, content="masked", max_chars=999)),
    )
    print("the dearest patterns that are taken, on 1,512 characters made for them")
    for pattern, pump in zip(DEAREST[::2], DEAREST[1::2], strict=True):
        assert why_refused(pattern) is None, pattern
        compiled, bad = re.compile(pattern), (pump * 1512)[:1512]
        row(pattern, microseconds(lambda count, find=compiled, bad=bad: list(find.finditer(bad)), 20))


if __name__ == "__main__":
    main()
