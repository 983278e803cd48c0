"""What vigilo and its peers add to a call, in one table: CPU time beside the bare SDKs, over the same mock transport.

    python benchmarks/peers.py                       # all of them; the first run makes an environment for each
    python benchmarks/peers.py --only none,vigilo    # some of them
    python benchmarks/peers.py --envs DIR            # environments elsewhere than in the user's cache folder

Each way of instrumenting runs in a process and an environment of its own, with content off and on, in passes that are
interleaved, so that a busy machine slows all of them alike; the least CPU time of all rounds counts. It takes ten
minutes. How far the numbers can be trusted is told by what Anthropic's own spans seem to add to calls of OpenAI.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

HERE = Path(__file__).parent
ROOT = HERE.parent
KINDS = ("chat", "chat stream", "responses", "message", "message stream")
HEADINGS = ("chat", "stream of 100", "responses", "Anthropic message", "stream of 100")


@dataclass(frozen=True)
class Peer:
    """A way of instrumenting.

    ``env`` names its requirements, ``base`` the peer that has the same SDKs and nothing on top.
    """

    name: str
    env: str
    base: str = "none"
    contents: tuple[bool, ...] = (False, True)


PEERS = (
    Peer("none", "none", contents=(False,)),
    Peer("vigilo", "vigilo"),
    Peer("anthropic's own", "none"),
    Peer("official", "official"),
    Peer("openllmetry", "openllmetry"),
    Peer("openinference", "openinference"),
    Peer("logfire", "logfire"),
    Peer("none (older SDKs)", "openlit", base="none (older SDKs)", contents=(False,)),
    Peer("openlit", "openlit", base="none (older SDKs)"),
)


@dataclass
class Best:
    """The least of what was measured."""

    cpu_us: dict[str, float] = field(default_factory=dict)
    enable_ms: float = float("inf")
    spans_a_call: float = 0.0
    sdks: str = ""

    def take(self, result: dict) -> None:
        for kind, us in result["cpu_us"].items():
            self.cpu_us[kind] = min(us, self.cpu_us.get(kind, us))
        self.enable_ms = min(self.enable_ms, result["enable"]["cpu_ms"])
        self.spans_a_call = result["spans_a_call"]
        self.sdks = " ".join(f"{name} {version}" for name, version in result["sdks"].items())


def python_of(env: str, envs: Path, kept_in: str = "peers_requirements") -> Path:
    """The interpreter of an environment, which is made when it is not there or its requirements have changed."""
    requirements = HERE / kept_in / f"{env}.txt"
    wanted = requirements.read_bytes() + (ROOT / "pyproject.toml").read_bytes() * (env == "vigilo")
    folder = envs / f"{env}-{hashlib.sha256(wanted).hexdigest()[:8]}"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    complete = folder / ".complete"
    if not complete.is_file():
        print(f"installing {requirements.relative_to(ROOT)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", requirements], cwd=ROOT, check=True)
        complete.touch()
    return python


def measure(peer: Peer, content: bool, envs: Path, rounds: int, calls: int) -> dict | None:
    """One run of the worker; None, with its last words, when it failed."""
    try:
        python = python_of(peer.env, envs)
    except subprocess.CalledProcessError:
        print(f"{peer.name} cannot be installed", file=sys.stderr)
        return None
    command = [python, HERE / "peers_worker.py", peer.name]
    options = ["--rounds", str(rounds), "--calls", str(calls), *(["--content"] if content else [])]
    # Modules are compiled once, as an installer leaves them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not told:
        print(f"{peer.name} failed:\n{done.stderr[-1000:]}", file=sys.stderr)
        return None
    return json.loads(told[-1].removeprefix("RESULT "))


def table(best: dict[tuple[Peer, bool], Best]) -> str:
    """A row for each peer: what it adds to each kind of call, and how many times that is of what vigilo adds."""
    bases = {peer.base: best[peer, False] for peer, _ in best if peer.name == peer.base}
    ours = {content: row for (peer, content), row in best.items() if peer.name == "vigilo"}
    lines = [f"{'CPU us a call: added (times vigilo)':<36}{'enable ms':>10}" + "".join(f"{h:>20}" for h in HEADINGS)]
    for (peer, content), row in best.items():
        name = f"{peer.name}{', content' if content else ''}"
        base = bases.get(peer.base)
        cells = ""
        for kind in KINDS:
            if peer.name == peer.base or base is None:
                cells += f"{row.cpu_us[kind]:>20.0f}"
                continue
            added = row.cpu_us[kind] - base.cpu_us[kind]
            times = ""
            if (mine := ours.get(content)) is not None and peer.name != "vigilo" and "none" in bases:
                times = f" (x{added / (mine.cpu_us[kind] - bases['none'].cpu_us[kind]):.1f})"
            cells += f"{f'{added:+.0f}{times}':>20}"
        lines.append(f"{name:<36}{row.enable_ms:>10.0f}{cells}")
    lines += [f"{peer.name}: {row.sdks}" for (peer, _), row in best.items() if peer.name == peer.base]
    silent = [peer.name for (peer, _), row in best.items() if peer.name != peer.base and not row.spans_a_call]
    lines += [f"no spans at all: {', '.join(silent)}"] if silent else []
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What vigilo and its peers add to a call.")
    cache = platformdirs.user_cache_path("vigilo") / "benchmarks"
    parser.add_argument("--envs", type=Path, default=cache, help=f"where the environments are kept ({cache})")
    parser.add_argument("--only", help="names of peers, separated by commas")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=8, help="in each pass")
    parser.add_argument("--calls", type=int, default=60, help="in each round; an eighth of it for streams")
    chosen = parser.parse_args()
    names = chosen.only.split(",") if chosen.only else [peer.name for peer in PEERS]
    best: dict[tuple[Peer, bool], Best] = {}
    for _ in range(chosen.passes):
        for peer in PEERS:
            for content in peer.contents if peer.name in names else ():
                result = measure(peer, content, chosen.envs, chosen.rounds, chosen.calls)
                if result is not None:
                    best.setdefault((peer, content), Best()).take(result)
    print(table(best))


if __name__ == "__main__":
    main()
