"""Prices that the user keeps: read whole, compared with those in use, and put in place in one step.

Two kinds are taken: the JSON that genai-prices publishes (``prices/data.json`` in its repository), and a file of
prices in vigilo's own TOML. Nothing is fetched.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

from vigilo.errors import ConfigError
from vigilo.policy.live_prices import KEPT_FILE, KEPT_TABLE, age_days, kept_folder
from vigilo.policy.price_file import PriceFile
from vigilo.policy.price_table import PriceTable, newest_change, rates_of, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from vigilo.policy.rate_card import Steps

__all__ = ["Changes", "PriceTable", "Update", "age_days", "changes", "keep", "read_update"]


@dataclass(frozen=True, slots=True)
class Update:
    """A file that was read and found right. ``text`` is what is kept, in a file called ``name``."""

    prices: PriceTable | PriceFile
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Models (``provider/model``) that one table has and another has not, and those whose list price differs today."""

    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[tuple[str, Mapping[str, Steps], Mapping[str, Steps]], ...]
    models: int


def read_update(path: Path) -> Update:
    """Reads a file of prices wholly.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    if path.suffix.lower() == ".toml":
        prices = PriceFile.read(path)
        return Update(prices, KEPT_FILE, path.read_text("utf-8"))
    try:
        raw = json.loads(path.read_text("utf-8"))
        written = datetime.fromtimestamp(os.stat(path).st_mtime, timezone.utc).date()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(
            f"{path} is no JSON ({error}); wanted is the data.json of genai-prices, or a .toml file of prices"
        ) from None
    providers = raw.get("providers") if isinstance(raw, dict) else raw
    day = date.min
    try:
        loaded = table_of(providers, day)
        day = newest_change(loaded.providers, written)
        table = PriceTable(loaded.providers, loaded.version, day)
        models = sum(1 for _, model in _models(table) if _checked(model))
    except Exception as error:  # noqa: BLE001 - whatever the package's reader says
        what = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ConfigError(f"{path} is no price table that genai-prices can read: {what}") from None
    if not models:
        raise ConfigError(f"{path} has no model in it")
    return Update(table, KEPT_TABLE, json.dumps({"date": day.isoformat(), "providers": providers}))


def changes(old: PriceTable, new: PriceTable, at: datetime | None = None) -> Changes:
    """What differs between two tables."""
    when = at or datetime.now(timezone.utc)
    before = {name: rates_of(vars(model.get_prices(when))) for name, model in _models(old)}
    after = {name: rates_of(vars(model.get_prices(when))) for name, model in _models(new)}
    return Changes(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(before.keys() - after.keys())),
        tuple(
            (name, before[name], after[name])
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ),
        len(after),
    )


def keep(update: Update, home: Path) -> Path:
    """Puts a file in place of the one that was kept before, in one step; apps take it up within a second.

    Raises:
        ConfigError: the folder cannot be written.
    """
    folder = kept_folder(home)
    target = folder / update.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{update.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(update.text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from None
    return target


def _checked(model: Any) -> bool:
    """True, since the package's reader takes any number for a price.

    Raises:
        ValueError: one is negative.
    """
    listed = [one.prices for one in model.prices] if isinstance(model.prices, list) else [model.prices]
    for prices in (*listed, *(variant.prices for variant in model.price_variants or ())):
        for name, steps in rates_of(vars(prices)).items():
            if any(rate < 0 for _, rate in steps):
                raise ValueError(f"model {model.id!r} has a negative price for {name}")
    return True


def _models(table: PriceTable) -> Iterator[tuple[str, Any]]:
    for provider in table.providers:
        for model in provider.models:
            yield f"{provider.id}/{model.id}", model
