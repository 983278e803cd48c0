"""The prices in use: loaded beside the app, and read again when their files change.

Importing the table costs 0.3 s, so a thread does it; the app's path meets a finished book, and once a second a
``stat`` of each file. What changed is read in a thread as well. A new version of a file that is wrong is logged once,
and the last good one stays in use.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from vigilo.errors import ConfigError, report_internal
from vigilo.policy.price_book import KEPT, USER, Layer, PriceBook, own_prices
from vigilo.policy.price_file import PriceFile
from vigilo.policy.price_table import packaged_table, table_of

if TYPE_CHECKING:
    from vigilo.policy.price_table import PriceTable

FIRST_CALL_WAIT_S = 2.0
FORK_WAIT_S = 5.0
LOOK_EVERY_S = 1.0
OLD_DAYS: Final = 45
VERY_OLD_DAYS: Final = 120
"""Ages at which a table is old, and far too old."""
KEPT_TABLE: Final = "genai-prices.json"
KEPT_FILE: Final = "prices.toml"

_log = logging.getLogger("vigilo")


def kept_folder(home: Path) -> Path:
    """Where ``vigilo prices update`` keeps prices."""
    return home / "prices"


class LivePrices:
    """Holds the book in use. ``home`` is the folder of what is kept; that of the settings by default."""

    def __init__(self, home: Path | None = None) -> None:
        self.book: PriceBook | None = None
        self.look_at = 0.0
        self._home = home
        self._config: Path | None = None
        self._stamps: dict[Path, Any] = {}
        self._waited = False
        self._busy = threading.Lock()
        self._starting = threading.Lock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to load, unless that was done. Returns at once."""
        if self._thread is not None or self._done.is_set():
            return
        with self._starting:
            if self._thread is None:
                self._run(self._load)

    def wait(self, timeout_s: float | None) -> PriceBook | None:
        """The book, or None when it cannot be had in time."""
        if self.book is None:
            self.start()
            self._done.wait(timeout_s)
        return self.book

    def on_the_apps_path(self) -> PriceBook | None:
        """The book as it is. A process waits for its loading once, and in vain at most once."""
        if self.book is None:
            if self._waited:
                return None
            self._waited = self.wait(FIRST_CALL_WAIT_S) is None
        elif self._changed() and self._busy.acquire(blocking=False):
            self._run(self._reload)
        return self.book

    def up_to_date(self) -> PriceBook | None:
        """The book with what changed in the files by now; None when it cannot be loaded."""
        self.wait(None)
        if self.book is not None and self._changed():
            self._busy.acquire()
            self._reload()
        return self.book

    def join(self, timeout_s: float) -> None:
        """Waits until what is being read has been read."""
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(timeout_s)

    def in_a_child(self) -> LivePrices:
        """The same in a forked process: without the locks and threads of the parent."""
        child = LivePrices(self._home)
        if self.book is not None:
            child.book = replace(self.book, cards={}, _lock=threading.Lock())
            child._config, child._stamps = self._config, self._stamps
            child._done.set()
        return child

    def _run(self, target: Any) -> None:
        self._thread = threading.Thread(target=target, name="vigilo-price-table", daemon=True)
        self._thread.start()

    def _changed(self) -> bool:
        """Whether a file is another than the one that was read; looks once in a while."""
        now = monotonic()
        if now < self.look_at:
            return False
        self.look_at = now + LOOK_EVERY_S
        return any(_stamp(path) != stamp for path, stamp in list(self._stamps.items()))

    def _load(self) -> None:
        try:
            home = self._folder()
            table = _table(home)
            self.book = PriceBook(table, self._layers(home, None), own_prices())
            if table is not None:
                _warn_if_old(table, _age_setting())
        except Exception as error:  # noqa: BLE001 - without prices the app goes on
            report_internal("loading the prices", error)
        finally:
            self.look_at = monotonic() + LOOK_EVERY_S
            self._done.set()

    def _reload(self) -> None:
        try:
            book = self.book
            if book is None:
                return
            home = self._folder()
            kept = kept_folder(home) / KEPT_TABLE
            table = book.table if _stamp(kept) == self._stamps.get(kept) else _table(home) or book.table
            self.book = PriceBook(table, self._layers(home, book), book.own)
        except Exception as error:  # noqa: BLE001 - the prices that there are stay in use
            report_internal("reading prices again", error)
        finally:
            self._busy.release()

    def _folder(self) -> Path:
        if self._home is None:
            from vigilo.settings import app_settings

            self._home = app_settings().home
        if self._config is None:
            from vigilo.settings_file import config_file

            self._config = config_file().absolute()
        return self._home

    def _layers(self, home: Path, before: PriceBook | None) -> tuple[Layer, ...]:
        """The user's files, best first; of one that is wrong the last good version. Notes what was read."""
        config = self._config or Path()
        kept = kept_folder(home)
        last = {layer.source: layer for layer in before.files} if before else {}
        stamps = {path: _stamp(path) for path in (config, kept / KEPT_FILE, kept / KEPT_TABLE)}
        layers: list[Layer] = []
        for source, read in ((USER, _section_of(config)), (KEPT, _file_at(kept / KEPT_FILE))):
            try:
                file = read()
                layer = None if file is None else Layer(source, file)
            except (ConfigError, OSError) as error:
                layer = last.get(source)
                what = "the last good version stays in use" if layer else "it is not used"
                _log.error("vigilo: %s; %s", error, what)
            if layer is not None:
                layers.append(layer)
                stamps |= {path: _stamp(path) for path in layer.file.paths}
        self._stamps = stamps
        return tuple(layers)


