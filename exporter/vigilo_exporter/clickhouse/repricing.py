"""Prices the calls in the store: those that came without a cost, and on demand all others by today's price table.

Each batch of new costs is applied exactly once, whenever the process dies: ``cost_journal`` says how.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from vigilo.errors import StoreError, VigiloError
from vigilo_exporter.clickhouse.call_price import NANO_DOLLAR, PriceKey, has_price, price_of
from vigilo_exporter.clickhouse.cost_journal import CALL_KEY, CostJournals
from vigilo_exporter.clickhouse.database import Database, Layout
from vigilo_exporter.queries import query_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger("vigilo")
ARRIVAL, COMMAND = "arrival", "reprice"
PAGE_CALLS = 50_000
_DEAREST = Decimal(999_999)  # as in the view that reads costs from spans

_ARRIVED = "arrived"  # a file: calls were taken in that are not priced yet


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls to price: from ``since`` until ``until``, both aware; of one provider or model, or of all with ''.

    ``only_unpriced`` leaves out those that have a cost, whoever gave it.
    """

    since: datetime
    until: datetime
    provider: str = ""
    model: str = ""
    only_unpriced: bool = False


ALL_UNPRICED = Selection(
    datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(2262, 1, 1, tzinfo=timezone.utc), only_unpriced=True
)


@dataclass(slots=True)
class ModelPrices:
    """What pricing did to the calls of one model of one provider.

    Of ``calls``: ``priced`` had no cost and got one, ``changed`` got another one, ``confirmed`` have the same one by
    today's table, ``kept`` have one that the store must not or cannot make anew, ``unpriced`` have none.
    """

    provider: str
    model: str
    calls: int = 0
    priced: int = 0
    changed: int = 0
    confirmed: int = 0
    kept: int = 0
    unpriced: int = 0
    cost_before_usd: Decimal = Decimal(0)
    cost_after_usd: Decimal = Decimal(0)


class Repricing:
    """Prices calls in one database. Only its owner may use it, and of a server only one process at a time."""

    def __init__(self, database: Database, home: Path, layout: Layout | None = None, server: str = "") -> None:
        """``server`` names the one that the calls are in; journals of one are never applied to another."""
        self._database = database
        self._journals = CostJournals(database, home, layout or Layout(), server)
        self._told = ""

    def finish_begun(self) -> None:
        """Applies the batches that an earlier owner began.

        Raises:
            ClickHouseError: ClickHouse refuses; the journals stay.
            OSError: the disk does.
        """
        self._journals.finish_begun()

    def expect_arrivals(self) -> None:
        """To be called before calls are taken in, so that they are priced even if this process dies in between."""
        self._journals.make_folder()
        (self._journals.folder / _ARRIVED).touch()

    def price_arrivals(self) -> None:
        """Prices what was taken in without a cost, and all that had none before.

        Without a price table it is left for later: a report of what is there is worth more than none. That is told
        once, however often it is tried.

        Raises:
            ClickHouseError, OSError: as :meth:`run`.
        """
        arrived = self._journals.folder / _ARRIVED
        if not arrived.exists():
            return
        try:
            self.run(ALL_UNPRICED, ARRIVAL)
        except StoreError:
            raise
        except VigiloError as error:
            if self._told != str(error):
                self._told = str(error)
                _log.warning("vigilo: calls that came without a cost are not priced: %s", error)
        else:
            self._told = ""
            arrived.unlink()

    def run(self, selection: Selection, cause: str, *, dry_run: bool = False) -> tuple[ModelPrices, ...]:
        """Prices the selected calls by today's table; gives what it did by model, dearest first.

        What the provider itself said that a call cost stays, and so does a cost where the table knows none. With
        ``dry_run`` nothing is changed. A second run with the same table changes nothing.

        Raises:
            ClickHouseError: ClickHouse refuses. Batches that were begun are finished by the next owner.
            OSError: the disk does.
            VigiloError: the price table cannot be loaded.
        """
        run = f"{time.time_ns():020d}-{os.getpid()}"
        tallies: dict[tuple[str, str], ModelPrices] = {}
        days: dict[str, list[PriceKey]] = {}
        for group in self._database.query(query_text("priceable_groups"), _parameters(selection)):
            tally = _tally(tallies, group["provider"], group["request_model"] or group["response_model"])
            tally.calls += group["calls"]
            tally.unpriced += group["unpriced_calls"]
            tally.kept += group["calls"] - group["unpriced_calls"]
            cost = Decimal(group["cost_usd"])
            tally.cost_before_usd += cost
            tally.cost_after_usd += cost
            key = PriceKey(*(group[name] for name in PriceKey._fields))
            if group["priced_by"] == "store" and has_price(key, group["day"]):
                days.setdefault(group["day"], []).append(key)
        batch = 0
        for day, groups in days.items():
            for page in self._pages(selection, day, groups):
                for changes in _changes(page, tallies):
                    if not dry_run:
                        batch = self._journals.apply(run, batch, cause, changes)
        return tuple(sorted(tallies.values(), key=lambda tally: (-tally.cost_after_usd, tally.provider, tally.model)))

    def _pages(self, selection: Selection, day: str, groups: list[PriceKey]) -> Iterator[list[dict[str, Any]]]:
        sql = query_text("priceable_calls").replace("CALL_KEY", CALL_KEY)
        fixed = {**_parameters(selection), "day": day, "page": PAGE_CALLS, "groups": "\n".join(map(json.dumps, groups))}
        after, after_key = "1970-01-01 00:00:00", 0
        while True:
            page = self._database.query(sql, {**fixed, "after": after, "after_key": after_key})
            if page:
                yield page
                after, after_key = page[-1]["began"], page[-1]["CallKey"]
            if len(page) < PAGE_CALLS:
                return


