"""The files of ``schema/``: the statements that make the tables, and what has to be said beside them.

A comment above a statement may begin with words in brackets, for :mod:`~vigilo_exporter.clickhouse.migrate`:

- ``[filled]``: the rows that lie in the source of a materialized view go into its target before the view is made. The
  SELECT of such a view has the target's columns in the target's order.
- ``[adopted]``: it is run only where somebody else, the Collector, made the tables before; of a view, only the filling.

For who runs the files as they are, on a database without rows, they are comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

SCHEMA_FOLDER = Path(__file__).parent / "schema"
WINDOW = "non_replicated_deduplication_window = 10000"
REPLICATED_WINDOW = "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
"""What counts where tables are replicated: in a cluster, and in ClickHouse Cloud, which makes plain tables so. Its
default forgets tokens after an hour, which is less than an outage may last."""
Rows = Literal["none", "ours", "theirs"]
"""Whose rows lie in the tables before a migration: nobody's, those of an older version of ours, or the Collector's."""
FILLING = (
    "SETTINGS max_insert_threads = 1, async_insert = 0, max_partitions_per_insert_block = 0, "
    "min_insert_block_size_bytes = 67108864, max_bytes_before_external_group_by = 400000000"
)
_COMMENT = re.compile(r"\A(?:[ \t]*--[^\n]*\n|\s*\n)*")
_MARK = re.compile(r"^-- ((?:\[\w+\] ?)+)", re.MULTILINE)
_VIEW = re.compile(r"CREATE MATERIALIZED VIEW (?:IF NOT EXISTS )?\w+ TO (\w+) AS\n(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """One step of the schema: ``0005_llm_calls.sql`` has version 5. Its statements can be run again unharmed."""

    version: int
    name: str
    statements: tuple[str, ...]

    def expanded(self, *, rows: Rows) -> tuple[str, ...]:
        """The statements to run, as far as the rows that lie there need them."""
        return tuple(one for statement in self.statements for one in _expanded(statement, rows))


@cache
def schema_files() -> tuple[SchemaFile, ...]:
    """The files of ``schema/``, oldest first."""
    return tuple(
        SchemaFile(int(path.name.partition("_")[0]), path.stem, split_statements(path.read_text("utf-8")))
        for path in sorted(SCHEMA_FOLDER.glob("[0-9]*.sql"))
    )


def split_statements(sql: str) -> tuple[str, ...]:
    """The statements of a file; each ends with a semicolon at the end of its line, which a comment may follow."""
    ends = re.split(r";(?:[ \t]*--[^\n]*)?\n", f"{sql.rstrip()}\n")
    return tuple(statement.strip() for statement in ends if statement.strip())


def bare(statement: str) -> str:
    """The statement without the comments above it."""
    return statement[_COMMENT.match(statement).end() :]  # type: ignore[union-attr]


def _expanded(statement: str, rows: Rows) -> tuple[str, ...]:
    comment = _COMMENT.match(statement)
    mark = _MARK.search(comment[0]) if comment else None
    marks = mark[1] if mark else ""
    statement = bare(statement).replace(WINDOW, f"{WINDOW}, {REPLICATED_WINDOW}")
    wanted = rows == "theirs" or (rows == "ours" and "[adopted]" not in marks)
    if "[filled]" not in marks:
        return (statement,) if wanted or not (marks or statement.startswith("INSERT ")) else ()
    view = _VIEW.match(statement)
    if view is None:
        raise ValueError(f"not a materialized view to fill: {statement[:80]}")
    return (f"INSERT INTO {view[1]}\n{view[2]}\n{FILLING}", statement) if wanted else (statement,)
