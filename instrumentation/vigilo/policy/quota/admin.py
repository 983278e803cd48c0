"""Sets, shows and takes back rules in the shared state, for people: here every failure is raised."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from vigilo.errors import StoreError
from vigilo.policy import guard
from vigilo.policy.quota.book import Book, stored_rules
from vigilo.policy.quota.personal import personal_rules
from vigilo.policy.quota.rules import in_unit, make_rule, name_of, place_in, place_of, scope_name, scope_of, to_json
from vigilo.policy.quota.status import of_rules
from vigilo.policy.quota.windows import window_at
from vigilo.settings import load_settings
from vigilo.settings_file import load_section
from vigilo.state import exists, open_store
from vigilo.state.store import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vigilo.policy.quota.rules import Rule
    from vigilo.policy.quota.status import QuotaStatus
    from vigilo.settings import Settings


class QuotaRule(NamedTuple):
    """A rule as it is shown: ``limit`` in calls, tokens or US dollars.

    ``source`` is ``state`` of one that was set, ``vigilo.toml`` or ``personal``.
    """

    rule: str
    scope: str
    metric: str
    window: str
    mode: str
    limit: float
    time_zone: str
    thresholds: tuple[float, ...]
    source: str


class Admin:
    """The rules that hold for all who share the state of ``settings``, which are the user's by default.

    Scopes are values by dimension, with ``tenant`` for whose user it is. All methods raise StoreError where the shared
    state cannot be reached, ConfigError where the settings are wrong, ValueError where an argument is.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        # With the settings of the app it is the app's own store, so that its calls obey at once.
        self._settings = load_settings() if settings is None else settings
        self._store = open_store(self._settings)

    def set(self, scope: Mapping[str, Any], **given: Any) -> str:
        """Puts a rule, in place of the one about the same calls, metric and window; returns its name."""
        rule = self._rule(scope, **given)
        with self._changing():
            self._store.put_rule(place_of(rule), to_json(rule))
        return name_of(rule)

    def remove(self, name: str) -> bool:
        """Takes a rule out by its name; False where none was set under it."""
        with self._changing():
            # As it is first: one of a newer version may be named otherwise.
            return self._store.drop_rule(name) or self._store.drop_rule(place_in(name))

    def remove_about(self, metric: str, window: str, scope: Mapping[str, Any]) -> bool:
        """Takes out what was set about these calls, this metric and window; False where nothing was."""
        rule = self._rule(scope, metric=metric, limit=0, window=window)
        with self._changing():
            return self._store.drop_rule(place_of(rule))

    def rules(self) -> tuple[Rule, ...]:
        """The rules in force: those that were set, then of ``vigilo.toml``, then of personal mode."""
        file = load_section("quota")
        stored: list[Rule] = []
        if exists(self._settings):  # looking makes no file
            with self._asking():
                stored = stored_rules(self._store.rules())
        of_file = file.rules_for(self._settings) if file is not None else ()
        personal = personal_rules() if self._settings.personal else ()
        return Book([*stored, *of_file, *personal]).rules

    def shown(self) -> list[QuotaRule]:
        """The rules in force, for people."""
        return [
            QuotaRule(
                name_of(rule),
                scope_name(rule.scope),
                rule.metric,
                rule.window,
                rule.mode,
                in_unit(rule.metric, rule.limit),
                rule.time_zone,
                rule.thresholds,
                rule.source,
            )
            for rule in self.rules()
        ]

    def status(self, scope: Mapping[str, Any]) -> list[QuotaStatus]:
        """The state of all rules that apply to a call of such a scope; without one, of all that name their values."""
        pairs, rules = self._pairs(scope), self.rules()
        with self._asking():
            return of_rules(self._store, rules, _scopes(pairs) or None)

    def reset(self, scope: Mapping[str, Any], metric: str | None = None, window: str | None = None) -> int:
        """Sets to 0 what is used, in the windows of now, of the rules about exactly this scope; returns how many."""
        asked = self._rule(scope, metric=metric or "requests", limit=0, window=window or "day")
        rules = self.rules()
        with self._asking():
            now = self._store.now_unix_s()
            keys = [
                one.stem + window_at(one.rule.window, now, one.rule.time_zone).label
                for one in Book(rules).applying(_scopes(asked.scope))
                if one.rule.scope == asked.scope
                and (metric is None or one.rule.metric == asked.metric)
                and (window is None or one.rule.window == asked.window)
            ]
            if keys:
                self._store.reset(keys)
        return len(keys)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except StateError as error:
            raise StoreError(f"the shared state cannot be reached: {error}") from error
        if self._store.degraded:
            raise StoreError("the shared state cannot be reached: it did not answer, and what was seen last is old")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._asking():
            yield
        guard.look_again()

    def _rule(self, scope: Mapping[str, Any], **given: Any) -> Rule:
        dimensions = {dimension: value for dimension, value in scope.items() if dimension != "tenant"}
        return make_rule(settings=self._settings, tenant=_tenant(scope), **given, **dimensions)

    def _pairs(self, scope: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        dimensions = {dimension: value for dimension, value in scope.items() if dimension != "tenant"}
        return scope_of(dimensions, self._settings, _tenant(scope))


def _scopes(pairs: tuple[tuple[str, str], ...]) -> dict[str, tuple[str, ...]]:
    return {dimension: (value,) for dimension, value in pairs}


def _tenant(scope: Mapping[str, Any]) -> str:
    tenant = scope.get("tenant")
    if tenant is None:
        return ""
    if not isinstance(tenant, str) or scope.get("user") is None:
        raise ValueError(f"`tenant` is {tenant!r}; allowed is a name, beside `user`")
    return tenant
