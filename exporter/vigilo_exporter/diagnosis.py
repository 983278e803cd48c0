"""What is installed, wired, set and stored, as ``vigilo doctor`` tells it: a list of findings."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from vigilo.errors import ConfigError, VigiloError
from vigilo.settings import Settings, load_settings, setting_sources, shown_setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DISTRIBUTION = "vigilo-otel"
OK, NOTE, OFF, BROKEN = "ok", "note", "off", "broken"
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_CORE = ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-instrumentation")
_SDKS = {
    "openai": "vigilo_openai",
    "anthropic": "vigilo_anthropic",
    "google-genai": "vigilo_google",
    "groq": "vigilo_groq",
    "together": "vigilo_together",
    "cerebras-cloud-sdk": "vigilo_cerebras",
}
_ENGINES = ("chdb-core-lite", "chdb-core", "chdb")
# What other instrumentors of the same SDKs call their entry points; several distributions share a name.
_RIVALS = frozenset({"openai", "openai_v2", "anthropic", "google_genai", "google_generativeai", "vertexai"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``state``: ok, note (works, but look), off (on purpose or by absence), broken."""

    part: str
    name: str
    state: str
    detail: str


def diagnose(home: Path | None, environ: Mapping[str, str]) -> list[Finding]:
    """Looks at everything; changes nothing.

    Args:
        home: the folder to look at instead of the one in the settings.
        environ: the environment, as the app would have it.
    """
    try:
        settings = load_settings(environ)
        in_force = [*settings_in_force(settings, environ)]
    except ConfigError as error:
        settings = Settings(content="off")
        in_force = [Finding("settings", "settings", BROKEN, f"{error}. Apps run with defaults, without content")]
    settings = replace(settings, home=home or settings.home)
    return [
        *installed(needs_engine=not settings.clickhouse_url),
        *wiring(environ),
        *destinations(environ),
        *in_force,
        *prices(home),
        *quotas(settings),
        *store(settings),
    ]


def vigilo_version() -> str | None:
    """The installed version, or None in a checkout that is not installed."""
    return _version(DISTRIBUTION)


def installed(*, needs_engine: bool = True) -> Iterator[Finding]:
    """Python, vigilo, OpenTelemetry, the providers' SDKs and the embedded engine, which a server replaces."""
    yield Finding("installed", "python", OK, f"{platform.python_version()} ({sys.executable})")
    if own := vigilo_version():
        yield Finding("installed", DISTRIBUTION, OK, own)
    else:
        detail = "a checkout that is not installed: `opentelemetry-instrument` does not see it; pip install -e ."
        yield Finding("installed", DISTRIBUTION, NOTE, detail)
    ranges = _supported()
    for name in _CORE:
        yield _package(name, ranges, BROKEN, "not installed", BROKEN)
    for name in _SDKS:
        yield _package(name, ranges, OFF, "not installed, so there is nothing to capture", NOTE)
    engine = next((name for name in _ENGINES if _version(name)), None)
    if engine:
        yield Finding("installed", engine, OK, f"{_version(engine)}, the embedded ClickHouse")
    elif needs_engine:
        detail = "not installed, so nothing can be reported: pip install 'vigilo-otel[embedded]'"
        yield Finding("installed", _ENGINES[0], BROKEN, detail)


