"""The user's own masking: patterns to mask and values to leave, from ``[mask]`` of ``vigilo.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from vigilo.errors import ConfigError
from vigilo.policy.mask.spans import Span
from vigilo.settings import load_section

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class UserRules:
    """``patterns``: the tag and what becomes it; ``allow``: values that are never masked."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    allow: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, path: Path, table: Mapping[str, Any]) -> UserRules:
        """Reads the table.

        Raises:
            ConfigError: a key is unknown or a value not allowed.
        """
        for key in table:
            raise ConfigError(f"{path}: unknown key `{key}` in `[mask]`")
        return cls()

    def find(self, text: str) -> Iterator[Span]:
        """What the user's patterns match, in order and apart from each other."""
        for tag, pattern in self.patterns:
            for found in pattern.finditer(text):
                yield Span(*found.span(), tag)

    def allows(self, value: str) -> bool:
        """Whether the user wants a value left as it is."""
        return value in self.allow


@cache
def user_rules() -> UserRules | None:
    """The rules of this process, read once; None where the user has none."""
    rules: UserRules | None = load_section("mask")
    return rules
