"""The settings of vigilo: one frozen value, read once from ``VIGILO_*`` variables over ``vigilo.toml`` over defaults.

The table of settings in ``docs/configuration.md`` is made from the fields below.
"""

from __future__ import annotations

import os
from dataclasses import Field, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vigilo import setting_values
from vigilo.errors import ConfigError, report_internal
from vigilo.settings_file import CONFIG_FILE_NAME, SECTIONS, read_file, read_section

if TYPE_CHECKING:
    from collections.abc import Mapping

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
OTHER_VARIABLES = {
    "VIGILO_USER_ID_KEY": "key of the pseudonyms of users, 64 hex digits, where many machines share one; several "
    "separated by commas, newest first; without it the key is in `user_id.key` in `home`",
    "VIGILO_CONFIG": "path of the settings file, instead of `vigilo.toml` in the working directory",
    CAPTURE_CONTENT: 'OpenTelemetry\'s own: `NO_CONTENT` is `content = "off"`; `SPAN_ONLY`, `EVENT_ONLY` and '
    "`SPAN_AND_EVENT` are `content_on`; vigilo's settings win",
    EMIT_EVENT: 'OpenTelemetry\'s own: `true` is `operation_events = "on"`, `false` is `"off"`; vigilo\'s setting wins',
    COMPLETION_HOOK: "OpenTelemetry's own: `completion_hook`; vigilo's setting wins",
    "VIGILO_PLATFORM_ROOT": "folder in place of `/` for the files of the platform, such as `/content`; for tests",
    "VIGILO_RAISE_INTERNAL": "`1` raises vigilo's internal errors instead of logging them; for its own tests",
}


