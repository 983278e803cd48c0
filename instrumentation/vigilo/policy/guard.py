"""What is asked before a call and told after it: quotas and pacing, in one atomic step over all that applies."""

from __future__ import annotations

import os
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vigilo.errors import ConfigError, VigiloError, internal_errors, report_internal
from vigilo.settings import app_settings
from vigilo.settings_file import load_section
from vigilo.state import exists

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from vigilo.capture.call import Request
    from vigilo.policy.admission import Admitted
    from vigilo.policy.pace.pacer import Pacer
    from vigilo.policy.pause import Pause
    from vigilo.policy.quota.book import Book
    from vigilo.policy.quota.rules import Rule
    from vigilo.policy.quota.scopes import Scopes
    from vigilo.policy.quota.status import QuotaStatus
    from vigilo.settings import Settings
    from vigilo.state.store import Store

LOOK_EVERY_S: Final = 1.0
"""How long a process may go by rules that were changed elsewhere."""


class Settled(NamedTuple):
    """What there is to tell of a call that has ended: attributes of its span, and events of it by name."""

    attributes: Mapping[str, Any]
    events: Sequence[tuple[str, Mapping[str, Any]]]


class Guard:
    """The quotas and the pacing of this process.

    Args:
        settings: of the app.
        store: where counters, rates and rules are shared.
        pacer: None without pacing.
        rules: what ``vigilo.toml`` and the settings say; those of the store are read by :meth:`read_rules`.
    """

    def __init__(
        self, settings: Settings, store: Store, pacer: Pacer | None = None, rules: Sequence[Rule] = ()
    ) -> None:
        from vigilo.policy.quota.book import Book
        from vigilo.policy.quota.status import Seen

        self.settings, self.store, self.pacer = settings, store, pacer
        self.seen_counters = Seen()
        self._given = tuple(rules)
        self._version: int | None = None
        self._stored: Mapping[str, str] = {}
        self._asked_s = float("-inf")
        self.book: Book = Book(self._given)

    @property
    def has_work(self) -> bool:
        """Whether there is a rule, or pacing."""
        return bool(self.book.rules) or self.pacer is not None

    @property
    def wants_input(self) -> bool:
        """Whether a rule counts tokens or costs, so that an estimate needs what is sent to the model."""
        return self.book.wants_input

    def steps(self, request: Request, scopes: Scopes) -> Generator[Pause, None, Admitted | None]:
        """Waits for the call's turn and reserves what it may use.

        Raises:
            QuotaExceeded: a rule refuses it.
            RateLimited: its turn would come too late.
        """
        from vigilo.policy.admission import admit

        return admit(self, request, scopes)

    def status(self, scopes: Scopes) -> list[QuotaStatus]:
        """How much is used of each rule that applies to ``scopes``; empty where the shared state cannot be read."""
        from vigilo.policy.quota.status import read

        return self._read(lambda: read(self.store, self.book.applying(scopes)))

    def seen(self) -> list[QuotaStatus]:
        """The same of the counters that this process used lately, in the windows of now."""
        return self._read(lambda: self.seen_counters.read(self.store))

    def _read(self, look: Any) -> list[QuotaStatus]:
        from vigilo.state.store import StateError

        try:
            told: list[QuotaStatus] = look()
        except StateError:
            return []  # which the store has counted
        return told

    def note_answer(self) -> None:
        """The store has answered, and so told whether the rules have changed."""
        self._asked_s = monotonic()
        if self.store.rules_version != self._version:
            look_again()

    def read_rules(self) -> None:
        """Reads the store's rules, unless an answer of just now told that they are the same.

        Raises:
            StateError: they cannot be read.
        """
        from vigilo.policy.quota.book import Book, stored_rules

        # Before they are read: a change that another thread hears of meanwhile is not to be missed.
        version = self.store.rules_version
        if version == self._version and monotonic() - self._asked_s < LOOK_EVERY_S:
            return
        stored = self.store.rules()
        if stored != self._stored:
            self._stored = stored
            self.book = Book((*stored_rules(stored), *self._given))
        self._version = version


_guard: Guard | None = None
"""What is in force, as it was found when looked last."""
_look_at = float("-inf")
_made: Guard | None = None
"""The guard of this process, whether or not it has anything to do."""
_given: tuple[Rule, ...] | None = None
_lock = threading.RLock()
_looking = False


def in_force() -> Guard | None:
    """The guard of this process; None where there is neither a rule nor pacing."""
    if monotonic() < _look_at:
        return _guard
    return _look()


def look_again() -> None:
    """Has the next call look at the rules: they were changed."""
    global _look_at
    _look_at = float("-inf")


def forget() -> None:
    """As if the process had just begun: settings, rules and the store are looked for again. For tests."""
    global _given
    if _made is not None:
        _made.store.close()
    _after_fork_in_child()
    _given = None
    if (learned := sys.modules.get("vigilo.policy.quota.estimate")) is not None:
        learned.forget()


def _look() -> Guard | None:
    global _guard, _look_at, _looking
    with _lock:
        now_s = monotonic()
        if now_s < _look_at or _looking:
            return _guard
        if _made is not None:
            _look_at = now_s + LOOK_EVERY_S  # others need not wait for what is most likely the same
        _looking = True
        try:
            found = _find()
            _guard = found if found is not None and found.has_work else None
        except Exception as error:
            report_internal("reading the rules of quotas", error)
            if os.environ.get("VIGILO_RAISE_INTERNAL") == "1":
                raise
        finally:
            _looking = False
            if _look_at < now_s:
                _look_at = now_s + LOOK_EVERY_S
        return _guard


def _find() -> Guard | None:
    """The guard with the rules of now; None where there can be none, which costs a ``stat`` and makes no file."""
    global _made, _given
    settings = app_settings()
    if _given is None:
        _given = _given_rules(settings)
    if _made is None:
        if not _given and not settings.pacing and not exists(settings):
            return None
        store, pacer = _open(settings), None
        if settings.pacing:
            with internal_errors("starting the pacing"):
                from vigilo.policy.pace.pacer import Pacer

                pacer = Pacer(settings, store)
        _made = Guard(settings, store, pacer, _given)
    from vigilo.state.store import StateError

    try:
        if exists(settings):
            _made.read_rules()
    except StateError:
        pass  # which the store has counted; the rules stay as they were
    return _made


def _open(settings: Settings) -> Store:
    """The store of this process; one that is always away where the settings of it are wrong, which is logged."""
    from vigilo.state import open_store

    try:
        return open_store(settings)
    except VigiloError as error:
        import logging

        from vigilo.state.failover import Failover
        from vigilo.state.unusable import UnusableStore

        logging.getLogger("vigilo").error("vigilo: the shared state of quotas cannot be used: %s", error)
        return Failover(UnusableStore(str(error)), settings.on_store_error)


def _given_rules(settings: Settings) -> tuple[Rule, ...]:
    """The rules of ``vigilo.toml``, then those of the settings."""
    rules: tuple[Rule, ...] = ()
    try:
        file = load_section("quota")
        if file is not None:
            rules = file.rules_for(settings)
    except ConfigError:
        pass  # logged when the settings were read
    if settings.personal:
        from vigilo.policy.quota.personal import personal_rules

        rules += personal_rules()
    return rules


def _after_fork_in_child() -> None:
    global _guard, _look_at, _made, _lock, _looking
    _guard = _made = None
    _look_at = float("-inf")
    _lock, _looking = threading.RLock(), False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
