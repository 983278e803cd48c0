"""Makes secrets from the rules of other scanners, in an environment that has them: run by ``masking_quality.py``.

A rule of a scanner is a regular expression; strings that match it are drawn at random, and kept if the whole expression
agrees. So a positive is what that scanner's authors hold a secret to look like, no more: "32 hexadecimal digits after
the word adobe" counts as one. Prints a JSON list of ``{"rule", "held_out", "text", "start", "end"}``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from re import _constants as sre
    from re import _parser as parser
except ImportError:  # before Python 3.11
    import sre_constants as sre
    import sre_parse as parser

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES_A_RULE = 6
TRIES = 300
EXTRA_REPEATS = 12
ANY = string.ascii_letters + string.digits + "_-.!@#$%"
NO_SECRETS = re.compile(
    r"bucket|private key$|^pem |uuid|\bip\b|ipv[46]|_pair|_triple|nonce|salt|public ip"
    r"|-(?:id|host|url|username|address|account-name|token-name|public-key)(?:\.[0-9]+)?$",
    re.IGNORECASE,
)
"""Rules, by their names, for what is no secret by itself. Seen in the half that may be looked at."""

SEEN = frozenset(
    f"credsweeper/{name}"
    for name in (
        "AWS Client ID",
        "Defined Networking API Key",
        "Google OAuth Refresh Token",
        "Heroku Credentials",
        "PEM Private Key",
    )
)
"""Rules that were looked at before the split was fixed; they count with the half that may be looked at."""

TEMPLATES = (
    "Here it is: {s}\nDoes it still work for you?",
    'client = Client("{s}")',
    "KEY={s}",
    '{{"note": "{s}", "n": 3}}',
    "curl https://api.example.com/v1/items -H 'X-Custom: {s}'",
    "2026-11-21T10:00:00Z ERROR call failed with {s} after 3 tries",
)


class Draw:
    """Draws strings that match a regular expression, or nearly: what looks around is not followed."""

    def __init__(self, pattern: str, flags: int, rng: random.Random) -> None:
        self.tree = parser.parse(pattern, flags)
        self.rng = rng
        self.groups: dict[int, str] = {}

    def __call__(self) -> str:
        self.groups = {}
        return self._sequence(self.tree)

    def _sequence(self, tree: Any) -> str:
        return "".join(self._one(op, value) for op, value in tree)

    def _one(self, op: Any, value: Any) -> str:
        if op is sre.LITERAL:
            return chr(value)
        if op is sre.NOT_LITERAL:
            return self.rng.choice([char for char in ANY if char != chr(value)])
        if op is sre.ANY:
            return self.rng.choice(ANY)
        if op is sre.IN:
            return self.rng.choice(_members(value))
        if op is sre.BRANCH:
            return self._sequence(self.rng.choice(value[1]))
        if op is sre.SUBPATTERN:
            drawn = self._sequence(value[3])
            if value[0] is not None:
                self.groups[value[0]] = drawn
            return drawn
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT) or str(op) == "POSSESSIVE_REPEAT":
            least, most, inner = value
            # Rules allow for much white space and many quotes between a name and its value; people use one or none.
            between = least == 0 and str(inner[0][0]) == "IN" and set(" '\"") & set(_members(inner[0][1]))
            count = least + self.rng.randint(0, min(int(most) - least, 1 if between else EXTRA_REPEATS))
            return "".join(self._sequence(inner) for _ in range(count))
        if op is sre.GROUPREF:
            return self.groups.get(value, "")
        if op is sre.GROUPREF_EXISTS:
            group, yes, no = value
            chosen = yes if group in self.groups else no
            return self._sequence(chosen) if chosen is not None else ""
        if str(op) == "ATOMIC_GROUP":
            return self._sequence(value)
        return ""


def _members(items: Any) -> list[str]:
    chars: set[str] = set()
    negated = False
    for op, value in items:
        if op is sre.NEGATE:
            negated = True
        elif op is sre.LITERAL:
            chars.add(chr(value))
        elif op is sre.RANGE:
            chars |= {chr(code) for code in range(value[0], min(value[1], 0x24F) + 1)}
        elif op is sre.CATEGORY:
            chars |= set(_category(str(value)))
    kept = [char for char in ANY if char not in chars] if negated else sorted(chars)
    return [char for char in kept if " " <= char <= "~"] or kept or ["?"]


def _category(name: str) -> str:
    if "NOT" in name:
        return "" if "SPACE" not in name else ANY
    if "DIGIT" in name:
        return string.digits
    return " " if "SPACE" in name else string.ascii_letters + string.digits + "_"


def held_out(rule: str) -> bool:
    return rule not in SEEN and hashlib.sha256(rule.encode()).digest()[0] % 2 == 1


def of_pattern(rule: str, pattern: re.Pattern[str], group: str | int, rng: random.Random) -> Iterator[dict]:
    """Positives of one expression: the value alone in a text, or all that it must stand in."""
    draw = Draw(pattern.pattern, pattern.flags, rng)
    made = tries = 0
    while made < VALUES_A_RULE and tries < TRIES:
        tries += 1
        try:
            drawn = draw()
        except (IndexError, ValueError, OverflowError):
            continue
        found = pattern.search(drawn)
        if found is None:
            continue
        value = found[group] if group in (0, *found.re.groupindex) or isinstance(group, int) else found[0]
        if not value or len(value) < 4:
            continue
        template = TEMPLATES[made % len(TEMPLATES)]
        for core in (value, drawn):
            text = template.format(s=json.dumps(core)[1:-1] if "note" in template else core)
            shown = json.dumps(value)[1:-1] if "note" in template else value
            again = pattern.search(text)
            if again is not None and shown in text and (core is drawn or shown in again[0]):
                start = text.index(shown)
                yield {
                    "rule": rule,
                    "held_out": held_out(rule),
                    "text": text,
                    "start": start,
                    "end": start + len(shown),
                }
                made += 1
                break


def of_keyword(rule: str, keyword: str, patterns: list[re.Pattern[str]], rng: random.Random) -> Iterator[dict]:
    """Positives of a rule that is a name: assignments of random values to names that hold it."""
    lines = (
        '{n} = "{s}"',
        "export MY_{n}={s}",
        '{{"app_{n}": "{s}", "n": 3}}',
        "{n}: {s}",
        "--{n}={s}",
        "x.{n} := '{s}'",
    )
    for index, line in enumerate(lines):
        name = Draw(keyword, re.IGNORECASE, rng)()
        value = "".join(rng.choices(string.ascii_letters + string.digits, k=rng.randint(16, 32)))
        text = line.format(n=name.upper() if "export" in line else name, s=value)
        if any(pattern.search(text) for pattern in patterns):
            start = text.index(value)
            row = {"rule": rule, "held_out": held_out(rule), "text": text, "start": start, "end": start + len(value)}
            yield row | {"index": index}


def of_credsweeper(rng: random.Random) -> Iterator[dict]:
    import credsweeper
    import yaml
    from credsweeper.common.keyword_pattern import KeywordPattern

    rules = Path(credsweeper.__file__).parent / "rules" / "config.yaml"
    for row in yaml.safe_load(rules.read_text("utf-8")):
        rule = f"credsweeper/{row['name']}"
        if row["type"] == "multi" or NO_SECRETS.search(row["name"]):
            continue
        if row["type"] == "keyword":
            for keyword in row["values"]:
                yield from of_keyword(rule, keyword, [KeywordPattern.get_keyword_pattern(keyword)], rng)
            continue
        for source in row["values"]:
            yield from of_pattern(rule, re.compile(source), "value", rng)


def of_detect_secrets(rng: random.Random) -> Iterator[dict]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    for plugin in get_mapping_from_secret_type_to_class().values():
        denylist = getattr(plugin, "denylist", None)
        if not isinstance(denylist, (list, tuple)) or NO_SECRETS.search(plugin.secret_type):
            continue
        for index, pattern in enumerate(denylist):
            rule = f"detect-secrets/{plugin.__name__}/{index}"
            yield from of_pattern(rule, pattern, 1 if pattern.groups else 0, rng)


def of_betterleaks(rng: random.Random) -> Iterator[dict]:
    """The rules lie within its library as they were written; the last one is left out, for its end is not marked."""
    import betterleaks

    library = (Path(betterleaks.__file__).parent / "libbetterleaks.so").read_bytes()
    text = library[library.rindex(b'title = "betterleaks config"') : library.rindex(b"[[rules]]")]
    yield from of_gitleaks("betterleaks", text.decode(), rng)


def of_gitleaks(name: str, text: str, rng: random.Random) -> Iterator[dict]:
    """Rules in the form of gitleaks: TOML with ``[[rules]]`` of ``id``, ``regex`` and ``secretGroup``."""
    import tomllib

    for row in tomllib.loads(text)["rules"]:
        if NO_SECRETS.search(row["id"]):
            continue
        # What Go writes within an expression, Python does not take; a key in one case is a key all the same.
        source = row.get("regex", "").replace(r"\z", r"\Z").replace("[[:alnum:]]", "[0-9A-Za-z]")
        if not source:
            continue
        source = re.sub(r"\(\?i\)", "", source).replace("(?-i:", "(?:").replace("(?i:", "(?:")
        try:
            pattern = re.compile(source)
        except re.error:
            continue
        group = row.get("secretGroup") or (1 if pattern.groups else 0)
        yield from of_pattern(f"{name}/{row['id']}", pattern, group, rng)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=4)
    arguments.add_argument("--rules", type=Path)
    chosen = arguments.parse_args()
    rows: list[dict] = []
    for source in (of_credsweeper, of_detect_secrets, of_betterleaks):
        rows += source(random.Random(f"{chosen.seed} {source.__name__}"))
    if chosen.rules:
        rows += of_gitleaks(chosen.rules.stem, chosen.rules.read_text("utf-8"), random.Random(chosen.seed))
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
