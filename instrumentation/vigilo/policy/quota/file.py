"""Quotas as people write them: ``[quota]`` of ``vigilo.toml``, read once, when the process begins to count.

    [quota]
    mode = "observe"                      # of the rules below that say none: observe, warn or block
    time_zone = "Europe/Berlin"           # the same; UTC by default
    thresholds = [0.8, 0.95]              # the same: shares of the limit that are told once a window
    webhook = "https://example.com/hook"  # gets each threshold as JSON; http only to this machine
    alert = "my_app.alerts:on_quota"      # a function that gets the same, as a dict

    [[quota.rules]]
    metric = "usd"                        # or requests, tokens, input_tokens, output_tokens
    limit = 50.0                          # US dollars, calls or tokens
    window = "month"                      # or minute, hour, day, week, total; a day by default
    mode = "block"

    [[quota.rules]]
    user = "*"                            # each user; or conversation, session, operation, tag = "plan=free", model,
    metric = "requests"                   # provider, service, with a value or "*"
    limit = 100

Rules that code or the command line sets win over these where both are about the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vigilo.errors import ConfigError
from vigilo.policy.quota.rules import make_rule, place_of
from vigilo.policy.quota.scopes import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vigilo.policy.quota.rules import Rule
    from vigilo.settings import Settings

_KEYS: Final = ("mode", "time_zone", "thresholds", "webhook", "alert", "rules")
_DEFAULTS: Final = ("mode", "time_zone", "thresholds")
_RULE_KEYS: Final = ("metric", "limit", "window", *_DEFAULTS, *DIMENSIONS, "tenant")
_FUNCTION: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
SOURCE: Final = "vigilo.toml"


@dataclass(frozen=True, slots=True)
class QuotaFile:
    """``[quota]`` of ``vigilo.toml``.

    ``given``: the arguments of each rule as they are written; users are named for telemetry by :meth:`rules_for`.
    ``webhook`` and ``alert`` are empty where there are none.
    """

    given: tuple[Mapping[str, Any], ...] = ()
    webhook: str = ""
    alert: str = ""

    @classmethod
    def parse(cls, path: Path, table: Mapping[str, Any]) -> QuotaFile:
        """Reads the table.

        Raises:
            ConfigError: a key is unknown or a value not allowed; names the file, the key, the value, what is allowed.
        """
        _only(f"{path}: `[quota]`", table, _KEYS)
        defaults = {key: table[key] for key in _DEFAULTS if key in table}
        # A rule that is never used: the defaults are to be right even where no rule goes by them.
        _checked(f"{path}: `[quota]`", {"metric": "requests", "limit": 0, **defaults})
        rules = table.get("rules", [])
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise ConfigError(f"{path}: `rules` in `[quota]` is {rules!r}; it is a list of tables, `[[quota.rules]]`")
        given: list[Mapping[str, Any]] = []
        made: list[Rule] = []
        for number, rule in enumerate(rules, 1):
            where = f"{path}: number {number} of `[[quota.rules]]`"
            _only(where, rule, _RULE_KEYS)
            for key in ("metric", "limit"):
                if key not in rule:
                    raise ConfigError(f"{where} has no `{key}`")
            given.append({**defaults, **rule})
            made.append(_tenants_apart(_checked(where, given[-1]), given[-1]))
            if place_of(made[-1]) in map(place_of, made[:-1]):
                raise ConfigError(f"{where} has the scope, metric and window of one above it; only one can hold")
        return cls(tuple(given), _webhook(path, table.get("webhook", "")), _alert(path, table.get("alert", "")))

    def rules_for(self, settings: Settings) -> tuple[Rule, ...]:
        """The rules, with users and labels named as the telemetry of an app with these settings names them."""
        return tuple(make_rule(**given, source=SOURCE, settings=settings) for given in self.given)


def _checked(where: str, given: Mapping[str, Any]) -> Rule:
    if "tenant" in given and not (isinstance(given["tenant"], str) and "user" in given):
        raise ConfigError(f"{where}: `tenant` is {given['tenant']!r}; allowed is a name, beside `user`")
    try:
        return make_rule(**given)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _tenants_apart(rule: Rule, given: Mapping[str, Any]) -> Rule:
    """The same id in two tenants is two users, which only their pseudonyms tell."""
    return replace(rule, scope=(*rule.scope, ("tenant", given.get("tenant", ""))))


def _only(where: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for key in table:
        if key not in allowed:
            listed = ", ".join(f"`{name}`" for name in allowed)
            raise ConfigError(f"{where} has the unknown key `{key}`; allowed are {listed}")


def _webhook(path: Path, url: object) -> str:
    if url == "":
        return ""
    # The address is not repeated: its path often holds a token, and errors end up in logs.
    wrong = ConfigError(
        f"{path}: `webhook` in `[quota]` is not a URL that can be used; allowed is `https://...`, "
        "or `http://...` to this machine"
    )
    if not isinstance(url, str):
        raise wrong
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise wrong
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise wrong
    return url


def _alert(path: Path, name: object) -> str:
    if name == "" or (isinstance(name, str) and _FUNCTION.fullmatch(name)):
        return name
    raise ConfigError(f"{path}: `alert` in `[quota]` is {name!r}; allowed is a function, `package.module:name`")
