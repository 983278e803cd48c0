"""A ClickHouse that holds vigilo's tables, whichever it is: embedded, behind `vigilo serve`, or a server or cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vigilo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vigilo_exporter.convert.columns import Columns

NATIVE_SUFFIX = ".native.zst"
JSON_LINES_SUFFIX = ".jsonl"


class ClickHouseError(StoreError):
    """ClickHouse refused a statement, or could not be reached.

    Attributes:
        code: ClickHouse's error code; 0 when it gave none.
        executed: None where the statement may or may not have been executed: no answer came.
    """

    def __init__(self, message: str, code: int = 0, *, executed: bool | None = False) -> None:
        super().__init__(message)
        self.code = code
        self.executed = executed


class Database(Protocol):
    """Statements to one ClickHouse, in vigilo's database there. Times are UTC."""

    def execute(self, statement: str) -> None:
        """Runs a statement that gives no rows.

        Raises:
            ClickHouseError: it was refused, or ClickHouse cannot be reached.
        """

    def query(self, sql: str, parameters: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]:
        """Rows of a SELECT as mappings. 64-bit integers come as ``int``, decimals as ``str``, NaN as None.

        Args:
            sql: one statement; it can change nothing.
            parameters: values for ``{name:Type}`` in it. Times are UTC: ``2026-11-01 00:00:00.5``.

        Raises:
            ClickHouseError: as :meth:`execute`.
        """

    def insert(self, table: str, columns: Columns, files: Sequence[Path], token: str) -> None:
        """Inserts the rows of files as one insert, which counts once however often it is sent with the same token.

        Args:
            table: its name, as :meth:`Layout.stored` gives it.
            columns: name and type of each column that the files hold, in their order.
            files: all ``.native.zst`` (Native format, zstd) or all ``.jsonl`` (JSONCompactEachRow). The same token must
                always come with the same files in the same order.
            token: ClickHouse's ``insert_deduplication_token``.

        Raises:
            ClickHouseError: as :meth:`execute`. ``executed`` is None when no answer came: send it again.
        """


@dataclass(frozen=True, slots=True)
class Layout:
    """Where rows lie: in one ClickHouse, or in a cluster, where Distributed tables have the plain names.

    In a cluster ``llm_calls`` is the Distributed table, which is asked, and ``llm_calls_local`` the replicated one on
    each shard, which is written to and altered.
    """

    cluster: str = ""

    def stored(self, table: str) -> str:
        """The table that rows are inserted into, deleted from and altered in."""
        return f"{table}_local" if self.cluster else table

    @property
    def on_cluster(self) -> str:
        """What an ALTER has after the table's name."""
        return f" ON CLUSTER `{self.cluster}`" if self.cluster else ""