def default_home() -> Path:
    """The platform's folder for user data: ``~/.local/share/vigilo`` on Linux."""
    from platformdirs import user_data_path

    return user_data_path("vigilo", appauthor=False)


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
        {"parse": setting_values.path, "allowed": "a path", "shown": "the platform's user data folder"},
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
        {"parse": setting_values.name, "allowed": "a name", "shown": "none"},
        default="",
    )
    content_max_chars: int = _setting(
        "Characters kept of each text in a message",
        {"parse": setting_values.positive, "allowed": "a whole number, 1 or more"},
        default=1000,
    )
    user_ids: str = _setting(
        "User ids in telemetry: a keyed pseudonym (the key stays in `home`) or as given",
        _one_of("pseudonym", "plain"),
        default="pseudonym",
    )
    mask_other_telemetry: bool = _setting(
        "Mask the spans, logs, metrics and baggage of other instrumentors as well, in front of every exporter",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`true`"},
        default=True,
    )
    tenant: str = _setting(
        "Whose users they are, where `track(tenant=...)` does not say: an id has another pseudonym in each tenant",
        {"parse": setting_values.name, "allowed": "a name", "shown": "none"},
        default="",
    )
    placeholders: str = _setting(
        "Tags of masked values: `[EMAIL]`, or `[EMAIL_1]` and `[EMAIL_2]`, which tell two apart within a conversation",
        _one_of("plain", "numbered"),
        default="plain",
    )
    trust_forwarded_for: bool = _setting(
        "Take the client's address from the first entry of `X-Forwarded-For`; only behind a proxy that sets it",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`false`"},
        default=False,
    )
    stream_usage: bool = _setting(
        "Have OpenAI count the tokens of streams whose caller did not ask; the extra chunk is hidden from the app",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`true`"},
        default=True,
    )
    stream_idle_s: float = _setting(
        "Seconds after which a stream that is kept but not read has its span ended; `0` never",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=600.0,
    )
    price_age_days: int = _setting(
        "Age in days from which on the price table is logged as old, as an error from 120 on; `0` never",
        {"parse": setting_values.count, "allowed": "a whole number, 0 or more"},
        default=45,
    )
    personal: bool = _setting(
        "Personal mode: every user has 10,000 tokens and 100 requests a day, told at 80 % and blocked at the limit",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`false`"},
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
            "parse": setting_values.redis_url,
            "allowed": "`redis://[user:password@]host[:port][/database]`, `rediss://` for TLS, `unix://` and a path",
            "shown": "SQLite in `home`",
            "secret": True,
        },
        default="",
        repr=False,
    )
    state_namespace: str = _setting(
        "Who shares quotas: processes with the same name in the same Redis; it is also the hash tag of the keys",
        {"parse": setting_values.namespace, "allowed": "a name without braces"},
        default="vigilo",
    )
    state_timeout_ms: int = _setting(
        "Milliseconds that a call waits for the shared state at the most",
        {"parse": setting_values.positive, "allowed": "a whole number, 1 or more"},
        default=50,
    )
    pacing: bool = _setting(
        "Have calls wait their turn: per-minute limits, and the rate that the provider takes",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`false`"},
        default=False,
    )
    pace_user_per_minute: int = _setting(
        "With `pacing`: calls a minute of each user; `0` for any number",
        {"parse": setting_values.count, "allowed": "a whole number, 0 or more"},
        default=30,
    )
    pace_global_per_minute: int = _setting(
        "With `pacing`: calls a minute of all users; `0` for any number",
        {"parse": setting_values.count, "allowed": "a whole number, 0 or more"},
        default=10_000,
    )
    pace_adaptive: bool = _setting(
        "With `pacing`: find the rate that each provider and model takes, and make the attempts that SDKs would make",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`true`"},
        default=True,
    )
    pace_max_wait_s: float = _setting(
        "With `pacing`: seconds that a call waits for its turn at the most, all attempts together",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=30.0,
    )
    clickhouse_url: str = _setting(
        "ClickHouse server that telemetry is sent to, over HTTP; several endpoints of one store separated by commas",
        {
            "parse": setting_values.clickhouse_urls,
            "allowed": "`http://[user:password@]host[:port]`, `https://` for TLS, separated by commas",
            "shown": "embedded, in `home`",
            "secret": True,
        },
        default="",
        repr=False,
    )
    clickhouse_user: str = _setting(
        "User at the ClickHouse server, where `clickhouse_url` names none",
        {"parse": setting_values.name, "allowed": "a name", "shown": "the server's `default`"},
        default="",
    )
    clickhouse_password: str = _setting(
        "Password of that user",
        {"parse": setting_values.name, "allowed": "a text", "shown": "none", "secret": True},
        default="",
        repr=False,
    )
    clickhouse_token: str = _setting(
        "Bearer token in place of user and password, as ClickHouse Cloud takes",
        {"parse": setting_values.name, "allowed": "a text", "shown": "none", "secret": True},
        default="",
        repr=False,
    )
    clickhouse_database: str = _setting(
        "Database of the tables at the ClickHouse server",
        {"parse": setting_values.identifier, "allowed": "a name of letters, digits and underscores"},
        default="otel",
    )
    clickhouse_cluster: str = _setting(
        "Cluster of the ClickHouse server: tables are made on all of it, replicated, with Distributed tables over them",
        {"parse": setting_values.cluster, "allowed": "a name", "shown": "none"},
        default="",
    )
    create_schema: str = _setting(
        "Make the tables at a ClickHouse server that has none of them: by the first app that sends, or by "
        "`vigilo migrate` only. Tables that are there are changed by `vigilo migrate` only",
        _one_of("auto", "off"),
        default="auto",
    )
    spool_max_bytes: int = _setting(
        "Bytes of telemetry that wait in the spool at the most; beyond, the oldest is dropped and counted",
        {"parse": setting_values.positive, "allowed": "a whole number, 1 or more"},
        default=2_000_000_000,
    )
    spool_max_age_days: int = _setting(
        "Days that telemetry waits in the spool at the most; older is dropped and counted; `-1` for ever",
        {"parse": setting_values.days, "allowed": "a whole number, 1 or more, or -1"},
        default=30,
    )
    spool_fsync: bool = _setting(
        "Force each batch onto the disk before it counts as exported: a power cut then loses nothing",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`false`"},
        default=False,
    )
    flush_timeout_s: float = _setting(
        "Seconds that an app that ends waits for the ClickHouse server to take the rest; it stays in the spool then",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=5.0,
    )
    retention_days: int | None = _setting(
        "Days that telemetry is kept; `-1` for ever",
        {
            "parse": setting_values.days,
            "allowed": "a whole number, 1 or more, or -1",
            "shown": "`30`, with `personal` `7`",
        },
        default=None,
    )
    content_retention_days: int = _setting(
        "Days that the text of messages is kept, where that is less than `retention_days`; `-1` as long as those",
        {"parse": setting_values.days, "allowed": "a whole number, 1 or more, or -1"},
        default=7,
    )
    serve_host: str = _setting(
        "Address that `vigilo serve` listens on; beyond loopback it needs `serve_token`",
        {"parse": setting_values.name, "allowed": "an address"},
        default="127.0.0.1",
    )
    serve_port: int = _setting(
        "Port that `vigilo serve` listens on",
        {"parse": setting_values.port, "allowed": "a port, 1 to 65535"},
        default=8123,
    )
    serve_token: str = _setting(
        "Password that readers give to `vigilo serve`",
        {"parse": setting_values.name, "allowed": "a text", "shown": "none, on loopback", "secret": True},
        default="",
        repr=False,
    )
    host_metrics: str = _setting(
        "Metrics of the host and the process: `auto` leaves to opentelemetry-instrumentation-system-metrics what it "
        "tells, `own` tells all of them",
        _one_of("auto", "own", "off"),
        default="auto",
    )
    gpu_processes: bool = _setting(
        "Tell the GPU memory of each process; the driver takes milliseconds for it, so at most twice a minute",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`false`"},
        default=False,
    )
    peak_interval_s: float = _setting(
        "Seconds between looks at memory and utilization, from which peaks between two exports and the forecast come; "
        "`0` for none",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=1.0,
    )
    oom_forecast: bool = _setting(
        "Forecast when GPU and host memory run out, and tell it in time",
        {"parse": setting_values.boolean, "allowed": "`true` or `false`", "shown": "`true`"},
        default=True,
    )
    oom_horizon_s: float = _setting(
        "Seconds before memory runs out from which on it is warned of",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=300.0,
    )
    platform: str = _setting(
        "Where the app runs, in place of what is found out",
        _one_of("auto", "colab", "kaggle", "local"),
        default="auto",
    )
    session_limit_s: float = _setting(
        "Seconds that a notebook session may last; `0`: what is known of the platform",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=0.0,
    )
    idle_limit_s: float = _setting(
        "Seconds without a running cell after which the platform may end the session; `0`: what is known of it",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=0.0,
    )
    accelerator_quota_s: float = _setting(
        "Seconds of accelerator a week; `0`: what the platform says, or what is known of it",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=0.0,
    )
    output_limit_bytes: int = _setting(
        "Bytes that the platform keeps of a session's output; `0`: what is known of it",
        {"parse": setting_values.count, "allowed": "a whole number, 0 or more"},
        default=0,
    )
    checkpoint_dir: Path | None = _setting(
        "Folder of checkpoints",
        {
            "parse": setting_values.path,
            "allowed": "a path",
            "shown": "`/kaggle/working/checkpoints`, Google Drive where it is mounted, else `checkpoints` in `home`",
        },
        default=None,
    )
    checkpoint_every_s: float = _setting(
        "Seconds between checkpoints that are made by themselves; `0` for none",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=900.0,
    )
    checkpoint_keep: int = _setting(
        "Checkpoints that are kept, newest first; of as many earlier runs the last one stays as well",
        {"parse": setting_values.positive, "allowed": "a whole number, 1 or more"},
        default=3,
    )
    checkpoint_budget_s: float = _setting(
        "Seconds that a checkpoint may take when the process is told to end",
        {"parse": setting_values.seconds, "allowed": "a number of seconds, 0 or more"},
        default=10.0,
    )

    @property
    def kept_days(self) -> int:
        """Days that telemetry is kept, -1 for ever."""
        return self.retention_days if self.retention_days is not None else 7 if self.personal else 30

    @property
    def content_kept_days(self) -> int:
        """Days that the text of messages is kept, never longer than the rest; -1 for ever."""
        bounds = [days for days in (self.content_retention_days, self.kept_days) if days != -1]
        return min(bounds, default=-1)


