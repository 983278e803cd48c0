"""The settings file, ``vigilo.toml``: where it is, its keys, and its tables, which the policies read."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vigilo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_FILE_NAME = "vigilo.toml"
SECTIONS = {
    "mask": "vigilo.policy.mask.user_rules:UserRules",
    "prices": "vigilo.policy.price_file:PriceFile",
    "quota": "vigilo.policy.quota.file:QuotaFile",
}
"""Tables of ``vigilo.toml`` and the class that reads each: ``Class.parse(path, table)`` raises ConfigError."""


def config_file(environ: Mapping[str, str] | None = None, working_directory: Path | None = None) -> Path:
    """Where the settings file is, or would be."""
    named = (os.environ if environ is None else environ).get("VIGILO_CONFIG")
    return Path(named).expanduser() if named else (working_directory or Path.cwd()) / CONFIG_FILE_NAME


def read_file(environ: Mapping[str, str], working_directory: Path) -> tuple[Path, dict[str, Any]]:
    """The file's path, and what it says, which is nothing where there is none.

    Raises:
        ConfigError: it is not valid, or not there although ``VIGILO_CONFIG`` names it.
    """
    path = config_file(environ, working_directory)
    if not path.is_file():
        if environ.get("VIGILO_CONFIG"):
            raise ConfigError(f"`VIGILO_CONFIG` names {path}, which is not a file")
        return path, {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return path, tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def load_section(name: str, environ: Mapping[str, str] | None = None, working_directory: Path | None = None) -> Any:
    """What a table of ``vigilo.toml`` says, read by its class in :data:`SECTIONS`; None where there is no such table.

    Raises:
        ConfigError: the file or the table is wrong; names the key, the value and what is allowed.
    """
    environ = os.environ if environ is None else environ
    path, table = read_file(environ, working_directory or Path.cwd())
    return read_section(name, path, table[name]) if name in table else None


def read_section(name: str, path: Path, table: object) -> Any:
    """What one table says; see :func:`load_section`."""
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: `{name}` is {table!r}; it is a table, `[{name}]`")
    module, _, reader = SECTIONS[name].partition(":")
    # Read by the policy that it is for, and only where there is such a table.
    return getattr(import_module(module), reader).parse(path, table)