def _section_of(config: Path) -> Any:
    def read() -> PriceFile | None:
        if not config.is_file():
            return None
        from vigilo.settings_file import load_section

        section: PriceFile | None = load_section("prices", {"VIGILO_CONFIG": str(config)})
        return section

    return read


def _file_at(path: Path) -> Any:
    return lambda: PriceFile.read(path) if path.is_file() else None


def _stamp(path: Path) -> Any:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _table(home: Path) -> PriceTable | None:
    """The newer one of the installed and the kept table; None when neither can be loaded."""
    table = None
    try:
        table = packaged_table()
    except Exception as error:  # noqa: BLE001
        report_internal("loading the price table", error)
    path = kept_folder(home) / KEPT_TABLE
    if not path.is_file():
        return table
    try:
        kept = json.loads(path.read_text("utf-8"))
        day = date.fromisoformat(kept["date"])
        if table is None or day >= table.day:
            table = table_of(kept["providers"], day)
    except Exception as error:  # noqa: BLE001 - a package that was updated may not read what an older one kept
        _log.error(
            "vigilo: the price table kept in %s cannot be read (%s), the installed one is used: "
            "vigilo prices update --from FILE",
            path,
            type(error).__name__,
        )
    return table


def age_days(table: PriceTable) -> int:
    """How old a table is."""
    return (datetime.now(timezone.utc).date() - table.day).days


def _age_setting() -> int:
    from vigilo.settings import app_settings

    return app_settings().price_age_days


def _warn_if_old(table: PriceTable, after_days: int) -> None:
    days = age_days(table)
    if after_days and days > after_days:
        level, how = (logging.ERROR, "far too old") if days > VERY_OLD_DAYS else (logging.WARNING, "old")
        _log.log(
            level,
            "vigilo: the price table %s is %s: %d days. New models have no price, and prices may have changed: "
            "pip install -U genai-prices, or vigilo prices update --from FILE",
            table.snapshot,
            how,
            days,
        )


live = LivePrices()


def use_home(home: Path) -> None:
    """Takes what is kept in another folder than that of the settings, for commands that are told one."""
    global live
    live = LivePrices(home)


def _before_fork() -> None:
    # A child keeps the import locks of threads that it does not have: it would wait for ever for a module, the app's
    # own pydantic included, whose import was under way in ours. So an import is finished before a fork.
    live.join(FORK_WAIT_S)


def _after_fork_in_child() -> None:
    global live
    live = live.in_a_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
