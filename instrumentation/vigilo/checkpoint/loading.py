"""The newest checkpoint that is whole, of all places, and its way back into what is registered."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vigilo.checkpoint import formats, states
from vigilo.checkpoint.items import RANDOM
from vigilo.checkpoint.keeping import Found, list_checkpoints
from vigilo.checkpoint.manifest import find_fault
from vigilo.checkpoint.places import within
from vigilo.checkpoint.results import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from vigilo.checkpoint.items import Item
    from vigilo.checkpoint.manifest import StoredItem

_log = logging.getLogger("vigilo")

LIST_LIMIT_S: Final = 30.0
"""How long one place may take to tell what it has."""


class Loaded(NamedTuple):
    """What :func:`load` did; as :class:`vigilo.checkpoint.results.Resumed` tells it."""

    restored: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    values: dict[str, Any]


def newest_first(folders: list[Path]) -> list[Found]:
    """The checkpoints of all places, newest first; where one lies at several, that of the first place comes first."""
    found: list[Found] = []
    for folder in folders:
        try:
            found += within(LIST_LIMIT_S, partial(list_checkpoints, folder))
        except OSError as error:
            _log.warning("vigilo: checkpoints in %s cannot be looked at: %s", folder, error.strerror or error)
    return sorted(found, key=lambda one: one.order, reverse=True)


def are_any(folders: Callable[[], list[Path]]) -> bool:
    """Whether there is a checkpoint at one of the places; yes where one does not answer, as it may have some."""
    try:
        return within(LIST_LIMIT_S, lambda: any(list_checkpoints(folder) for folder in folders()))
    except OSError:
        return True


def whole(found: list[Found]) -> Iterator[Found]:
    """Those of which every byte is as it was written."""
    for one in found:
        fault = find_fault(one.path, one.manifest)
        if fault:
            _log.warning("vigilo: the checkpoint %s is not whole and is left out: %s", one.path, fault)
        else:
            yield one


def load(found: Found, items: Mapping[str, Item], *, strict: bool, trust: bool) -> Loaded:
    """Reads a checkpoint, all of it first, and then puts it into what is registered.

    Raises:
        CheckpointError: it does not fit; where it says "half", some items have the new state already.
    """
    stored = {item.name: item for item in found.manifest.items if item.name != RANDOM}
    missing = tuple(sorted(items.keys() - stored.keys()))
    unknown = tuple(sorted(stored.keys() - items.keys()))
    if strict and (missing or unknown):
        differences = [f"it has no {', '.join(missing)}"] if missing else []
        differences += [f"{', '.join(unknown)} is not registered"] if unknown else []
        raise CheckpointError(
            f"{found.path} does not fit: {'; '.join(differences)}. Register the same, or resume(strict=False)"
        )
    read = {name: _read(found, item, trust=trust) for name, item in stored.items() if name in items}
    random = next((item for item in found.manifest.items if item.name == RANDOM), None)
    random_states = _read(found, random, trust=False) if random is not None else None
    restored, values = [], {}
    for name, value in read.items():
        try:
            if items[name].restore(value, stored[name].format):
                restored.append(name)
            else:
                values[name] = value
        except Exception as error:
            half = f" ({', '.join(restored)} restored already: half done)" if restored else ""
            raise CheckpointError(f"{name!r} cannot take its state from {found.path}: {error}{half}") from error
    if random_states is not None:
        states.give_random_states(random_states)
    return Loaded(tuple(restored), missing, unknown, values)


def _read(found: Found, item: StoredItem, *, trust: bool) -> Any:
    try:
        return formats.read(found.path / item.path, item.format, trust=trust)
    except CheckpointError as error:
        raise CheckpointError(f"{item.name!r} of {found.path.name}: {error}") from error
    except ImportError as error:
        raise CheckpointError(f"{item.name!r} of {found.path} needs {error.name}, which is not installed") from error
    except Exception as error:
        raise CheckpointError(f"{item.name!r} of {found.path} cannot be read: {error}") from error