def shown_setting(settings: Settings, name: str) -> str:
    """The value of a setting for people to read, without the password in it."""
    if name == "retention_days":
        return str(settings.kept_days)
    value = str(getattr(settings, name))
    if name in ("redis_url", "clickhouse_url"):
        urls = [urlsplit(url) for url in value.split(",")]
        return ",".join(url._replace(netloc=url.netloc.rpartition("@")[2], query="").geturl() for url in urls)
    secret = next(spec.metadata.get("secret") for spec in fields(Settings) if spec.name == name)
    return "set" if secret and value else value


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
    path, table = read_file(environ, working_directory or Path.cwd())
    for key, value in table.items():
        if key in SECTIONS:
            read_section(key, path, value)
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
    return Settings(home=setting_values.path(home) if home else default_home(), content="off")


def _warn_of_full_content() -> None:
    import logging

    logging.getLogger("vigilo").warning(
        "vigilo: `content` is `full`: messages leave this process unmasked, with all personal data and secrets in "
        'them. `VIGILO_CONTENT=masked`, the default, masks them; `content = "masked"` in %s does too.',
        CONFIG_FILE_NAME,
    )


def _parsed(spec: Field[Any], value: object, where: str) -> Any:
    try:
        return spec.metadata["parse"](value)
    except ValueError:
        given = "wrong" if spec.metadata.get("secret") else repr(value)
        raise ConfigError(f"{where} is {given}; allowed is {spec.metadata['allowed']}") from None


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
