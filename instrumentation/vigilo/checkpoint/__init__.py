"""Checkpoints: what a long computation has, on disk, whole, before it is lost.

::

    from vigilo import checkpoint

    checkpoint.register("model", model)  # whatever has a state: torch, Keras, scikit-learn, arrays, plain values
    checkpoint.register("best", get=lambda: best)
    resumed = checkpoint.resume()  # the newest that is whole, of all places; None where there is none
    for step in range(resumed.step if resumed else 0, steps):
        train(model)
        checkpoint.step()  # a safe point: writes what is due, and else takes a microsecond

It is written every ``checkpoint_every_s``, and when something asks for it: the session nears its end, memory runs out,
the process is told to end. Who asks never writes; that is done at the next safe point, which is ``step()``, the end of
a cell, or the end of the process.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from vigilo.checkpoint.results import CheckpointError, Resumed, Saved, Written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vigilo.checkpoint.engine import Engine

__all__ = [
    "CheckpointError",
    "Resumed",
    "Saved",
    "Written",
    "busy",
    "clear",
    "install_handlers",
    "register",
    "remove_handlers",
    "request",
    "resume",
    "save",
    "serve",
    "shared_engine",
    "status",
    "step",
    "uploads",
    "use",
]

_shared: Engine | None = None
_lock = threading.RLock()  # the handler of a signal may ask as well


def shared_engine() -> Engine:
    """The engine of this process, made at first use from the settings. A forked process has one of its own."""
    global _shared
    if _shared is None:
        from vigilo.checkpoint.engine import Engine
        from vigilo.notebook.place import Place
        from vigilo.settings import app_settings

        made = Engine(Place.here(), app_settings())
        with _lock:  # threads that ask at the same time get the same
            _shared = _shared or made
    return _shared


def register(
    name: str,
    obj: Any = None,
    *,
    get: Callable[[], Any] | None = None,
    save: Callable[[Path], object] | None = None,
    load: Callable[[Any], object] | None = None,
    format: str | None = None,
    thread_safe: bool = False,
) -> None:
    """Has something saved in every checkpoint from now on; the same name again takes its place.

    Args:
        name: letters, digits, ``_``, ``.`` and ``-``.
        obj: what has the state. It is held weakly where that can be, so register it again when the variable gets
            another object, or give ``get``.
        get: returns it, in place of ``obj``: ``get=lambda: model``.
        save: writes it to the path that it is given, a file or a folder that is not there yet; in place of ``obj``.
        load: takes what was saved, to restore it: the path with ``save``, otherwise the value.
        format: ``torch``, ``keras``, ``joblib``, ``numpy``, ``plain`` or ``pickle``, in place of what fits it.
        thread_safe: it may be saved while the app works on it, where no safe point comes before a deadline.

    Raises:
        ValueError: the name or the format is not allowed, or not exactly one of ``obj``, ``get`` and ``save`` is given.
        CheckpointError: its parts lie in several processes, as those of FSDP.
    """
    shared_engine().register(name, obj, get=get, save=save, load=load, format=format, thread_safe=thread_safe)


def step(number: int | None = None) -> int:
    """A step is done: counts it, and writes what is due. Never raises.

    Args:
        number: how many steps are done; one more than before by default.

    Returns:
        How many steps are done.
    """
    return shared_engine().step(number)


def save(reason: str = "manual") -> Saved:
    """Writes a checkpoint now, and waits until it lies at every place.

    Raises:
        CheckpointError: it could not be written at any place.
    """
    return shared_engine().save(reason)


def request(reason: str) -> None:
    """Asks for a checkpoint at the next safe point. From any thread, at any time; takes a microsecond, never raises.

    ``session``, ``quota``, ``sigterm`` and ``exit`` are deadlines and are always served. Others wait for their turn:
    five minutes after the last checkpoint (``memory`` a minute), and once only while they keep being asked for.
    """
    shared_engine().request(reason)


def serve(*, interrupted: bool = False) -> Saved | None:
    """A safe point other than a step, such as the end of a cell: writes what is due. Never raises.

    It waits until it lies at the first place; copies to others, such as Google Drive, are made behind it.

    Args:
        interrupted: an error or an interrupt ended the cell, and a step is perhaps half done. It is said of what is
            written from now until the next call.

    Returns:
        What was written; None where nothing was due or it could not be written.
    """
    return shared_engine().serve(interrupted=interrupted)


def busy() -> None:
    """A cell begins. Who calls this has what is asked for between cells saved there, and not only after the next one.

    Where just then something is copied it waits for that, at most a few seconds. Never raises.
    """
    shared_engine().busy()


def resume(*, strict: bool = True, trust: bool = False) -> Resumed | None:
    """Loads the newest checkpoint that is whole, of all places, into what is registered.

    Args:
        strict: it must have exactly what is registered; otherwise what both have is loaded.
        trust: it may hold pickles, which can run any code as they are loaded: only where you know who wrote it.
            scikit-learn's models are such, and whatever no other format fits.

    Returns:
        What was loaded; None where there is no checkpoint.

    Raises:
        CheckpointError: it does not fit what is registered, or holds pickles without ``trust``.
    """
    return shared_engine().resume(strict=strict, trust=trust)


def status() -> dict[str, Any]:
    """What is registered, saved and asked for, in plain JSON values: for `/status`, the status card and the doctor."""
    return shared_engine().status()


def uploads(upload: Callable[[Path], bool | None]) -> None:
    """Has each new checkpoint sent elsewhere: ``upload(folder)`` says True when the other side has confirmed it."""
    shared_engine().uploads(upload)


def use(*, name: str | None = None, folder: Path | str | None = None) -> None:
    """Says whose checkpoints these are, and where they go.

    Args:
        name: of what is computed: a folder of its own. By default that of the notebook or the script.
        folder: in place of the setting ``checkpoint_dir``.
    """
    shared_engine().use(name=name, folder=folder)


def clear() -> None:
    """Forgets what is registered, counted and asked for, and handles no signals any more; checkpoints stay."""
    global _shared
    if _shared is not None:
        _shared.close()
        _shared = None


def install_handlers() -> bool:
    """Has a checkpoint written when the process gets SIGTERM, and when it ends. Only from the main thread.

    Handlers that were there run afterwards. It is done by the first :func:`register` of the main thread.

    Returns:
        Whether both are in place.
    """
    return shared_engine().install_handlers()


def remove_handlers() -> None:
    """Restores what handled SIGTERM before."""
    shared_engine().remove_handlers()


def _after_fork_in_child() -> None:
    global _lock, _shared
    _lock, _shared = threading.RLock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
