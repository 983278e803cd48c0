"""Rows of figures for the calls of a span of time: read from the calls themselves, or from the rollups.

Rollups have whole hours, or whole days of each user, conversation and session. What a span has of its first and last
hour or day is read from the calls: those inside count once more, or else those outside once less, whichever are fewer.
So counts, tokens and costs are exact either way.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from vigilo_exporter.figures import remainder
from vigilo_exporter.queries import query_text

if TYPE_CHECKING:
    from collections.abc import Mapping

DIMENSIONS = ("model", "user", "conversation", "operation", "session", "service")
TOTAL = "total"
ALL_ROWS = 2**32 - 1
_EPOCH = datetime.fromtimestamp(0, timezone.utc)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_WORD = re.compile(r"\b(KEY|PROVIDER|ROLLUP|PERIOD_TYPE|PERIOD|CHOSEN|FIGURES)\b")
_KEYS = {
    TOTAL: "''",
    "model": "Model",
    "user": "UserId",
    "conversation": "ConversationId",
    "operation": "if(AppOperation != '', AppOperation, Operation)",
    "session": "SessionId",
    "service": "ServiceName",
}
_DAILY = {"user": "llm_user_daily", "conversation": "llm_conversations", "session": "llm_sessions"}
_ONLY_WITH_KEY = ("conversation", "session")  # these rollups leave out the calls without one
_CHOSEN = "KEY IN (SELECT key FROM format(JSONCompactEachRow, 'key String', {keys:String}))"


class Queries(Protocol):
    """A store that answers SELECTs, such as :class:`~vigilo_exporter.clickhouse.store.Store`."""

    def query(self, sql: str, parameters: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one dimension, dearest first, and how many groups there are in all."""

    rows: list[dict[str, Any]]
    groups: int


@dataclass(frozen=True, slots=True)
class Around:
    """How many calls there are to read, by the hour: in the span, and in the days at its ends."""

    calls: int
    before_since: int
    after_since: int
    before_until: int
    after_until: int


def calls_around(store: Queries, since: datetime, until: datetime) -> Around:
    """Asks the hourly rollup how many calls there are."""
    span = {"since": _to_the_second(since), "until": _to_the_second(until)}
    return Around(**store.query(query_text("calls_around"), span)[0])


def from_calls(store: Queries, by: str, since: datetime, until: datetime, limit: int = ALL_ROWS) -> Rows:
    """Rows of ``calls.sql`` by a dimension or in all; reads every call of the span."""
    sql = _filled("calls", {"KEY": _KEYS[by], "PROVIDER": _provider(by)})
    rows = store.query(sql, {"since": moment(since), "until": moment(until), "rows": limit})
    return Rows(rows, rows[0]["groups"] if rows else 0)


def from_rollup(
    store: Queries, by: str, since: datetime, until: datetime, around: Around, limit: int = ALL_ROWS
) -> Rows:
    """Rows of ``rollup_figures.sql`` by a dimension, without the calls of no conversation or session.

    Args:
        store: where the calls are.
        by: one of ``DIMENSIONS``.
        since: first moment that counts; aware.
        until: first moment that does not; aware.
        around: what :func:`calls_around` gives for that span.
        limit: give no more rows than that.
    """
    words, parameters = _words(by), _pieces(since, until, around if by in _DAILY else None)
    if by not in _DAILY or limit == ALL_ROWS:
        rows = store.query(_filled("rollup_figures", words), parameters)
        return Rows(rows[:limit], len(rows))
    # To find the dearest takes the costs of all, and what else there is just of these.
    ranking = _filled("rollup_ranking", {"FIGURES": _filled("rollup_figures", words)})
    ranked = store.query(ranking, {**parameters, "rows": limit})
    if not ranked:
        return Rows([], 0)
    chosen = {**words, "CHOSEN": _CHOSEN.replace("KEY", words["KEY"])}
    keys = "\n".join(json.dumps([row["key"]]) for row in ranked)
    rows = store.query(_filled("rollup_figures", chosen), {**parameters, "keys": keys})
    return Rows(rows, ranked[0]["groups"])


