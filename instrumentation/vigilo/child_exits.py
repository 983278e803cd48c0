"""Exports what a child of ``multiprocessing`` holds when it ends: forked ones skip what others do at their exit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wrapt import register_post_import_hook

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from types import ModuleType

FLUSH_TIMEOUT_S: Final = 5.0
"""How long a child's end may take for each of spans, metrics and log records: a write takes milliseconds."""
_LAST: Final = -1000  # after all that the app itself does at a child's end


def flush_at_exit() -> None:
    """Has all children of ``multiprocessing`` that are started from now on export what they have when they end.

    One that is killed, as by ``Pool.terminate``, ends without.
    """
    register_post_import_hook(_watch, "multiprocessing.util")


def _watch(util: ModuleType) -> None:
    def in_child(_: object) -> None:
        util.Finalize(None, _flush, exitpriority=_LAST)

    util.register_after_fork(_flush, in_child)


def _flush() -> None:
    with internal_errors("exporting telemetry at the end of a process"):
        from opentelemetry import _logs, metrics, trace

        for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()):
            flush = getattr(provider, "force_flush", None)  # the API's own providers have nothing to flush
            if flush is not None:
                flush(timeout_millis=int(FLUSH_TIMEOUT_S * 1000))
