"""The user's own prices, from ``[prices]`` of ``vigilo.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigilo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class PriceFile:
    """What the user says about prices."""

    @classmethod
    def parse(cls, path: Path, table: Mapping[str, Any]) -> PriceFile:
        """Reads the table.

        Raises:
            ConfigError: a key is unknown or a value not allowed.
        """
        for key in table:
            raise ConfigError(f"{path}: unknown key `{key}` in `[prices]`")
        return cls()
