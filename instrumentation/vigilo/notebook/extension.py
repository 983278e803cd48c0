"""``%load_ext vigilo``: the session's clocks, checkpoints between cells, the status card, LLM calls, ``%vigilo``.

Every part is on its own: one that fails is logged, and the others and the notebook go on.
"""

from __future__ import annotations

import os
import threading
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.notebook.card import Card
    from vigilo.notebook.session import Session

NAMES: Final = ("vigilo", "vigilo.notebook.extension")
"""Under which IPython may know the extension."""
HOLDER: Final = "vigilo_notebook"
_LOOK_WAIT_S: Final = 2.0

_loaded: Extension | None = None


def load_ipython_extension(ipython: Any) -> None:
    """Called by ``%load_ext``. Harmless where it is loaded already, under whichever of its names."""
    global _loaded
    if _loaded is not None and _loaded.shell is ipython and _loaded.is_ours():
        return
    _loaded = Extension(ipython)
    _loaded.turn_on()


def unload_ipython_extension(ipython: Any) -> None:
    """Called by ``%unload_ext``: all is as it was before."""
    global _loaded
    if _loaded is not None and _loaded.shell is ipython:
        extension, _loaded = _loaded, None
        extension.turn_off()


class Extension:
    """Everything that is on in one shell.

    Args:
        shell: IPython's.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.session: Session | None = None
        self._undo = ExitStack()
        self._card: Card | None = None
        self._owner = os.getpid()
        self._running: set[int] = set()
        """Cells that run, by the id of what IPython tells of each: a cell may run others, and some run side by side."""

    def is_ours(self) -> bool:
        """Whether this process turned it on, and not one that it was forked from."""
        return os.getpid() == self._owner

    def turn_on(self) -> None:
        """Turns everything on, and says so in one line."""
        with internal_errors("turning on the telemetry of the notebook"):
            self._start_telemetry()
        with internal_errors("starting the session of the notebook"):
            self._start_session()
        with internal_errors("watching memory"):
            self._watch_memory()
        with internal_errors("getting ready for checkpoints"):
            self._prepare_checkpoints()
        with internal_errors("making %vigilo"):
            from vigilo.notebook import magics

            self._undo.callback(magics.install(self.shell, self))
        with internal_errors("listening to cells"):
            self._listen()
        with internal_errors("telling the state of the notebook"):
            self._say_hello()

    def turn_off(self) -> None:
        """Turns everything off; IPython can load it again."""
        global _loaded
        if _loaded is self:
            _loaded = None
        with internal_errors("turning off the notebook's extension"):
            self._undo.close()
        loaded = getattr(getattr(self.shell, "extension_manager", None), "loaded", None)
        if loaded is not None:
            loaded.difference_update(NAMES)

    def show_card(self) -> None:
        """Shows the status card below the running cell; outside of notebooks its text."""
        if self._card is None:
            self._card = self._make_card()
            self._undo.callback(self._card.close)
        self._card.show(live=self._is_notebook())
        if self._running:  # it began before there was a card
            self._card.cell_began()

    def _start_telemetry(self) -> None:
        from vigilo.notebook import telemetry
        from vigilo.notebook.session import shared_session

        self.session = shared_session()
        self._undo.push(telemetry.turn_on(self.session.platform))
        telemetry.tell_session(self.session)

    def _start_session(self) -> None:
        # After the telemetry: the first thing that a session finds may be a restart, which is told as an event.
        if self.session is not None:
            self.session.start()
            self._undo.callback(self.session.stop)

    def _watch_memory(self) -> None:
        from vigilo.gauges import memory_watch
        from vigilo.settings import app_settings

        # Also where the metrics of GPUs and the host are off, or in other hands.
        memory_watch.watch_memory(app_settings(), holder=HOLDER)
        self._undo.callback(memory_watch.release, HOLDER)

    def _prepare_checkpoints(self) -> None:
        from vigilo import checkpoint

        if threading.current_thread() is threading.main_thread():
            checkpoint.install_handlers()
            self._undo.callback(checkpoint.remove_handlers)

    def _listen(self) -> None:
        if self._runs_in_cell():
            self._running.add(0)
            self._cell_began()
        for event, callback in (("pre_run_cell", self._pre_run_cell), ("post_run_cell", self._post_run_cell)):
            self.shell.events.register(event, callback)
            self._undo.callback(self._unregister, event, callback)

    def _unregister(self, event: str, callback: Callable[..., None]) -> None:
        if callback in self.shell.events.callbacks[event]:  # `%reset`-like tools may have removed all
            self.shell.events.unregister(event, callback)

    def _say_hello(self) -> None:
        from vigilo.notebook.overview import overview
        from vigilo.notebook.status_line import status_line

        if self.session is not None:
            self.session.looked(_LOOK_WAIT_S)
            print(status_line(overview(self.session)))  # noqa: T201 - the output of the cell

    # ---- cells

    def _pre_run_cell(self, info: Any = None) -> None:
        with internal_errors("seeing a cell begin"):
            if not self.is_ours():
                return
            is_first = not self._running - {0}
            self._running.discard(0)
            self._running.add(id(info))
            if is_first:
                self._cell_began()

    def _post_run_cell(self, result: Any = None) -> None:
        with internal_errors("seeing a cell end"):
            if not self.is_ours():
                return
            ended = {id(getattr(result, "info", None)), 0} & self._running
            self._running -= ended
            if ended and not self._running:
                self._cell_ended(getattr(result, "error_in_exec", None))

    def _cell_began(self) -> None:
        from vigilo import checkpoint

        if self.session is not None:
            self.session.cell_began()
        if self._card is not None:
            self._card.cell_began()
        checkpoint.busy()

    def _cell_ended(self, error: BaseException | None) -> None:
        from vigilo.notebook.tasks import end_tasks_of_cell

        try:
            end_tasks_of_cell()
            if threading.current_thread() is threading.main_thread():
                self._serve_checkpoint(error)
        finally:
            if self.session is not None:
                self.session.cell_ended(failed=error is not None)
            if self._card is not None:
                self._card.cell_ended()

    def _serve_checkpoint(self, error: BaseException | None) -> None:
        """Between two cells nothing of the notebook runs: what was asked for is written now."""
        from vigilo import checkpoint

        # Who interrupts a cell stays; after an error the kernel is often the next to go, as when memory ran out.
        if isinstance(error, Exception):
            checkpoint.request("exception")
        checkpoint.serve(interrupted=error is not None)

    # ---- the shell

    def _runs_in_cell(self) -> bool:
        """Whether a cell runs now, which `%load_ext` is part of, as far as that can be told."""
        get_parent = getattr(self.shell, "get_parent", None)  # of kernels only
        parent: Any = get_parent() if get_parent is not None else None
        return bool(parent) and parent.get("header", {}).get("msg_type") == "execute_request"

    def _is_notebook(self) -> bool:
        return getattr(self.shell, "kernel", None) is not None

    def _make_card(self) -> Card:
        from vigilo.notebook.card import Card, card_html
        from vigilo.notebook.overview import overview
        from vigilo.notebook.status_line import facts, status_text

        session, publisher, display_id = self.session, self.shell.display_pub, f"vigilo-{uuid.uuid4().hex[:12]}"

        def render() -> dict[str, str]:
            known = overview(session) if session is not None else {}
            return {"text/plain": status_text(known), "text/html": card_html(facts(known))}

        def publish(bundle: dict[str, str], update: bool) -> None:
            # The shell's own publisher may be another one while a cell's output is captured.
            publisher.publish(data=bundle, metadata={}, transient={"display_id": display_id}, update=update)

        return Card(publish, render)