def wiring(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What ``opentelemetry-instrument`` loads: the distro and configurator that win, and the instrumentors."""
    for kind in ("distro", "configurator"):
        yield _winner(kind, environ)
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding("wiring", "OTEL_SDK_DISABLED", OFF, "it is true: OpenTelemetry records nothing")
    disabled = {name.strip() for name in environ.get(_DISABLED, "").split(",")}
    points = entry_points(group="opentelemetry_instrumentor")
    names = {point.name for point in points}
    for instrumentor in _SDKS.values():
        if disabled & {instrumentor, "*"}:
            yield Finding("wiring", instrumentor, OFF, f"named in {_DISABLED}")
        elif instrumentor in names:
            yield Finding("wiring", instrumentor, OK, "instrumentor found")
    for point in points:
        if point.name.replace("-", "_") in _RIVALS and not disabled & {point.name, "*"}:
            owner = point.dist.name if point.dist else point.value
            detail = f"{owner} records the same calls: uninstall it, or name {point.name} in {_DISABLED}"
            yield Finding("wiring", point.name, NOTE, detail)


def destinations(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Where each signal goes. Without a choice of the user's it is the distro that is loaded which chooses."""
    distro = _loaded("distro", environ)
    for signal in ("TRACES", "METRICS", "LOGS"):
        variable = f"OTEL_{signal}_EXPORTER"
        name = f"{signal.lower()} go to"
        chosen = environ.get(variable, "").strip()
        if chosen == "none":
            yield Finding("destinations", name, OFF, f"nowhere: {variable} is none")
        elif chosen and "vigilo_clickhouse" not in chosen.split(","):
            detail = f"{chosen} ({variable}), so not to vigilo's store: add vigilo_clickhouse for `vigilo report`"
            yield Finding("destinations", name, NOTE, detail)
        elif chosen:
            yield Finding("destinations", name, OK, f"{chosen} ({variable})")
        elif distro != "vigilo":
            detail = f"where {distro or 'OpenTelemetry'} sends them: set {variable}=vigilo_clickhouse to store them"
            yield Finding("destinations", name, NOTE, detail)
        else:
            endpoint = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get(
                "OTEL_EXPORTER_OTLP_ENDPOINT"
            )
            beside = ", and by OTLP to the endpoint that is set" if endpoint else ""
            yield Finding("destinations", name, OK, f"vigilo's store{beside} (default)")


def settings_in_force(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Each setting with its source: a variable, the file or the default."""
    for name, source in setting_sources(environ).items():
        value = shown_setting(settings, name)
        yield Finding("settings", name, OFF if value == "off" else OK, f"{value} ({source})")


def prices(home: Path | None) -> Iterator[Finding]:
    """The price table in use, and how old it is.

    Args:
        home: the folder to look at instead of the one in the settings.
    """
    from vigilo.policy.live_prices import OLD_DAYS
    from vigilo.policy.price_update import age_days
    from vigilo.policy.pricing import price_table, use_home

    if home is not None:
        use_home(home)
    try:
        table = price_table()
    except VigiloError as error:
        yield Finding("prices", "price table", BROKEN, str(error))
        return
    days = age_days(table)
    detail = f"{table.snapshot}, {'1 day' if days == 1 else f'{days} days'} old"
    if days > OLD_DAYS:
        detail += ": prices may have changed since; pip install -U genai-prices, or vigilo prices update --from FILE"
    yield Finding("prices", "price table", NOTE if days > OLD_DAYS else OK, detail)


def quotas(settings: Settings) -> Iterator[Finding]:
    """The state that processes share, and the rules that hold."""
    from vigilo_exporter.quota_findings import quota_findings

    for name, state, detail in quota_findings(settings):
        yield Finding("quotas", name, state, detail)


def store(settings: Settings) -> Iterator[Finding]:
    """The home folder: what waits in the spool, what is in the database or at the server, and who can read the key."""
    from vigilo_exporter.spool_findings import server_findings, spool_findings

    home, server = settings.home, bool(settings.clickhouse_url)
    problem = _not_writable(home)
    if problem:
        yield Finding("store", "home", BROKEN, problem)
        return
    yield Finding("store", "home", OK, str(home))
    for name, state, detail in spool_findings(home, goes_to="the server" if server else "the next report"):
        yield Finding("store", name, state, detail)
    if server:
        for name, state, detail in server_findings(home, settings):
            yield Finding("store", name, state, detail)
    else:
        yield _database(home)
    key = home / "user_id.key"
    if not key.exists():
        yield Finding("store", "user id key", OK, "none yet: it is made with the first user id")
    elif readable_by := key.stat().st_mode & 0o077:
        detail = f"others can read it (mode {readable_by | 0o600:o}): chmod 600 {key}"
        yield Finding("store", "user id key", NOTE, detail)
    else:
        yield Finding("store", "user id key", OK, "only you can read it")


def _database(home: Path) -> Finding:
    folder = home / "db"
    if not folder.is_dir():
        return Finding("store", "database", OK, "none yet: it is made with the first report")
    from vigilo_exporter.clickhouse.store import open_store
    from vigilo_exporter.report import kept

    size = sum(_size(path) for path in folder.rglob("*"))
    try:
        with open_store(home, wait_s=5, ingest=False) as opened:
            whole = kept(opened)
    except VigiloError as error:
        return Finding("store", "database", BROKEN, str(error))
    latest = f", the latest at {whole.latest:%Y-%m-%d %H:%M:%S} UTC" if whole.latest else ""
    calls = "1 call" if whole.calls == 1 else f"{whole.calls:,} calls"
    return Finding("store", "database", OK, f"{calls}{latest}; {size:,} bytes")


def _loaded(kind: str, environ: Mapping[str, str]) -> str | None:
    """The distro or configurator that OpenTelemetry loads: the one that is named, else the first that is found."""
    points = entry_points(group=f"opentelemetry_{kind}")
    return environ.get(f"OTEL_PYTHON_{kind.upper()}") or next((point.name for point in points), None)


def _winner(kind: str, environ: Mapping[str, str]) -> Finding:
    points = [point.name for point in entry_points(group=f"opentelemetry_{kind}")]
    variable = f"OTEL_PYTHON_{kind.upper()}"
    winner = _loaded(kind, environ)
    rivals = sorted(set(points) - {"vigilo"})
    if "vigilo" not in points:
        detail = f"vigilo's is not found, {winner or 'none'} is loaded: is vigilo-otel installed in this environment?"
        return Finding("wiring", kind, NOTE, detail)
    if winner != "vigilo":
        return Finding("wiring", kind, NOTE, f"{winner} is loaded instead of vigilo's: set {variable}=vigilo")
    if rivals and variable not in environ:
        detail = f"vigilo, beside {', '.join(rivals)}: which one wins is chance; set {variable}=vigilo"
        return Finding("wiring", kind, NOTE, detail)
    return Finding("wiring", kind, OK, "vigilo")


def _package(name: str, ranges: Mapping[str, Requirement], absent: str, why_absent: str, unsupported: str) -> Finding:
    found = _version(name)
    if found is None:
        return Finding("installed", name, absent, why_absent)
    supported = ranges.get(name)
    if supported is not None and not supported.specifier.contains(found, prereleases=True):
        return Finding("installed", name, unsupported, f"{found}; supported is {supported.specifier}")
    return Finding("installed", name, OK, found)


def _supported() -> dict[str, Requirement]:
    """What vigilo's own metadata asks of each distribution; empty in a checkout that is not installed."""
    try:
        wanted = map(Requirement, requires(DISTRIBUTION) or ())
    except PackageNotFoundError:
        return {}
    return {requirement.name: requirement for requirement in wanted if requirement.specifier}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _not_writable(home: Path) -> str | None:
    existing = home
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        return f"{existing} is not a folder: set `VIGILO_HOME` to another"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{existing} cannot be written: set `VIGILO_HOME` to another folder"
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # taken in or merged away meanwhile
        return 0
