"""``vigilo quota``: sets, shows and takes back what may be used, for all processes that share the state."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vigilo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vigilo.policy.quota.admin import Admin

quota = typer.Typer(no_args_is_help=True, help="Who may use how much; running apps obey within a second.")

TIMEOUT_MS: Final = 2000
"""How long a command waits for an answer of the shared state, at the least."""

_User = Annotated[str | None, typer.Option(help="The app's id, or the pseudonym in telemetry; * for each user.")]
_Tenant = Annotated[str | None, typer.Option(help="Whose user it is, as in track(tenant=...).")]
_Conversation = Annotated[str | None, typer.Option(help="Of one conversation; * for each.")]
_Session = Annotated[str | None, typer.Option(help="Of one session; * for each.")]
_Operation = Annotated[str | None, typer.Option(help="As in track(operation=...); * for each.")]
_Tag = Annotated[str | None, typer.Option(help="key=value, as in track(tags=...); * for each tag.")]
_Model = Annotated[str | None, typer.Option(help="As the app asks for it; * for each.")]
_Provider = Annotated[str | None, typer.Option(help="Such as openai, anthropic, gcp.gemini; * for each.")]
_Service = Annotated[str | None, typer.Option(help="The app's service.name; * for each.")]
_Format = Annotated[str, typer.Option("--format", help="text or json.")]
_Home = Annotated[Path | None, typer.Option(help="Folder of the state, instead of the one in the settings.")]
_Metric = Annotated[str, typer.Option(help="requests, tokens, input_tokens, output_tokens or usd.")]
_Window = Annotated[str, typer.Option(help="minute, hour, day, week, month or total.")]


@quota.command("set")
def set_rule(
    metric: _Metric,
    limit: Annotated[str, typer.Option(help="Calls, tokens or US dollars; 0 lets nothing through.")],
    window: _Window = "day",
    mode: Annotated[
        str, typer.Option(help="observe counts, warn also logs that the limit is passed, block refuses.")
    ] = "observe",
    time_zone: Annotated[str, typer.Option(help="Whose midnight begins a day, a week, a month.")] = "UTC",
    threshold: Annotated[
        list[float] | None, typer.Option(help="Share of the limit to tell of, 0.8 and 0.95 by default; repeatable.")
    ] = None,
    user: _User = None,
    tenant: _Tenant = None,
    conversation: _Conversation = None,
    session: _Session = None,
    operation: _Operation = None,
    tag: _Tag = None,
    model: _Model = None,
    provider: _Provider = None,
    service: _Service = None,
    output_format: _Format = "text",
    home: _Home = None,
) -> None:
    """Sets a rule, in place of the one about the same calls, metric and window."""
    scope = _scope(user, tenant, conversation, session, operation, tag, model, provider, service)
    given: dict[str, Any] = {"metric": metric, "limit": limit, "window": window, "mode": mode, "time_zone": time_zone}
    if threshold:
        given["thresholds"] = threshold
    with _asked(output_format):
        name = _admin(home).set(scope, **given)
    _tell(output_format, {"rule": name}, f"set: {name}")


@quota.command()
def show(
    user: _User = None,
    tenant: _Tenant = None,
    conversation: _Conversation = None,
    session: _Session = None,
    operation: _Operation = None,
    tag: _Tag = None,
    model: _Model = None,
    provider: _Provider = None,
    service: _Service = None,
    output_format: _Format = "text",
    home: _Home = None,
) -> None:
    """How much is used of every rule that a call of this scope counts for; of all that name whom they are about."""
    scope = _scope(user, tenant, conversation, session, operation, tag, model, provider, service)
    with _asked(output_format):
        admin = _admin(home)
        found = admin.status(scope)
        of_each = sum(any(value == "*" for _, value in rule.scope) for rule in admin.rules()) if not scope else 0
    rows = [one._asdict() | {"resets_at": one.resets_at and one.resets_at.isoformat()} for one in found]
    if output_format == "json":
        _tell(output_format, {"quotas": rows}, "")
        return
    from vigilo_exporter.cli.quota_tables import print_quotas

    print_quotas(found)
    if of_each:
        typer.echo(f"{of_each} more count for each value by itself: name one, such as --user")


@quota.command("list")
def list_rules(output_format: _Format = "text", home: _Home = None) -> None:
    """The rules in force: those that were set, those of vigilo.toml, those of personal mode."""
    with _asked(output_format):
        found = _admin(home).shown()
    if output_format == "json":
        _tell(output_format, {"rules": [one._asdict() for one in found]}, "")
        return
    from vigilo_exporter.cli.quota_tables import print_rules

    print_rules(found)


@quota.command()
def reset(
    metric: Annotated[str | None, typer.Option(help="Only of this metric.")] = None,
    window: Annotated[str | None, typer.Option(help="Only of this window.")] = None,
    user: _User = None,
    tenant: _Tenant = None,
    conversation: _Conversation = None,
    session: _Session = None,
    operation: _Operation = None,
    tag: _Tag = None,
    model: _Model = None,
    provider: _Provider = None,
    service: _Service = None,
    output_format: _Format = "text",
    home: _Home = None,
) -> None:
    """Sets to 0 what is used now of the rules about exactly this scope; of those about all calls without one."""
    scope = _scope(user, tenant, conversation, session, operation, tag, model, provider, service)
    with _asked(output_format):
        count = _admin(home).reset(scope, metric, window)
    _tell(output_format, {"reset": count}, "1 counter is at 0" if count == 1 else f"{count} counters are at 0")


@quota.command()
def remove(
    name: Annotated[str | None, typer.Argument(help="As `vigilo quota list` has it, or say whom it is about.")] = None,
    metric: Annotated[str | None, typer.Option(help="What the rule counts.")] = None,
    window: _Window = "day",
    user: _User = None,
    tenant: _Tenant = None,
    conversation: _Conversation = None,
    session: _Session = None,
    operation: _Operation = None,
    tag: _Tag = None,
    model: _Model = None,
    provider: _Provider = None,
    service: _Service = None,
    output_format: _Format = "text",
    home: _Home = None,
) -> None:
    """Takes out a rule that was set; those of vigilo.toml and of personal mode stay."""
    scope = _scope(user, tenant, conversation, session, operation, tag, model, provider, service)
    with _asked(output_format):
        if (name is None) == (metric is None) or (name is not None and scope):
            raise ConfigError("say either the name of a rule, or its --metric, --window and scope")
        admin = _admin(home)
        removed = admin.remove(name) if name is not None else admin.remove_about(metric or "", window, scope)
    if not removed:
        raise ConfigError("no such rule was set; `vigilo quota list` shows those that were, of the source `state`")
    _tell(output_format, {"removed": True}, "removed")


def _scope(*values: str | None) -> dict[str, str]:
    names = ("user", "tenant", "conversation", "session", "operation", "tag", "model", "provider", "service")
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _admin(home: Path | None) -> Admin:
    from vigilo.policy.quota.admin import Admin
    from vigilo.settings import load_settings

    settings = load_settings()
    # People have more time than calls have.
    settings = replace(settings, state_timeout_ms=max(settings.state_timeout_ms, TIMEOUT_MS))
    return Admin(settings if home is None else replace(settings, home=home.expanduser().absolute()))


@contextmanager
def _asked(output_format: str) -> Iterator[None]:
    """Wrong values end the command like wrong settings do."""
    if output_format not in ("text", "json"):
        raise ConfigError(f"--format is {output_format!r}; allowed is text, json")
    try:
        yield
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _tell(output_format: str, document: dict[str, Any], text: str) -> None:
    sys.stdout.write((json.dumps(document, indent=2) if output_format == "json" else text) + "\n")
