"""What redis-py makes of a URL, and what is wrong with one: never in its own words, for the sake of the password."""

from __future__ import annotations

import inspect
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from vigilo.errors import ConfigError

OPTIONS: Final = ("db", "username", "password", "client_name", "cluster", "protocol")
"""Allowed behind the ``?``, beside those that begin with ``ssl_``."""


def connection_options(url: str, module: Any) -> tuple[Any, dict[str, Any]]:
    """The class of redis-py's connections for a URL, and what it is made with.

    Raises:
        ConfigError: the URL is wrong; what it says is not in the message, as there may be a password in it.
    """
    try:
        for name in parse_qs(urlsplit(url).query):
            if name not in OPTIONS and not name.startswith("ssl_"):
                raise ConfigError(
                    f"`redis_url` has an unknown option `{name[:32]}`; allowed are {', '.join(OPTIONS)} and ssl_*"
                )
        options = module.parse_url(url)
    except ValueError:
        raise ConfigError("`redis_url` is no URL of a Redis: redis://[user:password@]host[:port][/database]") from None
    kind = options.pop("connection_class", module.Connection)
    options.pop("cluster", None)  # a cluster is known when it is seen
    # No questions besides ours when a connection is opened.
    known = inspect.signature(module.AbstractConnection.__init__).parameters
    options.update({"driver_info": None} if "driver_info" in known else {"lib_name": None, "lib_version": None})
    options.update(protocol=2, decode_responses=False)
    try:
        kind(**options)
    except Exception as error:  # noqa: BLE001 - redis-py raises what it likes to, and quotes what it likes to
        raise ConfigError(f"`redis_url` has an option that redis-py does not take ({type(error).__name__})") from None
    return kind, options
