"""Lines of JSON that tell what became of segments: ``quarantine/reasons.jsonl`` and ``dropped.jsonl``."""

from __future__ import annotations

import errno
import json
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


def now() -> str:
    """The time as the lines have it: UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def append(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Adds lines in one write, so that those of several processes do not mix.

    Raises:
        OSError: the disk refuses.
    """
    text = _text(lines).encode()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # the disk was full in the middle of a line
            text = b"\n" + text
        if os.write(descriptor, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def replace(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Writes the file anew. Nobody may add to it meanwhile.

    Raises:
        OSError: the disk refuses; the file is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(_text(lines), "utf-8")
        temporary.chmod(0o600)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines; one that was cut off, or edited to something else, is skipped."""
    try:
        text = path.read_text("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content


def _text(lines: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)
