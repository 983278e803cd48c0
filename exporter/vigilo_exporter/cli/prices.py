"""``vigilo prices``: what is known of a model's price, whether files of prices are right, and newer tables."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from vigilo.errors import ConfigError

if TYPE_CHECKING:
    from vigilo.policy.price_file import PriceFile
    from vigilo.policy.price_update import Changes

prices = typer.Typer(no_args_is_help=True, help="What models cost, by which table, and how old that is.")
_SHOWN_CHANGES = 20
_TIERS = ("batch", "flex", "priority", "fast")


@prices.command()
def show(
    model: Annotated[str, typer.Argument(help="As the app asks for it, or as the provider answers.")],
    provider: Annotated[
        str, typer.Option(help="Such as openai, anthropic, gcp.gemini, aws.bedrock; all that know it by default.")
    ] = "",
    at: Annotated[str, typer.Option(help="Day of the prices, such as 2026-11-01; today by default.")] = "",
) -> None:
    """The rates of a model, where they come from, and its context window."""
    from vigilo.policy.price_words import rate_rows
    from vigilo.policy.pricing import context_window, quote, snapshot

    when = parse_day(at)
    found = 0
    for seller in (provider,) if provider else _PROVIDERS:
        known = quote(seller, model, "standard", when)
        window = context_window(seller, model, when)
        if not known.card.rated and (window is None or not provider):
            continue
        found += 1
        typer.echo(f"{seller}/{model}" + (f" is {known.provider}/{known.name}" if known.name else ""))
        typer.echo(f"  source    {known.card.source}, {known.card.snapshot}")
        for origin, entry in known.entries:
            if origin != "vigilo" or entry.rates:
                typer.echo(f"  entry     {origin}: {entry.match} {entry.model!r} {entry.source}".rstrip())
        for key, unit, steps in rate_rows(known.rates):
            first, *above = steps
            more = "".join(f", ${rate} above {tokens:,} tokens of input" for tokens, rate in above)
            typer.echo(f"  {key:17} ${first[1]} {unit}{more}")
        for tier in _TIERS:
            rates = quote(seller, model, tier, when).rates
            differing = {name: steps for name, steps in rates.items() if steps != known.rates.get(name)}
            if differing:
                told = ", ".join(f"{row.key} ${row.steps[0][1]}" for row in rate_rows(differing))
                typer.echo(f"  {tier:17} {told}")
        if window is not None:
            most = f", at most {window.max_output_tokens:,} out" if window.max_output_tokens else ""
            typer.echo(f"  context window    {window.tokens:,} tokens {window.kind}{most} ({window.source})")
    if not found:
        raise ConfigError(
            f"no price is known of {model!r}" + (f" at {provider}" if provider else "") + f" ({snapshot()}). "
            "Name the model that it is in `[prices] aliases` of vigilo.toml, or write its rates in `[[prices.models]]`"
        )


@prices.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="A file of prices, or a vigilo.toml; the one in use by default.")
    ] = None,
) -> None:
    """Whether the user's prices are right, what they are put in place of, and how old the table is."""
    from vigilo.policy.live_prices import OLD_DAYS
    from vigilo.policy.price_update import age_days, read_update
    from vigilo.policy.pricing import price_table, snapshot

    if file is not None and file.suffix.lower() != ".toml":
        update = read_update(file)
        typer.echo(f"{file}: a price table as of {update.prices.day}")  # type: ignore[union-attr]
    else:
        _tell_file(*_file(file))
    table = price_table()
    days = age_days(table)
    typer.echo(f"price table: {snapshot()}, {days} days old")
    if days > OLD_DAYS:
        typer.echo("vigilo: that is old: pip install -U genai-prices, or vigilo prices update --from FILE", err=True)


