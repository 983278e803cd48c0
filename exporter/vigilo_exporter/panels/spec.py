"""A panel as a value: what it shows, from which SQL, in which unit. Every screen is made from these."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

SQL_FOLDER = Path(__file__).parent / "sql"
_PART = re.compile(r"\{\{(\w+)((?: \w+=\w+)*)\}\}")
Kind: TypeAlias = Literal["stat", "timeseries", "bar", "table"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """From ``value`` on, in the panel's unit, the panel takes the colour."""

    value: float
    color: str


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of a table is shown. ``link`` may use Grafana's ``${__value.raw}``."""

    name: str
    unit: str | None = None
    link: str | None = None
    link_title: str | None = None


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One panel. ``id`` never changes and is never used again: links into the dashboard and alerts hold it.

    Attributes:
        sql_file: name below ``panels/sql``, written with Grafana's macros. Time series give a column ``time`` in
            ascending order, texts as labels, numbers as values; stats and bars give numbers in the panel's unit.
        unit: Grafana's id of the unit, such as ``s`` or ``currencyUSD``.
        width: in 24ths of the page.
        height: in Grafana's rows of 30 px.
        stacked: time series drawn as stacked bars, for amounts that add up.
    """

    id: int
    title: str
    description: str
    kind: Kind
    sql_file: str
    unit: str
    width: int
    height: int
    thresholds: tuple[Threshold, ...] = ()
    columns: tuple[Column, ...] = ()
    stacked: bool = False

    @property
    def sql(self) -> str:
        return read_sql(self.sql_file)


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a dashboard. Without ``sql_file`` it is a text that the viewer types."""

    name: str
    label: str
    description: str
    sql_file: str | None = None

    @property
    def sql(self) -> str | None:
        return None if self.sql_file is None else read_sql(self.sql_file)


@dataclass(frozen=True, slots=True)
class DashboardSpec:
    """A page of panels, in the order in which they are laid out."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    panels: tuple[PanelSpec, ...]


def read_sql(name: str) -> str:
    """The statement in ``panels/sql/NAME``, without its comment lines.

    What several panels read is written once: ``{{part WORD=TEXT}}`` is ``parts/part.sql`` with its words replaced.
    """
    lines = (SQL_FOLDER / name).read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()
    return _PART.sub(lambda found: f"\n{_part(found[1], found[2])}\n", text)


def _part(name: str, words: str) -> str:
    text = "    " + read_sql(f"parts/{name}.sql")
    for word in words.split():
        placeholder, _, replacement = word.partition("=")
        text = re.sub(rf"\b{placeholder}\b", replacement, text)
    return text
