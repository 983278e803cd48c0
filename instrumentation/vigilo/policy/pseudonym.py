"""Keyed pseudonyms of user ids: the same user always looks the same, and nobody without the key can tell who it is.

A plain hash would not do: ids are often e-mail addresses, and those can be guessed and hashed by the million.

Keys are kept in a file, newest first, one a line: the first key as 64 hex digits, and those that took its place since
as ``number:64 hex digits``. The number stands in the pseudonyms made with the key, so that one can tell with which.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from vigilo.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

KEY_FILE_NAME = "user_id.key"
KEY_VARIABLE = "VIGILO_USER_ID_KEY"
KEY_BYTES = 32
_PSEUDONYM_HEX_DIGITS = 24
_PSEUDONYM = re.compile(rf"(?:u_(?:[1-9][0-9]{{0,5}}_)?|anon-)[0-9a-f]{{{_PSEUDONYM_HEX_DIGITS}}}")
_ENTRY = re.compile(rf"(?:([1-9][0-9]{{0,5}}):)?([0-9a-fA-F]{{{2 * KEY_BYTES}}})")

_log = logging.getLogger("vigilo")


class Key(NamedTuple):
    """A key for pseudonyms; ``number`` is empty for the first one, ``2`` and up for those that followed."""

    secret: bytes
    number: str = ""


_process_key = Key(os.urandom(KEY_BYTES))


def user_pseudonym(user_id: str, key: Key, tenant: str = "") -> str:
    """``u_`` and 24 hex digits of HMAC-SHA256: 96 bits, so that two users never share a pseudonym.

    A later key's number stands between them: ``u_2_...``. The same id in two tenants has two pseudonyms.
    """
    told = user_id.encode("utf-8", "surrogatepass")
    if tenant:
        # With its length, so that no tenant and id together read as another two. No user id begins like this.
        named = tenant.encode("utf-8", "surrogatepass")
        told = b"tenant\0%d\0%b%b" % (len(named), named, told)
    digest = hmac.digest(key.secret, told, "sha256").hex()[:_PSEUDONYM_HEX_DIGITS]
    return f"u_{key.number}_{digest}" if key.number else f"u_{digest}"


def client_pseudonym(address: str, user_agent: str, key: Key) -> str:
    """``anon-`` and 24 hex digits of HMAC-SHA256 for a client that nobody named: the same for the same two strings."""
    told = f"client\0{address}\0{user_agent}"  # no user id begins like this, so the two kinds never meet
    digest = hmac.digest(key.secret, told.encode("utf-8", "surrogatepass"), "sha256")
    return f"anon-{digest.hex()[:_PSEUDONYM_HEX_DIGITS]}"


def is_pseudonym(text: str) -> bool:
    """Whether a text has the form of a pseudonym, of a user or of a client."""
    return _PSEUDONYM.fullmatch(text) is not None


def pseudonyms(user_id: str, home: Path, tenant: str = "") -> list[str]:
    """All pseudonyms that a user has had, the present one first: one for each key that is kept."""
    return [user_pseudonym(user_id, key, tenant) for key in load_keys(home)]


def load_key(home: Path) -> Key:
    """The key in use, the newest of :func:`load_keys`."""
    return load_keys(home)[0]


@cache
def load_keys(home: Path) -> tuple[Key, ...]:
    """The keys in ``VIGILO_USER_ID_KEY`` or else in ``home/user_id.key``, newest first.

    The file is made on first use and readable by its owner only; processes that race for the first use get the same
    key. Where there are no keys to be had, this process gets a random one of its own, with a warning: pseudonyms then
    change with every start, but never become guessable.
    """
    if listed := os.environ.get(KEY_VARIABLE, "").strip():
        keys = _parsed(listed.replace(",", "\n"))
        return keys or _own_key(f"`{KEY_VARIABLE}`", "it does not hold 64 hex digits, or several such, newest first")
    path = home / KEY_FILE_NAME
    try:
        if not path.exists():
            _create(path, secrets.token_hex(KEY_BYTES))
        keys = _parsed(path.read_text("ascii"))
        if keys:
            return keys
        reason = f"it does not hold {KEY_BYTES * 2} hex digits a line"
    except (OSError, ValueError) as error:
        reason = type(error).__name__
    return _own_key(str(path), f"{reason}; make the file readable, or delete it so that it is made anew")


def rotate_key(home: Path) -> Key:
    """Puts a new key into ``home/user_id.key``; the older ones stay, so that :func:`pseudonyms` knows those of old.

    Processes that run, this one too, keep the key that they began with. For one caller at a time.

    Raises:
        ConfigError: the file is not as it should be, or the keys are in ``VIGILO_USER_ID_KEY``.
    """
    if os.environ.get(KEY_VARIABLE, "").strip():
        raise ConfigError(f"the keys are in `{KEY_VARIABLE}`: put a new one before them, `2:` and 64 hex digits")
    path = home / KEY_FILE_NAME
    try:
        if not path.exists():
            _create(path, secrets.token_hex(KEY_BYTES))
        kept = path.read_text("ascii").strip()
        keys = _parsed(kept)
        if not keys:
            raise ConfigError(f"{path} does not hold {KEY_BYTES * 2} hex digits a line; restore it, or delete it")
        key = Key(secrets.token_bytes(KEY_BYTES), str(max(int(key.number or 1) for key in keys) + 1))
        draft = _draft(path, f"{key.number}:{key.secret.hex()}\n{kept}")
        os.replace(draft, path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read or written: {type(error).__name__}") from None
    return key


def _parsed(text: str) -> tuple[Key, ...]:
    """The keys of a list, one a line; none where one of them is not a key."""
    keys = []
    for line in text.split():
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            return ()
        keys.append(Key(bytes.fromhex(entry[2]), entry[1] or ""))
    return tuple(keys)


def _own_key(where: str, reason: str) -> tuple[Key, ...]:
    _log.warning(
        "vigilo: no key for user ids in %s (%s): pseudonyms of users last only as long as this process.", where, reason
    )
    return (_process_key,)


def _create(path: Path, text: str) -> None:
    """Makes the key file appear at once and whole: linking never replaces a file that another process made first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, text)
    try:
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        except OSError:
            # Some mounts, Google Drive's among them, know no hard links.
            if not path.exists():
                os.rename(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _draft(path: Path, text: str) -> Path:
    """Writes a new file beside ``path`` that only its owner can read."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    return draft
