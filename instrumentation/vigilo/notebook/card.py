"""The status card: a piece of HTML below a cell that shows the state of the session, also while a cell runs.

It changes at most every few seconds, and never while the kernel is idle but for one last time: whoever ends idle
kernels takes output for activity, and a card that ticks would keep alive what the platform wants to end. A thread of
its own sends the changes, so the kernel neither waits for it nor is busy with it.
"""

from __future__ import annotations

import os
import threading
import time
from html import escape
from typing import TYPE_CHECKING, Any, Final

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vigilo.notebook.status_line import Fact

INTERVAL_S: Final = 5.0
"""Between two changes of the card, at least."""
_COLORS: Final = {"": "#4c8bf5", "watch": "#4c8bf5", "warn": "#e69f00", "critical": "#d62728"}
_ROW: Final = (
    '<tr><td style="padding:1px 12px 1px 0;text-align:left;opacity:.7;white-space:nowrap">{label}</td>'
    '<td style="padding:1px 12px 1px 0;width:120px">{bar}</td>'
    '<td style="padding:1px 0;text-align:left{style}">{text}</td></tr>'
)
_BAR: Final = (
    '<div style="width:120px;height:6px;border-radius:3px;background:rgba(128,128,128,.25)">'
    '<div style="width:{percent:.0f}%;height:6px;border-radius:3px;background:{color}"></div></div>'
)


def card_html(facts: Sequence[Fact]) -> str:
    """The facts as a table. Without scripts, sheets or links, so that it is shown in notebooks that are not trusted."""
    return (
        '<div style="display:inline-block;border:1px solid rgba(128,128,128,.4);border-radius:6px;padding:8px 12px;'
        'font-family:sans-serif;font-size:12px;line-height:1.5"><b>vigilo</b>'
        f'<table style="border:0;margin:4px 0 0 0;font-size:12px">{"".join(map(_row, facts))}</table></div>'
    )


def _row(fact: Fact) -> str:
    color = _COLORS.get(fact.level, _COLORS[""])
    share = None if fact.share is None else min(1.0, max(0.0, fact.share))
    return _ROW.format(
        label=escape(fact.label),
        bar="" if share is None else _BAR.format(percent=100 * share, color=color),
        style=f";color:{color};font-weight:bold" if fact.level in ("warn", "critical") else "",
        text=escape(fact.text),
    )


class Card:
    """One card, wherever it is shown.

    Args:
        publish: ``publish(bundle, update)`` sends it to the notebook: a new output, or a change of those there are.
        render: gives the bundle: what is shown by MIME type.
        interval_s: between two changes, at least.
    """

    def __init__(
        self,
        publish: Callable[[dict[str, str], bool], None],
        render: Callable[[], dict[str, str]],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._publish, self._render, self._interval_s = publish, render, interval_s
        self._shown: dict[str, str] | None = None
        self._shown_s = 0.0
        self._is_busy = False
        self._is_stale, self._is_closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def show(self, *, live: bool = True) -> None:
        """Shows it below the running cell.

        Args:
            live: changes it from now on; where it cannot be changed it would be shown again and again.
        """
        self._shown, self._shown_s = self._render(), time.monotonic()
        self._publish(self._shown, False)
        if live and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="vigilo-card", daemon=True)
            self._thread.start()

    def cell_began(self) -> None:
        """From now on it changes."""
        self._is_busy = True
        if self._thread is not None:
            self._is_stale.set()

    def cell_ended(self) -> None:
        """It changes once more, and then no more."""
        self._is_busy = False
        if self._thread is not None:
            self._is_stale.set()

    def close(self) -> None:
        """It stays as it is."""
        self._is_closed.set()
        self._is_stale.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def _run(self) -> None:
        owner = os.getpid()
        while self._is_stale.wait() and not self._is_closed.is_set() and os.getpid() == owner:
            if self._is_closed.wait(max(0.0, self._shown_s + self._interval_s - time.monotonic())):
                return
            if not self._is_busy:
                self._is_stale.clear()
                if self._is_busy:  # a cell began right then
                    self._is_stale.set()
            with internal_errors("changing the status card"):
                self._change()
            self._shown_s = time.monotonic()

    def _change(self) -> None:
        bundle: Any = self._render()
        if bundle != self._shown:
            self._publish(bundle, True)
            self._shown = bundle