@prices.command()
def update(
    source: Annotated[
        Path,
        typer.Option("--from", help="The data.json of genai-prices, or a .toml of prices. Nothing is fetched."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder to keep it in, instead of the one in the settings.")] = None,
) -> None:
    """Keeps newer prices, for apps and the store, from now on."""
    from vigilo.policy.price_update import PriceTable, changes, keep, read_update
    from vigilo.policy.pricing import price_table
    from vigilo_exporter.cli.report import settings_home

    taken = read_update(source)
    if isinstance(taken.prices, PriceTable):
        current = price_table()
        _tell_changes(changes(current, taken.prices))
        if taken.prices.day < current.day:
            raise ConfigError(
                f"{source} is of {taken.prices.day}, which is older than the table in use ({current.snapshot}); "
                "the newer one of the two would be used"
            )
    else:
        _tell_file(str(source), taken.prices)
    if dry_run:
        typer.echo("nothing was changed")
        return
    typer.echo(f"kept in {keep(taken, settings_home(home))}")


def _file(path: Path | None) -> tuple[str, PriceFile | None]:
    from vigilo.policy.price_file import PriceFile
    from vigilo.settings_file import CONFIG_FILE_NAME, config_file, load_section

    if path is None:
        return str(config_file()), load_section("prices")
    if path.name == CONFIG_FILE_NAME:
        return str(path), load_section("prices", {"VIGILO_CONFIG": str(path)})
    return str(path), PriceFile.read(path)


def _tell_file(where: str, file: PriceFile | None) -> None:
    if file is None:
        typer.echo(f"{where}: no `[prices]`")
        return
    from vigilo.policy.pricing import price_table

    table, now = price_table(), datetime.now(timezone.utc).timestamp()
    typer.echo(f"{where}: {len(file.entries)} models, {len(file.aliases)} aliases; no fault found")
    for alias, target in file.aliases.items():
        typer.echo(f"  alias {alias} is {target}")
    for entry in file.entries:
        keys = ", ".join(sorted({**entry.rates, **entry.factors})) or "its context window"
        named = f"{entry.provider or 'any provider'}: {entry.match} {entry.model!r}"
        over = "new"
        if entry.match == "exact" and entry.provider:
            over = "over genai-prices" if table.listing(entry.provider, entry.model, "", now) else "new"
        elif entry.match != "exact":
            over = "over whatever it matches"
        typer.echo(f"  {named}, {over}: {keys}")


def _tell_changes(told: Changes) -> None:
    from vigilo.policy.price_words import rate_rows

    typer.echo(
        f"{told.models} models: {len(told.new)} new, {len(told.changed)} with other prices, {len(told.gone)} gone"
    )
    for title, names in (("new", told.new), ("gone", told.gone)):
        for name in names[:_SHOWN_CHANGES]:
            typer.echo(f"  {title:5} {name}")
        if len(names) > _SHOWN_CHANGES:
            typer.echo(f"  {title:5} and {len(names) - _SHOWN_CHANGES} more")
    for name, before, after in told.changed[:_SHOWN_CHANGES]:
        old = {row.key: row.steps[0][1] for row in rate_rows(before)}
        new = {row.key: row.steps[0][1] for row in rate_rows(after)}
        differing = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        what = ", ".join(f"{key} {old.get(key, 'none')} -> {new.get(key, 'none')}" for key in differing) or "thresholds"
        typer.echo(f"  price {name}: {what}")
    if len(told.changed) > _SHOWN_CHANGES:
        typer.echo(f"  price and {len(told.changed) - _SHOWN_CHANGES} more")


def parse_day(text: str) -> datetime:
    """Noon of a day, UTC; now for no text.

    Raises:
        ConfigError: it is no day.
    """
    if not text:
        return datetime.now(timezone.utc)
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(hour=12, tzinfo=timezone.utc)
    except ValueError:
        raise ConfigError(f"--at is {text!r}; it is a day such as 2026-11-01") from None


_PROVIDERS = (
    "openai", "anthropic", "gcp.gemini", "aws.bedrock", "azure.ai.openai", "groq", "mistral_ai", "deepseek", "x_ai",
    "cohere", "perplexity", "moonshot_ai", "together", "openrouter",
)  # fmt: skip
