"""What the value of a setting may be: each function gives the value, from text or TOML, or raises ValueError."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit


def path(value: object) -> Path:
    """A path, absolute, ``~`` expanded."""
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError
    return Path(value).expanduser().absolute()


def positive(value: object) -> int:
    """A whole number, 1 or more."""
    number = int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError
    return number


def count(value: object) -> int:
    """A whole number, 0 or more."""
    number = int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError
    return number


def days(value: object) -> int:
    """A number of days, or -1 for ever."""
    number = int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or (number < 1 and number != -1):
        raise ValueError
    return number


def port(value: object) -> int:
    """A TCP port."""
    number = positive(value)
    if number > 65_535:
        raise ValueError
    return number


def seconds(value: object) -> float:
    """A number of seconds, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError
    seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError
    return seconds


def name(value: object) -> str:
    """A text, without space around it."""
    if not isinstance(value, str):
        raise ValueError
    return value.strip()


def redis_url(value: object) -> str:
    """The URL of a Redis, or nothing."""
    url = name(value)
    parts = urlsplit(url)
    is_path = parts.scheme == "unix" and parts.path
    # A port that is none raises ValueError, as where a password has a slash in it.
    has_host = parts.scheme in ("redis", "rediss") and parts.port != 0
    database = parts.path.removeprefix("/")
    if url and not is_path and not (has_host and (not database or database.isdecimal())):
        raise ValueError
    return url


def clickhouse_urls(value: object) -> str:
    """Endpoints separated by commas, each without a path; a password in one has its slash and comma as %2F and %2C."""
    urls = [url.strip().rstrip("/") for url in name(value).split(",")] if name(value) else []
    for url in urls:
        parts = urlsplit(url)
        plain = not (parts.path or parts.query or parts.fragment)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or not plain:
            raise ValueError
    return ",".join(urls)


def identifier(value: object) -> str:
    """A name that SQL needs no quotes for."""
    text = name(value)
    if not text.isidentifier() or not text.isascii():
        raise ValueError
    return text


def cluster(value: object) -> str:
    """A name that can stand between backticks."""
    text = name(value)
    if any(character in text for character in "`'\"\\\n"):
        raise ValueError
    return text


def namespace(value: object) -> str:
    """A name without braces, which is the hash tag of keys."""
    text = name(value)
    if not text or "{" in text or "}" in text:
        raise ValueError
    return text


def boolean(value: object) -> bool:
    """True or false, also as a word."""
    known = {"true": True, "false": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    if not isinstance(value, bool):
        raise ValueError
    return value