def with_the_others(
    store: Queries, by: str, since: datetime, until: datetime, around: Around, found: Rows, total: Mapping[str, Any]
) -> Rows:
    """What :func:`from_rollup` found, with the row of the calls of no conversation or session, if there are any.

    ``total`` is the row of all calls: those without are the ones that are in it and in no other row.
    """
    if by not in _ONLY_WITH_KEY:
        return found
    parameters = _pieces(since, until, around)
    keyed = store.query(_filled("rollup_figures", {**_words(by), "KEY": "''"}), parameters)
    others = remainder(total, keyed[0]) if keyed else {**total, "key": "", "provider": ""}
    if others["calls"] <= 0:
        return found
    rows = sorted(
        [*found.rows, others], key=lambda row: (-Decimal(row["cost_usd"]), -row["calls"], row["key"], row["provider"])
    )
    return Rows(rows, found.groups + 1)


def moment(time: datetime) -> str:
    """A time as a parameter: UTC, and not before 1970, which is as far back as a span can be."""
    return max(time.astimezone(timezone.utc), _EPOCH).strftime("%Y-%m-%d %H:%M:%S.%f")


def _words(by: str) -> dict[str, str]:
    daily = by in _DAILY
    return {
        "KEY": _KEYS[by],
        "PROVIDER": _provider(by),
        "ROLLUP": _DAILY.get(by, "llm_hourly"),
        "PERIOD": "Day" if daily else "Hour",
        "PERIOD_TYPE": "Date" if daily else "DateTime",
        "CHOSEN": f"{_KEYS[by]} != ''" if by in _ONLY_WITH_KEY else "true",
    }


def _pieces(since: datetime, until: datetime, around: Around | None) -> dict[str, str | int | float]:
    """The whole hours between two moments, or days when it is known what is around, and what is to be read beside.

    ``head`` and ``tail`` are the calls at the ends; ``sign`` is 1 where they lie inside, and -1 where they count in the
    whole hours or days, and lie outside.
    """
    since, until = (max(time.astimezone(timezone.utc), _EPOCH) for time in (since, until))
    first, last = _begin(since, around is not None), _begin(until, around is not None)
    unit = _HOUR if around is None else _DAY
    form = "%Y-%m-%d %H:%M:%S" if around is None else "%Y-%m-%d"
    if first == last:
        whole, head, tail = (last, last), (since, until, 1), (until, until, 1)
    else:
        head = (since, first + unit, 1)
        if since == first or (around is not None and around.before_since < around.after_since):
            head = (first, since, -1)
        tail = (last, until, 1)
        if around is not None and around.after_until < around.before_until:
            tail = (until, last + unit, -1)
        whole = (first if head[2] < 0 else first + unit, last if tail[2] > 0 else last + unit)
    return {
        "whole_since": whole[0].strftime(form),
        "whole_until": whole[1].strftime(form),
        "head_since": moment(head[0]),
        "head_until": moment(head[1]),
        "head_sign": head[2],
        "tail_since": moment(tail[0]),
        "tail_until": moment(tail[1]),
        "tail_sign": tail[2],
    }


def _begin(time: datetime, of_day: bool) -> datetime:
    begin = time.replace(minute=0, second=0, microsecond=0)
    return begin.replace(hour=0) if of_day else begin


def _to_the_second(time: datetime) -> str:
    return max(time.astimezone(timezone.utc), _EPOCH).strftime("%Y-%m-%d %H:%M:%S")


def _provider(by: str) -> str:
    return "Provider" if by == "model" else "''"


def _filled(name: str, words: Mapping[str, str]) -> str:
    return _WORD.sub(lambda found: words[found[0]], query_text(name))
