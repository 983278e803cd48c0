"""Erases a user from the segments in the spool's quarantine, which no table has taken."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import zstandard

from vigilo.policy.export.rules import PERSONS
from vigilo_exporter.native import block
from vigilo_exporter.native_reader import BrokenBlockError, Content, read_segment

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from vigilo_exporter.spool import Spool


def erase_quarantined(spool: Spool, ids: Collection[str], *, dry_run: bool = False) -> tuple[dict[str, int], list[str]]:
    """Takes the rows of a user out of each segment; those that cannot be read are deleted as a whole.

    Args:
        spool: whose quarantine.
        ids: of the user, as they stand in rows.
        dry_run: only tells.

    Returns:
        How many rows were erased from each segment that had some, and the names of those that were deleted.

    Raises:
        OSError: the disk refuses.
    """
    rewritten: dict[str, int] = {}
    deleted = []
    for piece in spool.quarantined():
        path = spool.folder / "quarantine" / piece.name
        try:
            content = read_segment(path)
        except FileNotFoundError:
            continue
        except BrokenBlockError:
            deleted.append(piece.name)
            if not dry_run:
                path.unlink(missing_ok=True)
            continue
        kept, removed = _without(content, ids)
        if removed:
            rewritten[piece.name] = removed
            if not dry_run:
                _replace(path, kept)
    return rewritten, deleted


def _without(content: Content, ids: Collection[str]) -> tuple[Content, int]:
    """The rows that are not the user's: neither by their own attributes, nor by a trace of theirs."""
    rows = list(content.rows())
    traces = {row.get("TraceId") for row in rows if _is_theirs(row, ids)} - {None, ""}
    keep = [not _is_theirs(row, ids) and row.get("TraceId") not in traces for row in rows]
    data = tuple([value for value, kept in zip(column, keep, strict=True) if kept] for column in content.data)
    return Content(content.columns, data), keep.count(False)


def _is_theirs(row: dict[str, Any], ids: Collection[str]) -> bool:
    told = [row[name] for name in ("SpanAttributes", "LogAttributes", "Attributes") if name in row]
    told += row.get("Exemplars.FilteredAttributes", [])
    return any(attributes.get(name) in ids for attributes in told for name in PERSONS)


def _replace(path: Path, content: Content) -> None:
    if not content.row_count:
        path.unlink(missing_ok=True)
        return
    temporary = path.with_name(f"{path.name}.tmp")
    packed = zstandard.ZstdCompressor().compress(block(content.columns, content.data))
    with temporary.open("wb") as file:
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
