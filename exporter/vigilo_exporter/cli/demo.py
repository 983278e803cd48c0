"""``vigilo demo``: runs the example app against a local provider and shows the report of what it did."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vigilo.errors import ConfigError, MissingExtraError, VigiloError
from vigilo.settings import load_settings
from vigilo_exporter.assets import asset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")
MARKER = "made-by-vigilo-demo"
_PROVIDER_PREFIXES = ("OPENAI_", "AZURE_OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_EMBEDDED = {"VIGILO_CLICKHOUSE_URL": ""}  # what is a demo's is not for a server of the user's
_NEEDED = ("openai", "anthropic", "google.genai", "chdb")


def demo(
    live: Annotated[
        bool, typer.Option("--live", help="Call the real providers, with the API keys in the environment.")
    ] = False,
    home: Annotated[
        Path | None, typer.Option(help="Folder for the demo's data, instead of `demo` in vigilo's own.")
    ] = None,
) -> None:
    """Runs an example app, by default against a local provider that needs no key, and shows its report."""
    if live and not any(os.environ.get(name) for name in KEY_VARIABLES):
        raise ConfigError(f"--live needs the key of a provider: set one of {', '.join(KEY_VARIABLES)}")
    if not all(map(_installed, _NEEDED)):
        raise MissingExtraError("vigilo demo", "all")
    app = asset("examples", "chat.py")
    instrument = _instrument_command()
    chosen_home = home.expanduser().absolute() if home else load_settings().home / "demo"
    empty_home(chosen_home)

    typer.secho(f"$ opentelemetry-instrument python {_shown(app)}", bold=True)
    with providers(live) as variables:
        environment = app_environment(os.environ, chosen_home, live) | variables
        exit_code = subprocess.run([instrument, sys.executable, str(app)], env=environment, check=False).returncode

    option = "" if chosen_home == load_settings().home else f" --home {shlex.quote(_shown(chosen_home))}"
    typer.secho(f"\n$ vigilo report{option}\n", bold=True)
    report = [sys.executable, "-m", "vigilo_exporter.cli", "report", "--home", str(chosen_home)]
    reported = subprocess.run(report, env={**os.environ, **_EMBEDDED}, check=False).returncode
    typer.echo(_next_steps(chosen_home, option, live))
    if exit_code:
        typer.echo(f"\nvigilo: the app ended with exit code {exit_code}", err=True)
    raise typer.Exit(exit_code or reported)


def empty_home(home: Path) -> None:
    """Makes the folder, or clears it of what an earlier demo left, so that each demo shows its own calls only.

    Raises:
        VigiloError: it holds data that no demo made, and nothing is deleted; or it cannot be written.
    """
    marker = home / MARKER
    try:
        if home.exists() and any(home.iterdir()) and not marker.exists():
            raise VigiloError(f"{home} holds data that is not the demo's: name an empty folder with --home")
        home.mkdir(parents=True, exist_ok=True)
        marker.touch()
        for name in ("spool", "db"):  # the key of user ids stays, so that a user has the same pseudonym each time
            if (home / name).exists():
                shutil.rmtree(home / name)
    except OSError as error:
        raise VigiloError(f"{home} cannot be used for the demo: {error}") from None


def app_environment(inherited: Mapping[str, str], home: Path, live: bool) -> dict[str, str]:
    """The environment of the example app: telemetry goes to the demo's folder, whatever the user's variables say.

    Unless it is live, no key, address or proxy of the user's reaches the app.
    """
    dropped = ("OTEL_",) if live else ("OTEL_", *_PROVIDER_PREFIXES)
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(dropped) and (live or name.lower() not in _PROXIES)
    }
    # Python buffers what it writes to a pipe, and the app's output shall appear while it runs.
    own = {"VIGILO_HOME": str(home), "OTEL_SERVICE_NAME": "vigilo-demo", "PYTHONUNBUFFERED": "1"}
    return {**kept, **_EMBEDDED, **own}


@contextmanager
def providers(live: bool) -> Iterator[dict[str, str]]:
    """The variables that lead to the providers: none for the real ones, else those of a local server.

    The server is busy once, which the SDK's retry gets over, and fails one call for good.
    """
    if live:
        yield {}
        return
    from vigilo.testing import ProviderServer

    with ProviderServer() as server:
        server.fail(429, retry_after_s=0.02, match="refund order 2002")
        server.fail(500, retry_after_s=0.02, match="Translate this note", times=3)
        yield server.environment()


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is not there
        return False


def _instrument_command() -> str:
    beside_python = str(Path(sys.executable).parent)
    command = shutil.which("opentelemetry-instrument", path=beside_python) or shutil.which("opentelemetry-instrument")
    if command is None:
        raise VigiloError("opentelemetry-instrument is not installed: pip install opentelemetry-instrumentation")
    return command


def _shown(path: Path) -> str:
    """A path as a user would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _next_steps(home: Path, option: str, live: bool) -> str:
    went = "the real providers" if live else "a local provider: no key was used and nothing left this machine"
    steps = (
        ("the calls by what they were made for", f"vigilo report{option} --by operation"),
        ("the report for a script", f"vigilo report{option} --format json"),
        ("the same app on the real providers", "vigilo demo --live"),
        ("your own app, and then its report", "opentelemetry-instrument python app.py; vigilo report"),
    )
    # What may be long, a path, stands last in its line.
    width = max(len(purpose) for purpose, _ in steps)
    lines = [f"  {purpose:<{width}}  {command}" for purpose, command in steps]
    said = f"The calls went to {went}.\nTheir spans, metrics and logs lie in {home}"
    return "\n".join(["", said, "", "Next:", *lines])
