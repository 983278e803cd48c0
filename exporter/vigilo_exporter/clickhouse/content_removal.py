"""Takes what was said to models, and what they answered, out of spans and log records that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vigilo import semconv
from vigilo.policy.export.content_names import is_content
from vigilo_exporter.clickhouse.engine import quoted
from vigilo_exporter.convert.columns import LOGS

if TYPE_CHECKING:
    from datetime import date

    from vigilo_exporter.clickhouse.database import Database, Layout

_EVENT_NAME: Final = "event.name"  # of a log record, in the older form of the conventions
_REWRITTEN: Final = "otel_traces_rewritten"
_CLIENT_EVENTS: Final = (semconv.DETAILS_EVENT, semconv.EXCEPTION_EVENT)


def remove_content(
    database: Database, layout: Layout, table: str, first: date, before: date, *, dry_run: bool = False
) -> int:
    """Removes the text of the days from ``first`` up to ``before``, which is not among them.

    Args:
        database: where.
        layout: of its tables.
        table: ``otel_traces`` or ``otel_logs``.
        first: older days are left alone.
        before: the first day whose text stays.
        dry_run: only counts.

    Returns:
        How many rows had text in them.

    Raises:
        ClickHouseError: ClickHouse refuses; the days that were dealt with stay without text.
    """
    removed = 0
    for day in _days(database, table, first, before):
        removed += (
            _LogDay(database, layout, day).run(dry_run)
            if table == LOGS
            else _SpanDay(database, layout, day).run(dry_run)
        )
    return removed


def _days(database: Database, table: str, first: date, before: date) -> list[dict[str, Any]]:
    """Days with the names of all their attributes that hold text, or of events whose body is text."""
    names = (
        f"groupUniqArrayArray(mapKeys(LogAttributes)) AS names, [] AS event_names, countIf({_BODY_IS_TEXT}) AS bodies"
        if table == LOGS
        else "groupUniqArrayArray(mapKeys(SpanAttributes)) AS names, "
        "groupUniqArrayArray(arrayFlatten(arrayMap(event -> mapKeys(event), `Events.Attributes`))) AS event_names, "
        f"countIf(arrayExists((event, name) -> {_EVENT_IS_TEXT}, `Events.Attributes`, `Events.Name`)) AS bodies"
    )
    rows = database.query(
        f"SELECT toString(toDate(Timestamp)) AS day, {names} FROM {table} "  # noqa: S608 - names of ours
        f"WHERE toDate(Timestamp) >= {quoted(first.isoformat())} AND toDate(Timestamp) < {quoted(before.isoformat())} "
        "GROUP BY day ORDER BY day"
    )
    found = []
    for row in rows:
        row["names"] = sorted(filter(is_content, row["names"]))
        row["event_names"] = sorted(filter(is_content, row["event_names"]))
        if row["names"] or row["event_names"] or int(row["bodies"]):
            found.append(row)
    return found


# A message as an event of its own; of those that tell of a whole call only the attributes have text.
_BODY_IS_TEXT = (
    f"Body != '' AND startsWith(if(EventName != '', EventName, LogAttributes[{quoted(_EVENT_NAME)}]), "
    f"{quoted(semconv.GEN_AI)}) AND if(EventName != '', EventName, LogAttributes[{quoted(_EVENT_NAME)}]) NOT IN "
    f"({', '.join(map(quoted, _CLIENT_EVENTS))})"
)


_EVENT_IS_TEXT = (
    f"notEmpty(event) AND startsWith(name, {quoted(semconv.GEN_AI)}) "
    f"AND name NOT IN ({', '.join(map(quoted, _CLIENT_EVENTS))})"
)


class _Day:
    """One day of one table."""

    def __init__(self, database: Database, layout: Layout, day: dict[str, Any]) -> None:
        self._database = database
        self._layout = layout
        self._day: str = day["day"]
        self._names = f"[{', '.join(map(quoted, day['names']))}]" if day["names"] else ""
        self._event_names = f"[{', '.join(map(quoted, day['event_names']))}]" if day["event_names"] else ""
        self._has_bodies = int(day["bodies"]) > 0

    def _count(self, table: str, where: str) -> int:
        sql = f"SELECT count() AS found FROM {table} WHERE toDate(Timestamp) = {quoted(self._day)} AND ({where})"  # noqa: S608
        return int(self._database.query(sql)[0]["found"])

    def _update(self, table: str, change: str, where: str) -> None:
        self._database.execute(
            f"ALTER TABLE {self._layout.stored(table)}{self._layout.on_cluster} UPDATE {change} "
            f"IN PARTITION {quoted(self._day)} WHERE {where} SETTINGS mutations_sync = 2"
        )


class _LogDay(_Day):
    def run(self, dry_run: bool) -> int:
        where = f"({_BODY_IS_TEXT})"
        changes = [f"Body = if({_BODY_IS_TEXT}, '', Body)"]
        if self._names:
            where += f" OR hasAny(mapKeys(LogAttributes), {self._names})"
            changes.append(f"LogAttributes = {_without('LogAttributes', self._names)}")
        found = self._count(LOGS, where)
        if found and not dry_run:
            self._update(LOGS, ", ".join(changes), where)
        return found


class _SpanDay(_Day):
    def run(self, dry_run: bool) -> int:
        of_span = f"hasAny(mapKeys(SpanAttributes), {self._names})" if self._names else "false"
        names = self._event_names or "CAST([], 'Array(String)')"
        of_event = (
            f"arrayExists((event, name) -> hasAny(mapKeys(event), {names}) OR ({_EVENT_IS_TEXT}), "
            "`Events.Attributes`, `Events.Name`)"
        )
        found = self._count("otel_traces", f"{of_span} OR {of_event}")
        if dry_run or not found:
            return found
        if self._names:
            change = f"SpanAttributes = {_without('SpanAttributes', self._names)}"
            self._update("otel_traces", change, of_span)
        if self._event_names or self._has_bodies:
            nothing = "CAST(map(), 'Map(LowCardinality(String), String)')"
            events = (
                f"arrayMap((event, name) -> if({_EVENT_IS_TEXT}, {nothing}, {_without('event', names)}), "
                "`Events.Attributes`, `Events.Name`)"
            )
            if self._can_update_nested():
                self._update("otel_traces", f"`Events.Attributes` = {events}", of_event)
            else:
                self._rewrite(events)
        return found

    def _can_update_nested(self) -> bool:
        """Whether this ClickHouse has the function by which it checks such an update; the lite engine has not.

        There is no trying: the refused statement keeps its lock.
        """
        return bool(self._database.query("SELECT 1 FROM system.functions WHERE name = 'validateNestedArraySizes'"))

    def _rewrite(self, events: str) -> None:
        """Writes the day anew beside the table and puts it in its place, at once."""
        execute = self._database.execute
        execute(f"CREATE TABLE IF NOT EXISTS {_REWRITTEN} AS otel_traces")
        execute(f"TRUNCATE TABLE {_REWRITTEN}")
        execute(
            f"INSERT INTO {_REWRITTEN} SELECT * REPLACE ({events} AS `Events.Attributes`) "  # noqa: S608 - names of ours
            f"FROM otel_traces WHERE toDate(Timestamp) = {quoted(self._day)}"
        )
        execute(f"ALTER TABLE otel_traces REPLACE PARTITION {quoted(self._day)} FROM {_REWRITTEN}")
        execute(f"DROP TABLE {_REWRITTEN}")


def _without(attributes: str, names: str) -> str:
    """The SQL of a map without some of its keys; the lite engine has no ``mapFilter``."""
    return (
        f"CAST(arrayFilter(pair -> NOT has({names}, pair.1), CAST({attributes}, 'Array(Tuple(String, String))')), "
        "'Map(LowCardinality(String), String)')"
    )
