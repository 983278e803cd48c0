"""The settings of vigilo: one frozen value, read once from ``VIGILO_*`` variables over ``vigilo.toml`` over defaults.

The table of settings in ``docs/configuration.md`` is made from the fields below.
"""

from __future__ import annotations

import os
import sys
from dataclasses import Field, dataclass, field, fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vigilo.errors import ConfigError, report_internal

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_FILE_NAME = "vigilo.toml"
CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
EMIT_EVENT = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
COMPLETION_HOOK = "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK"
_CAPTURE_MODES = {
    "NO_CONTENT": ("content", "off"),
    "FALSE": ("content", "off"),
    "SPAN_ONLY": ("content_on", "spans"),
    "EVENT_ONLY": ("content_on", "events"),
    "SPAN_AND_EVENT": ("content_on", "both"),
}
SECTIONS = {
    "mask": "vigilo.policy.mask.user_rules:UserRules",
    "prices": "vigilo.policy.price_file:PriceFile",
    "quota": "vigilo.policy.quota.file:QuotaFile",
}
"""Tables of ``vigilo.toml`` and the class that reads each: ``Class.parse(path, table)`` raises ConfigError."""
OTHER_VARIABLES = {
    "VIGILO_USER_ID_KEY": "key of the pseudonyms of users, 64 hex digits, where many machines share one; several "
    "separated by commas, newest first; without it the key is in `user_id.key` in `home`",
    "VIGILO_CONFIG": "path of the settings file, instead of `vigilo.toml` in the working directory",
    CAPTURE_CONTENT: 'OpenTelemetry\'s own: `NO_CONTENT` is `content = "off"`; `SPAN_ONLY`, `EVENT_ONLY` and '
    "`SPAN_AND_EVENT` are `content_on`; vigilo's settings win",
    EMIT_EVENT: 'OpenTelemetry\'s own: `true` is `operation_events = "on"`, `false` is `"off"`; vigilo\'s setting wins',
    COMPLETION_HOOK: "OpenTelemetry's own: `completion_hook`; vigilo's setting wins",
    "VIGILO_RAISE_INTERNAL": "`1` raises vigilo's internal errors instead of logging them; for its own tests",
}


def default_home() -> Path:
    """The platform's folder for user data: ``~/.local/share/vigilo`` on Linux."""
    from platformdirs import user_data_path

    return user_data_path("vigilo", appauthor=False)


def _path(value: object) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError
    return Path(value).expanduser().absolute()


def _positive(value: object) -> int:
    number = int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError
    return number


def _count(value: object) -> int:
    number = int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError
    return number


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError
    seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError
    return seconds


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value.strip()


def _redis_url(value: object) -> str:
    url = _name(value)
    parts = urlsplit(url)
    is_path = parts.scheme == "unix" and parts.path
    # A port that is none raises ValueError, as where a password has a slash in it.
    has_host = parts.scheme in ("redis", "rediss") and parts.port != 0
    database = parts.path.removeprefix("/")
    if url and not is_path and not (has_host and (not database or database.isdecimal())):
        raise ValueError
    return url


def _namespace(value: object) -> str:
    name = _name(value)
    if not name or "{" in name or "}" in name:
        raise ValueError
    return name


