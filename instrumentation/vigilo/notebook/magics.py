"""``%vigilo``: what a notebook asks and orders in a cell."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from vigilo.errors import VigiloError
from vigilo.notebook.status_line import duration, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.notebook.extension import Extension

NAME: Final = "vigilo"
USAGE: Final = """%vigilo [status]    a card with the session, memory, tasks and checkpoints; it changes while cells run
%vigilo report      cost, tokens and latency of the LLM calls; takes the options of `vigilo report`, as --since 7d
%vigilo checkpoint  writes a checkpoint now
%vigilo doctor      what is true on this platform, to paste into a question or a bug report
%vigilo off         turns vigilo off; `%load_ext vigilo` turns it on again"""


class Magic:
    """The line magic. What goes wrong is one line, never a traceback of vigilo's."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "status": self._status,
            "report": self._report,
            "checkpoint": self._checkpoint,
            "doctor": self._doctor,
            "off": self._off,
        }

    def __call__(self, line: str) -> None:
        """Runs ``line``: a command and its options."""
        try:
            command, *options = shlex.split(line) or ["status"]
        except ValueError as error:  # a quote that is not closed
            return _say(f"vigilo: {error}")
        run = self._commands.get(command)
        if run is None:
            return _say(USAGE)
        try:
            run(options)
        except VigiloError as error:
            _say(f"vigilo: {error}")
        return None

    def _status(self, _: list[str]) -> None:
        self._extension.show_card()

    def _report(self, options: list[str]) -> None:
        from vigilo.notebook.telemetry import flush

        flush()
        _command("report", *options)

    def _checkpoint(self, _: list[str]) -> None:
        from vigilo import checkpoint

        saved = checkpoint.save("manual")
        _say(f"vigilo: step {saved.step:,}, {size(saved.size_bytes)} in {duration(saved.duration_s)}: {saved.path}")

    def _doctor(self, options: list[str]) -> None:
        _command("notebook", "doctor", *options)

    def _off(self, _: list[str]) -> None:
        self._extension.turn_off()
        _say("vigilo is off; `%load_ext vigilo` turns it on again")


def install(shell: Any, extension: Extension) -> Callable[[], None]:
    """Makes ``%vigilo``; returns what takes it away, and brings back what had the name before."""
    magics: dict[str, Any] = shell.magics_manager.magics["line"]
    before = magics.get(NAME)
    magic = Magic(extension)

    def vigilo(line: str) -> None:
        magic(line)

    vigilo.__doc__ = USAGE
    shell.register_magic_function(vigilo, "line", NAME)

    def remove() -> None:
        if magics.get(NAME) is vigilo:
            del magics[NAME]
            if before is not None:
                magics[NAME] = before

    return remove


def _command(*arguments: str) -> None:
    """Runs ``vigilo`` in a process of its own: the store's engine has no place in the kernel."""
    command = [sys.executable, "-m", "vigilo_exporter.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    _say((done.stdout + done.stderr).rstrip())


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the output of the cell
