"""Who may ask: users and their passwords, and the names that the interface may be addressed by."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vigilo_exporter.clickhouse.protocol.failures import AUTHENTICATION_FAILED, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

WRITER = "vigilo"
READERS = ("default", "reader")


@dataclass(frozen=True, slots=True)
class Access:
    """The users of one interface.

    Args:
        write_token: password of the user ``vigilo``, who may do everything.
        read_token: password of ``default`` and ``reader``; empty lets them in without.
        host: the address that is listened on. On loopback only requests addressed to loopback are answered: a page in
            the user's browser could otherwise read by a name of its own that leads here.
    """

    write_token: str = field(repr=False)
    read_token: str = field(default="", repr=False)
    host: str = "127.0.0.1"

    def may_write(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
        """Whether the request comes from the writer, or from a reader.

        Raises:
            Refused: it is from neither.
        """
        user, password = _credentials(headers, parameters)
        if user in (WRITER, "") and _same(password, self.write_token):
            return True
        if user in ("", *READERS) and (not self.read_token or _same(password, self.read_token)):
            return False
        raise Refused(
            AUTHENTICATION_FAILED,
            f"{user[:50] or 'default'}: Authentication failed: wrong password, or no user with such name",
        )

    def addressed(self, headers: Mapping[str, str]) -> bool:
        """Whether the request was meant for this interface, and not led here by a page in a browser."""
        host = _host_name(headers.get("host", ""))
        if is_loopback(self.host) and not (is_loopback(host) or host == self.host):
            return False
        origin = headers.get("origin")
        return origin is None or _origin_name(origin) == host


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own: ``localhost``, ``127.0.0.1``, ``::1``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _credentials(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str, str]:
    """User and password, from the first place that names one; a token alone comes without a user."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refused(
                AUTHENTICATION_FAILED, "Authentication failed: the Authorization header is not valid"
            ) from None
        return user or "default", password
    if scheme.lower() == "bearer":
        return "", given
    if scheme:
        raise Refused(AUTHENTICATION_FAILED, "Authentication failed: only Basic and Bearer are known")
    return parameters.get("user") or "default", parameters.get("password", "")


def _same(given: str, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def _host_name(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _origin_name(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None
