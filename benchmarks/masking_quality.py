"""How well vigilo masks beside its peers, in one table: what is found, what is taken for a value and is none, the cost.

    python benchmarks/masking_quality.py                       # secrets, what must stay, ordinary text, speed
    python benchmarks/masking_quality.py --pii FILE            # and labelled sentences: JSON lines of text and spans
    python benchmarks/masking_quality.py --rules FILE          # secrets also by rules in the form of gitleaks (TOML)
    python benchmarks/masking_quality.py --misses 20           # what vigilo misses in the half that may be looked at

Secrets are drawn from the rules of other scanners (see ``masking_quality_rules.py``). Half of the rules, chosen by a
hash of their names, may be looked at while vigilo's own rules are written; of the other half only the score is ever
looked at. Peers and rules are installed into environments of their own; the first run takes some minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from masking_cost import DENSE, WITHOUT_DIGITS
from peers import python_of

HERE = Path(__file__).parent
REQUIREMENTS = "masking_quality_requirements"
ENVS = {"presidio": "presidio", "datafog-core": "datafog", "scrubadub": "scrubadub", "detect-secrets": "detect-secrets"}
MASKERS = ("vigilo", "vigilo, plain Python", *ENVS)
TYPES = ("EMAIL", "PHONE", "CARD", "SSN", "IBAN", "IP")
COVERED = 0.8
"""A value counts as found when this share of it is masked, by whatever tag."""

CHUNK_CHARS = 2000
SLOWEST_S = 1800

KEEP = (
    ("order #4155552671 was sent, tracking 1Z999AA10123456784", ("4155552671", "1Z999AA10123456784")),
    ("Invoice 2024-00012345 total $1,234,567.89", ("2024-00012345", "$1,234,567.89")),
    ("ts=1716239022 and 1716239022123 and 1716239022123456", ("1716239022", "1716239022123", "1716239022123456")),
    ("t=1716239022123456789", ("1716239022123456789",)),
    ("trace 41111111-1111-4111-8111-111111111111 done", ("41111111-1111-4111-8111-111111111111",)),
    ("id 550e8400-e29b-41d4-a716-446655440000", ("550e8400-e29b-41d4-a716-446655440000",)),
    ("commit 4155552671ab4155552671ab4155552671ab4155", ("4155552671ab4155552671ab4155552671ab4155",)),
    ("ISBN 978-3-16-148410-0", ("978-3-16-148410-0",)),
    ("from 2024-01-15 to 2024-02-20 at 12:30:45", ("2024-01-15", "2024-02-20", "12:30:45")),
    ("2024-01-15T12:30:45.123456+02:00", ("2024-01-15T12:30:45.123456+02:00",)),
    ("python 3.11.4, chrome/120.0.6099.129, v1.2.3", ("3.11.4", "120.0.6099.129", "v1.2.3")),
    ("git clone git@github.com:org/repo.git", ("org/repo.git",)),
    ("npm i @types/node@20.1.0 lodash@4.17.21", ("@types/node@20.1.0", "lodash@4.17.21")),
    ("image ghcr.io/org/app@sha256:" + "9f86d081884c7d65" * 4, ("ghcr.io/org/app@sha256:",)),
    ('{"prompt_tokens": 1234567890, "max_tokens": 4096, "token": 12}', ("1234567890", "4096", '"token": 12')),
    ("Set your api_key parameter; the token: string field; password: must have 8 characters", ("token: string",)),
    ('api_key = os.environ["OPENAI_API_KEY"]\ntoken = get_token()\npassword = None', ("os.environ", "get_token()")),
    ('api_key="YOUR_API_KEY" or sk-... or <your-token> or ${API_KEY} or {{token}}', ("sk-...", "<your-token>")),
    (
        "the sk-learn and sk-image packages, risk-free-rate-of-return-2024",
        ("sk-learn", "risk-free-rate-of-return-2024"),
    ),
    ("trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7", ("4bf92f3577b34da6a3ce929d0e0e4736",)),
    (
        "request req_011CSkzx3fJ8bQmVn7tWp2Ld and chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        ("req_011CS", "chatcmpl-B9MHD"),
    ),
    ("call_9xTq2LmVb7Zr4KpWc8NdHs3Y of msg_01XFDUDYJgAACzvnptvVoYEL", ("call_9xTq2", "msg_01XFD")),
    ("std::vector<int>::iterator a::b::c; x[::2], y[1:10:2]", ("std::vector<int>::iterator", "x[::2]", "y[1:10:2]")),
    ("order no 4111111111111112 shipped, id 99411111111111111177", ("4111111111111112", "99411111111111111177")),
    ("aa:bb:cc:dd:ee:ff at 1:2:3", ("aa:bb:cc:dd:ee:ff", "1:2:3")),
    ("arXiv:2401.12345v2 doi 10.1145/3442188.3445922", ("2401.12345v2", "10.1145/3442188.3445922")),
    ("999.1.1.1 and 1.2.3 and 1.2.3.4.5", ("999.1.1.1", "1.2.3.4.5")),
    ("SKU AB12CDEF3456GHIJ7890 ref DE00370400440532013000", ("AB12CDEF3456GHIJ7890", "DE00370400440532013000")),
    ("48.858370, 2.294481 and 1, 2, 3, 4, 5, 6, 7, 8, 9, 10", ("48.858370, 2.294481", "5, 6, 7, 8, 9, 10")),
    ("pod/web-7d4b9c6f5d-x2x9z 10m cpu", ("web-7d4b9c6f5d-x2x9z",)),
    ("https://example.com/a/4155552671/b?page=2&sort=asc", ("page=2&sort=asc",)),
    ("SELECT * FROM t WHERE id IN (1234567890, 2345678901)", ("1234567890",)),
    ("part 000-12-3456 and 666-12-3456, case 536904399 open", ("000-12-3456", "666-12-3456", "536904399")),
)
"""Texts, and what in them must stay."""


@dataclass(frozen=True)
class Work:
    """All texts that every masker reads once, and where each kind of them begins."""

    secrets: list[dict[str, Any]]
    sentences: list[dict[str, Any]]
    ordinary: list[str]

    def texts(self) -> list[str]:
        return [
            *(row["text"] for row in self.secrets),
            *(text for text, _ in KEEP),
            *(row["text"] for row in self.sentences),
            *self.ordinary,
        ]


def secrets_of(envs: Path, rules: Path | None, seed: int) -> list[dict[str, Any]]:
    command: list[Any] = [python_of("rules", envs, REQUIREMENTS), HERE / "masking_quality_rules.py", "--seed", seed]
    command += ["--rules", rules] if rules else []
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def ordinary_text(megabytes: float) -> list[str]:
    """Sources and documents of installed packages, the same ones in each run as long as the packages are the same."""
    root = Path(sysconfig.get_path("purelib"))
    files = [path for kind in ("py", "md", "rst", "txt") for path in root.rglob(f"*.{kind}")]
    files.sort(key=lambda path: hashlib.sha256(str(path.relative_to(root)).encode()).digest())
    chunks: list[str] = []
    for path in files:
        if not 300 < path.stat().st_size < 200_000:
            continue
        text = path.read_text("utf-8", "replace")
        chunks += [text[at : at + CHUNK_CHARS] for at in range(0, len(text), CHUNK_CHARS)]
        if sum(map(len, chunks)) >= megabytes * 1e6:
            break
    return chunks


def run(masker: str, work: Path, envs: Path) -> dict[str, Any] | None:
    """What a masker found; None, with its last words, when it failed."""
    try:
        python = python_of(ENVS[masker], envs, REQUIREMENTS) if masker in ENVS else Path(sys.executable)
    except subprocess.CalledProcessError:
        print(f"{masker} cannot be installed", file=sys.stderr)
        return None
    command = [str(python), str(HERE / "masking_quality_worker.py"), masker, str(work)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" or masker not in ENVS}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SLOWEST_S, check=False, env=environment)
    told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not told:
        print(f"{masker} failed:\n{done.stderr[-1000:]}", file=sys.stderr)
        return None
    return dict(json.loads(told[-1].removeprefix("RESULT ")))


def found(spans: list[list[Any]], start: int, end: int) -> bool:
    masked = set()
    for span in spans:
        masked.update(range(max(start, span[0]), min(end, span[1])))
    return len(masked) >= COVERED * (end - start)


def score(work: Work, result: dict[str, Any]) -> dict[str, Any]:
    spans = iter(result["spans"])
    by_rule: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    misses = []
    for row in work.secrets:
        hit = found(next(spans), row["start"], row["end"])
        by_rule[row["held_out"], row["rule"]].append(hit)
        if not hit and not row["held_out"]:
            misses.append((row["rule"], row["text"]))
    broken = 0
    for text, keep in KEEP:
        here = next(spans)
        broken += sum(
            any(one[0] < at + len(part) and at < one[1] for one in here) for part in keep for at in [text.index(part)]
        )
    sentences = [next(spans) for _ in work.sentences]
    return {
        "secrets": {
            held: _mean([_mean(hits) for (h, _), hits in by_rule.items() if h == held]) for held in (False, True)
        },
        "sources": {
            source: [
                _mean([_mean(hits) for (h, name), hits in by_rule.items() if h == held and name.startswith(source)])
                for held in (False, True)
            ]
            for source in dict.fromkeys(name.partition("/")[0] + "/" for _, name in by_rule)
        },
        "misses": misses,
        "broken": broken,
        "pii": {kind: _of_type(kind, work.sentences, sentences) for kind in TYPES},
        "alarms": sum(one[2] == "SECRET" for here in spans for one in here),
    }


def _of_type(kind: str, sentences: list[dict[str, Any]], spans: list[Any]) -> tuple[float, float] | None:
    """Recall and precision of a type in the labelled sentences; None for who does not look for it."""
    if not sentences:
        return None
    labelled = hits = claimed = right = 0
    for row, here in zip(sentences, spans, strict=True):
        gold = [(start, end) for start, end, label in row["spans"] if label == kind]
        labelled += len(gold)
        hits += sum(found(here, start, end) for start, end in gold)
        mine = [one for one in here if one[2] == kind]
        claimed += len(mine)
        right += sum(any(start < one[1] and one[0] < end for start, end in gold) for one in mine)
    return (hits / max(1, labelled), right / claimed) if claimed else None


def _pair(of_type: tuple[float, float] | None) -> str:
    return f"{of_type[0]:.2f} / {of_type[1]:.2f}" if of_type else "-"


def _mean(values: list[Any]) -> float:
    return sum(values) / max(1, len(values))


def table(scores: dict[str, dict[str, Any]], results: dict[str, dict[str, Any]], work: Work) -> str:
    """A row for each masker."""
    megabytes = sum(map(len, work.ordinary)) / 1e6
    headings = ["masker", "secrets, seen", "secrets, held out", "must stay: broken", "SECRET / MB"]
    headings += [f"{kind} R/P" for kind in TYPES] if work.sentences else []
    headings += ["us clean", "us dense"]
    lines = [headings, ["---"] * len(headings)]
    for masker, got in scores.items():
        pii = [_pair(got["pii"][kind]) for kind in TYPES] if work.sentences else []
        lines.append(
            [
                f"{masker} {results[masker]['version']}",
                *(f"{got['secrets'][held]:.2f}" for held in (False, True)),
                str(got["broken"]),
                f"{got['alarms'] / megabytes:.1f}",
                *pii,
                *(f"{us:.1f}" for us in results[masker]["speed"]),
            ]
        )
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="How well vigilo masks beside its peers.")
    cache = platformdirs.user_cache_path("vigilo") / "benchmarks"
    parser.add_argument("--envs", type=Path, default=cache, help=f"where the environments are kept ({cache})")
    parser.add_argument("--only", help="names of maskers, separated by semicolons")
    parser.add_argument("--pii", type=Path, help="labelled sentences")
    parser.add_argument("--rules", type=Path, help="more rules, in the form of gitleaks")
    parser.add_argument("--megabytes", type=float, default=1.0, help="of ordinary text")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--misses", type=int, default=0, help="print so many of what vigilo misses, of the seen half")
    chosen = parser.parse_args()
    lines = chosen.pii.read_text("utf-8").splitlines() if chosen.pii else []
    work = Work(
        secrets=secrets_of(chosen.envs, chosen.rules, chosen.seed),
        sentences=[json.loads(line) for line in lines],
        ordinary=ordinary_text(chosen.megabytes),
    )
    rules = {(row["held_out"], row["rule"]) for row in work.secrets}
    held = sum(1 for held, _ in rules if held)
    print(f"{len(work.secrets)} secrets by {len(rules) - held} rules seen and {held} held out; ", end="")
    print(f"{sum(len(keep) for _, keep in KEEP)} parts that must stay; {len(work.sentences)} labelled sentences")
    scores, results = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "work.json"
        file.write_text(json.dumps({"texts": work.texts(), "speed": [WITHOUT_DIGITS, DENSE]}), "utf-8")
        for masker in chosen.only.split(";") if chosen.only else MASKERS:
            result = run(masker, file, chosen.envs)
            if result is not None:
                results[masker] = result
                scores[masker] = score(work, result)
                print(f"{masker} done", file=sys.stderr)
    print(table(scores, results, work))
    for masker, got in scores.items():
        sources = (f"{name.rstrip('/')} {seen:.2f} {held_out:.2f}" for name, (seen, held_out) in got["sources"].items())
        print(f"{masker}, seen and held out, by the scanner whose rules they are: {'; '.join(sources)}")
    for rule, text in scores.get("vigilo", {}).get("misses", [])[: chosen.misses]:
        print(f"{rule}: {text!r}")


if __name__ == "__main__":
    main()