def _changes(page: list[dict[str, Any]], tallies: dict[tuple[str, str], ModelPrices]) -> list[list[list[Any]]]:
    """Changes, as ``CHANGED_COLUMNS``, for a page of calls, by the source and the snapshot of the new cost."""
    by_table: dict[tuple[str, str], list[list[Any]]] = {}
    for call in page:
        tally = _tally(tallies, call["Provider"], call["RequestModel"] or call["ResponseModel"])
        new = price_of(call)
        if new is None or new.usd > _DEAREST:
            continue
        usd, old = new.usd.quantize(NANO_DOLLAR, ROUND_HALF_UP), Decimal(call["CostUsd"])
        if not call["Priced"]:
            tally.priced += 1
            tally.unpriced -= 1
        else:
            tally.kept -= 1
            tally.changed += usd != old
            tally.confirmed += usd == old
        tally.cost_after_usd += usd - old
        if (usd, new.source, new.snapshot) == (old, call["CostSource"], call["CostSnapshot"]) and call["Priced"]:
            continue
        by_table.setdefault((new.source, new.snapshot), []).append(
            [
                call["began"],
                call["TraceId"],
                call["SpanId"],
                call["ServiceName"],
                call["Operation"],
                call["AppOperation"],
                call["Provider"],
                call["RequestModel"],
                call["RequestModel"] or call["ResponseModel"],
                call["Status"],
                call["ErrorType"],
                call["UserId"],
                call["SessionId"],
                call["ConversationId"],
                call["InputTokens"] + call["OutputTokens"],
                call["Priced"],
                call["CostUsd"],
                call["CostSource"],
                call["CostSnapshot"],
                format(usd, "f"),
                new.source,
                new.snapshot,
                call["CallKey"],
            ]
        )
    return list(by_table.values())


def _tally(tallies: dict[tuple[str, str], ModelPrices], provider: str, model: str) -> ModelPrices:
    return tallies.setdefault((provider, model), ModelPrices(provider, model))


def _parameters(selection: Selection) -> dict[str, str | int | float]:
    return {
        "since": selection.since.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "until": selection.until.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "provider": selection.provider,
        "model": selection.model,
        "only_unpriced": int(selection.only_unpriced),
    }
