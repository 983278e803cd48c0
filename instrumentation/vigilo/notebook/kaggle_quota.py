"""The weekly quota of accelerators as Kaggle itself tells it, where its client and credentials are there.

The client (PyPI ``kaggle``, 2.2.1 and later: ``KaggleApi.quota_view``) looks for credentials as it is imported, and
prints and exits without them, so it runs in a process of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigilo.notebook.place import Place

PATIENCE_S = 30.0
_MARK = "vigilo-quota:"
_ASK = f"""
import json
from datetime import timedelta, timezone
from kaggle.api.kaggle_api_extended import KaggleApi
api = KaggleApi()
api.authenticate()
said = api.quota_view()
refresh = said.quota_refresh_time
if refresh is not None and refresh.tzinfo is None:
    refresh = refresh.replace(tzinfo=timezone.utc)
print({_MARK!r} + json.dumps({{
    "resets_at_s": refresh and refresh.timestamp(),
    "quotas": [
        [name, (quota.time_used or timedelta()).total_seconds(), quota.total_time_allowed.total_seconds()]
        for name, quota in (("gpu", said.gpu_quota), ("tpu", said.tpu_quota))
        if quota is not None and quota.total_time_allowed is not None
    ],
}}))
"""


@dataclass(frozen=True)
class Quota:
    """Of one accelerator: gpu or tpu.

    Attributes:
        used_s, limit_s: seconds this week.
        resets_at_s: when the next week begins, in seconds since 1970.
    """

    accelerator: str
    used_s: float
    limit_s: float
    resets_at_s: float | None = None


class NoAnswerError(Exception):
    """Kaggle told nothing."""


def has_credentials(place: Place) -> bool:
    """Whether Kaggle's client would find credentials; they are not read."""
    environ = place.environ
    if environ.get("KAGGLE_API_TOKEN") or (environ.get("KAGGLE_USERNAME") and environ.get("KAGGLE_KEY")):
        return True
    home = environ.get("HOME") or "/root"
    own = environ.get("KAGGLE_CONFIG_DIR") or f"{home}/.kaggle"
    shared = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    files = [f"{own}/{name}" for name in ("kaggle.json", "access_token", "access_token.txt", "credentials.json")]
    files += [f"{shared}/kaggle/kaggle.json", environ.get("KAGGLE_API_V1_TOKEN", "")]  # a file that Kaggle puts there
    return any(place.path(file).is_file() for file in files)


def ask_kaggle(place: Place) -> tuple[Quota, ...]:
    """Asks over the internet; takes seconds. Empty where nobody answers: no client, no credentials, no internet."""
    try:
        return answer_of_kaggle(place)
    except NoAnswerError:
        return ()


def answer_of_kaggle(place: Place) -> tuple[Quota, ...]:
    """The same, and says why nobody answers.

    Raises:
        NoAnswerError: the reason, or the name of an error; never what others say in one, which may quote anything.
    """
    if not has_credentials(place):
        raise NoAnswerError("no credentials")
    if find_spec("kaggle") is None:
        raise NoAnswerError("no client")
    environ = {**place.environ, "OTEL_SDK_DISABLED": "true"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            cwd=Path(sys.prefix),  # not where the notebook lies, whose files could take the place of modules
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoAnswerError(type(error).__name__) from None
    if done.returncode:
        names = re.findall(r"^(?:\w+\.)*(\w+(?:Error|Exception|Exit))\b", done.stderr, re.MULTILINE)
        raise NoAnswerError(names[-1] if names else f"the client ended with {done.returncode}")
    return read_answer(done.stdout)


def read_answer(printed: str) -> tuple[Quota, ...]:
    """The quotas in what the client's process printed, among whatever else it did."""
    for line in printed.splitlines():
        if line.startswith(_MARK):
            said = json.loads(line.removeprefix(_MARK))
            return tuple(Quota(name, used, allowed, said["resets_at_s"]) for name, used, allowed in said["quotas"])
    return ()
