"""Keyed pseudonyms of user ids: the same user always looks the same, and nobody without the key can tell who it is.

A plain hash would not do: ids are often e-mail addresses, and those can be guessed and hashed by the million.
"""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KEY_FILE_NAME = "user_id.key"
KEY_BYTES = 32
_PSEUDONYM_HEX_DIGITS = 24

_log = logging.getLogger("vigilo")
_process_key = os.urandom(KEY_BYTES)


def user_pseudonym(user_id: str, key: bytes) -> str:
    """``u_`` and 24 hex digits of HMAC-SHA256: 96 bits, so that two users never share a pseudonym."""
    digest = hmac.digest(key, user_id.encode("utf-8", "surrogatepass"), "sha256")
    return f"u_{digest.hex()[:_PSEUDONYM_HEX_DIGITS]}"


def client_pseudonym(address: str, user_agent: str, key: bytes) -> str:
    """``anon-`` and 24 hex digits of HMAC-SHA256 for a client that nobody named: the same for the same two strings."""
    told = f"client\0{address}\0{user_agent}"  # no user id begins like this, so the two kinds never meet
    digest = hmac.digest(key, told.encode("utf-8", "surrogatepass"), "sha256")
    return f"anon-{digest.hex()[:_PSEUDONYM_HEX_DIGITS]}"


@cache
def load_key(home: Path) -> bytes:
    """The key in ``home/user_id.key``, made on first use and readable by its owner only.

    Processes that race for the first use get the same key. Where it can neither be read nor made, this process gets a
    random key of its own, with a warning: pseudonyms then change with every start, but never become guessable.
    """
    path = home / KEY_FILE_NAME
    try:
        if not path.exists():
            _create(path)
        key = bytes.fromhex(path.read_text("ascii"))
        if len(key) == KEY_BYTES:
            return key
        reason = f"it does not hold {KEY_BYTES * 2} hex digits"
    except (OSError, ValueError) as error:
        reason = type(error).__name__
    _log.warning(
        "vigilo: no key for user ids in %s (%s): pseudonyms of users last only as long as this process. "
        "Make the file readable, or delete it so that it is made anew.",
        path,
        reason,
    )
    return _process_key


def _create(path: Path) -> None:
    """Makes the key file appear at once and whole: linking never replaces a file that another process made first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        _write_new(draft)
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


def _write_new(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secrets.token_hex(KEY_BYTES)}\n")
        file.flush()
        os.fsync(file.fileno())
