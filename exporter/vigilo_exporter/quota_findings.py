"""What ``vigilo doctor`` tells of quotas: the shared state, and how many rules hold."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from vigilo.errors import ConfigError, VigiloError

if TYPE_CHECKING:
    from vigilo.settings import Settings

_WITHOUT_STATE: Final = {
    "local": "each process grants a tenth of what was left",
    "open": "calls pass without limits",
    "closed": "calls with a quota are refused",
}


def quota_findings(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, state and detail of each; makes no file."""
    from vigilo.policy.quota.admin import Admin
    from vigilo.state import STATE_FILE, exists

    meanwhile = f"meanwhile {_WITHOUT_STATE[settings.on_store_error]} (`on_store_error`)"
    try:
        sources = Counter(rule.source for rule in Admin(settings).rules())
    except ConfigError:
        return []  # told with the settings
    except VigiloError as error:
        return [("shared state", "broken", f"{error}; {meanwhile}")]
    if settings.redis_url:
        where = f"Redis answers, namespace {settings.state_namespace}"
    elif exists(settings):
        where = f"SQLite, {settings.home / STATE_FILE}"
    else:
        where = "none yet: it is made with the first rule"
    told = ", ".join(f"{count} of {_SOURCES.get(source, source)}" for source, count in sources.items())
    rules = ("rules", "ok", told) if sources else ("rules", "off", "none: nothing is limited; vigilo quota set")
    return [("shared state", "ok", where), rules]


_SOURCES: Final = {"state": "the shared state", "personal": "personal mode"}