def _boolean(value: object) -> bool:
    known = {"true": True, "false": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    if not isinstance(value, bool):
        raise ValueError
    return value


def _one_of(*allowed: str) -> dict[str, Any]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in allowed:
            raise ValueError
        return value.lower()

    return {"parse": parse, "allowed": " or ".join(f"`{word}`" for word in allowed)}


def _setting(doc: str, allowed: dict[str, Any], **others: Any) -> Any:
    return field(metadata={"doc": doc, **allowed}, **others)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Construct it directly in tests; read the user's with :func:`load_settings`."""

    home: Path = _setting(
        "Folder of everything vigilo keeps: spool, database, keys",
        {"parse": _path, "allowed": "a path", "shown": "the platform's user data folder"},
        default_factory=default_home,
    )
    content: str = _setting(
        "Messages in telemetry: with personal data and secrets masked, not at all, or unmasked, which is warned of",
        _one_of("masked", "off", "full"),
        default="masked",
    )
    content_on: str = _setting(
        "Where messages go: on spans, on the event `gen_ai.client.inference.operation.details`, or both",
        _one_of("spans", "events", "both"),
        default="spans",
    )
    operation_events: str = _setting(
        "The event `gen_ai.client.inference.operation.details` for each call: `auto` is when messages go on it",
        _one_of("auto", "on", "off"),
        default="auto",
    )
    completion_hook: str = _setting(
        "Name of an entry point of `opentelemetry_genai_completion_hook` that gets each call's messages, masked",
        {"parse": _name, "allowed": "a name", "shown": "none"},
        default="",
    )
    content_max_chars: int = _setting(
        "Characters kept of each text in a message",
        {"parse": _positive, "allowed": "a whole number, 1 or more"},
        default=1000,
    )
    user_ids: str = _setting(
        "User ids in telemetry: a keyed pseudonym (the key stays in `home`) or as given",
        _one_of("pseudonym", "plain"),
        default="pseudonym",
    )
    mask_other_telemetry: bool = _setting(
        "Mask the spans, logs, metrics and baggage of other instrumentors as well, in front of every exporter",
        {"parse": _boolean, "allowed": "`true` or `false`", "shown": "`true`"},
        default=True,
    )
    tenant: str = _setting(
        "Whose users they are, where `track(tenant=...)` does not say: an id has another pseudonym in each tenant",
        {"parse": _name, "allowed": "a name", "shown": "none"},
        default="",
    )
    placeholders: str = _setting(
        "Tags of masked values: `[EMAIL]`, or `[EMAIL_1]` and `[EMAIL_2]`, which tell two apart within a conversation",
        _one_of("plain", "numbered"),
        default="plain",
    )
    trust_forwarded_for: bool = _setting(
        "Take the client's address from the first entry of `X-Forwarded-For`; only behind a proxy that sets it",
        {"parse": _boolean, "allowed": "`true` or `false`", "shown": "`false`"},
        default=False,
    )
    stream_usage: bool = _setting(
        "Have OpenAI count the tokens of streams whose caller did not ask; the extra chunk is hidden from the app",
        {"parse": _boolean, "allowed": "`true` or `false`", "shown": "`true`"},
        default=True,
    )
    stream_idle_s: float = _setting(
        "Seconds after which a stream that is kept but not read has its span ended; `0` never",
        {"parse": _seconds, "allowed": "a number of seconds, 0 or more"},
        default=600.0,
    )
    price_age_days: int = _setting(
        "Age in days from which on the price table is logged as old, as an error from 120 on; `0` never",
        {"parse": _count, "allowed": "a whole number, 0 or more"},
        default=45,
    )
    personal: bool = _setting(
        "Personal mode: every user has 10,000 tokens and 100 requests a day, told at 80 % and blocked at the limit",
        {"parse": _boolean, "allowed": "`true` or `false`", "shown": "`false`"},
        default=False,
    )
    on_store_error: str = _setting(
        "Calls with a quota while the shared state cannot be reached: let pass, refused, or held to a tenth of what "
        "was left, counted in this process",
        _one_of("open", "closed", "local"),
        default="local",
    )
    redis_url: str = _setting(
        "Redis for the shared state, `redis://` or `rediss://`, where processes on several machines share quotas",
        {
            "parse": _redis_url,
            "allowed": "`redis://[user:password@]host[:port][/database]`, `rediss://` for TLS, `unix://` and a path",
            "shown": "SQLite in `home`",
            "secret": True,
        },
        default="",
        repr=False,
    )
    state_namespace: str = _setting(
        "Who shares quotas: processes with the same name in the same Redis; it is also the hash tag of the keys",
        {"parse": _namespace, "allowed": "a name without braces"},
        default="vigilo",
    )
    state_timeout_ms: int = _setting(
        "Milliseconds that a call waits for the shared state at the most",
        {"parse": _positive, "allowed": "a whole number, 1 or more"},
        default=50,
    )
    pacing: bool = _setting(
        "Have calls wait their turn: per-minute limits, and the rate that the provider takes",
        {"parse": _boolean, "allowed": "`true` or `false`", "shown": "`false`"},
        default=False,
    )
    pace_user_per_minute: int = _setting(
        "With `pacing`: calls a minute of each user; `0` for any number",
        {"parse": _count, "allowed": "a whole number, 0 or more"},
        default=30,
    )
    pace_global_per_minute: int = _setting(
        "With `pacing`: calls a minute of all users; `0` for any number",
        {"parse": _count, "allowed": "a whole number, 0 or more"},
        default=10_000,
    )
    pace_adaptive: bool = _setting(
        "With `pacing`: find the rate that each provider and model takes, and make the attempts that SDKs would make",
        {"parse": _boolean, "allowed": "`true` or `false`", "shown": "`true`"},
        default=True,
    )
    pace_max_wait_s: float = _setting(
        "With `pacing`: seconds that a call waits for its turn at the most, all attempts together",
        {"parse": _seconds, "allowed": "a number of seconds, 0 or more"},
        default=30.0,
    )


def shown_setting(settings: Settings, name: str) -> str:
    """The value of a setting for people to read, without the password in it."""
    value = str(getattr(settings, name))
    if name == "redis_url":
        parts = urlsplit(value)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    return value


def environment_name(name: str) -> str:
    """``content_max_chars`` -> ``VIGILO_CONTENT_MAX_CHARS``."""
    return f"VIGILO_{name.upper()}"


def load_settings(environ: Mapping[str, str] | None = None, working_directory: Path | None = None) -> Settings:
    """Reads the settings: ``VIGILO_*`` variables win over ``vigilo.toml``, which wins over defaults.

    Args:
        environ: the environment; the process's own by default.
        working_directory: where ``vigilo.toml`` is looked for unless ``VIGILO_CONFIG`` names a file.

    Raises:
        ConfigError: a name is unknown or a value not allowed; names the key, the value and what is allowed.
    """
    return Settings(**{name: value for name, (value, _) in _chosen(environ, working_directory).items()})


def setting_sources(environ: Mapping[str, str] | None = None, working_directory: Path | None = None) -> dict[str, str]:
    """Where the value of each setting comes from: a variable, the path of the file, or ``default``.

    Raises:
        ConfigError: as :func:`load_settings`.
    """
    chosen = _chosen(environ, working_directory)
    return {spec.name: chosen[spec.name][1] if spec.name in chosen else "default" for spec in fields(Settings)}


def _chosen(environ: Mapping[str, str] | None, working_directory: Path | None) -> dict[str, tuple[Any, str]]:
    """Value and source of each setting that the user chose."""
    environ = os.environ if environ is None else environ
    known = {spec.name: spec for spec in fields(Settings)}
    chosen: dict[str, tuple[Any, str]] = {}
    if mode := _CAPTURE_MODES.get(environ.get(CAPTURE_CONTENT, "").strip().upper()):
        chosen[mode[0]] = (mode[1], CAPTURE_CONTENT)
    if (emit := environ.get(EMIT_EVENT, "").strip().lower()) in ("true", "false"):
        chosen["operation_events"] = ("on" if emit == "true" else "off", EMIT_EVENT)
    if hook := environ.get(COMPLETION_HOOK, "").strip():
        chosen["completion_hook"] = (hook, COMPLETION_HOOK)
    path, table = _read_file(environ, working_directory or Path.cwd())
    for key, value in table.items():
        if key in SECTIONS:
            _section(key, path, value)
            continue
        if key not in known:
            raise ConfigError(f"{path}: unknown key `{key}`; allowed are {_names([*known, *SECTIONS])}")
        chosen[key] = (_parsed(known[key], value, f"{path}: `{key}`"), str(path))
    for variable, text in environ.items():
        if not variable.startswith("VIGILO_") or variable in OTHER_VARIABLES:
            continue
        key = variable.removeprefix("VIGILO_").lower()
        if key not in known:
            allowed = _names([*map(environment_name, known), *OTHER_VARIABLES])
            raise ConfigError(f"unknown variable `{variable}`; allowed are {allowed}")
        chosen[key] = (_parsed(known[key], text, f"`{variable}`"), variable)
    return chosen


def load_section(name: str, environ: Mapping[str, str] | None = None, working_directory: Path | None = None) -> Any:
    """What a table of ``vigilo.toml`` says, read by its class in :data:`SECTIONS`; None where there is no such table.

    Raises:
        ConfigError: the file or the table is wrong; names the key, the value and what is allowed.
    """
    environ = os.environ if environ is None else environ
    path, table = _read_file(environ, working_directory or Path.cwd())
    return _section(name, path, table[name]) if name in table else None


def _section(name: str, path: Path, table: object) -> Any:
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: `{name}` is {table!r}; it is a table, `[{name}]`")
    module, _, reader = SECTIONS[name].partition(":")
    # Read by the policy that it is for, and only where there is such a table.
    return getattr(import_module(module), reader).parse(path, table)


@cache
def app_settings() -> Settings:
    """The settings as the instrumented app gets them: a wrong one never raises here.

    It is logged, and content is kept out of telemetry altogether, since the wrong setting may have been the one that
    protects it. The home stays the one that was chosen, so that data does not turn up elsewhere.
    """
    try:
        settings = load_settings()
        if settings.content == "full":
            _warn_of_full_content()
        return settings
    except ConfigError as error:
        import logging

        logging.getLogger("vigilo").error("vigilo: %s. Running with defaults and without message content.", error)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, the app goes on
        report_internal("reading the settings", error)
    home = os.environ.get("VIGILO_HOME")
    return Settings(home=_path(home) if home else default_home(), content="off")


def _warn_of_full_content() -> None:
    import logging

    logging.getLogger("vigilo").warning(
        "vigilo: `content` is `full`: messages leave this process unmasked, with all personal data and secrets in "
        'them. `VIGILO_CONTENT=masked`, the default, masks them; `content = "masked"` in %s does too.',
        CONFIG_FILE_NAME,
    )


def settings_table() -> str:
    """The settings as a Markdown table, for the docs."""
    rows = ["| `vigilo.toml` | variable | default | allowed | what it does |", "|---|---|---|---|---|"]
    for spec in fields(Settings):
        shown = spec.metadata.get("shown") or f"`{spec.default}`"
        rows.append(
            f"| `{spec.name}` | `{environment_name(spec.name)}` | {shown} | {spec.metadata['allowed']} "
            f"| {spec.metadata['doc']} |"
        )
    rows += [f"| | `{variable}` | | | {doc} |" for variable, doc in OTHER_VARIABLES.items()]
    return "\n".join(rows) + "\n"


def config_file(environ: Mapping[str, str] | None = None, working_directory: Path | None = None) -> Path:
    """Where the settings file is, or would be."""
    named = (os.environ if environ is None else environ).get("VIGILO_CONFIG")
    return Path(named).expanduser() if named else (working_directory or Path.cwd()) / CONFIG_FILE_NAME


def _read_file(environ: Mapping[str, str], working_directory: Path) -> tuple[Path, dict[str, Any]]:
    path = config_file(environ, working_directory)
    if not path.is_file():
        if environ.get("VIGILO_CONFIG"):
            raise ConfigError(f"`VIGILO_CONFIG` names {path}, which is not a file")
        return path, {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return path, tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _parsed(spec: Field[Any], value: object, where: str) -> Any:
    try:
        return spec.metadata["parse"](value)
    except ValueError:
        given = "wrong" if spec.metadata.get("secret") else repr(value)
        raise ConfigError(f"{where} is {given}; allowed is {spec.metadata['allowed']}") from None


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
