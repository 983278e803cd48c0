"""What a ClickHouse server answers over HTTP: rows, or an error, which may come in the middle of rows."""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING, Any

import zstandard

from vigilo_exporter.clickhouse.database import ClickHouseError

if TYPE_CHECKING:
    from email.message import Message

EXCEPTION_CODE = "X-ClickHouse-Exception-Code"
EXCEPTION_TAG = "X-ClickHouse-Exception-Tag"
SUMMARY = "X-ClickHouse-Summary"
_ERROR = re.compile(
    r"Code: (\d+)\. (?:DB::\w+: )?(.*?)(?:: In scope .*?)?\s*(?:\((\w+)\))?\s*(?:\(version [^)]*\)+)?\s*$", re.DOTALL
)
_LATE_ERROR = re.compile(rb"(?:^|\n|__exception__\r?\n)\S*\s*(Code: \d+\. DB::.*)", re.DOTALL)
_SHOWN = 300
_VIEW = re.compile(r"while pushing to view \S+")
NOT_BEGUN = frozenset({16, 20, 36, 44, 46, 47, 53, 60, 62, 81, 115, 164, 192, 193, 194, 202, 203, 497, 516, 745})
"""Codes of refusals before anything is written: unknown names and settings, rights, too many queries at once."""
_NOT_BEGUN_STATUS = frozenset({400, 401, 403, 404, 405, 411, 413, 414, 429, 431, 503})


class Answer:
    """A whole answer of 200, unpacked.

    Raises:
        ClickHouseError: it is an error after all.
    """

    def __init__(self, endpoint: str, headers: Message, body: bytes) -> None:
        self.body = unpacked(endpoint, headers, body)
        self._headers = headers
        if headers.get(EXCEPTION_CODE) or (b"DB::" in self.body[-32768:]):
            late = _LATE_ERROR.search(self.body, max(0, len(self.body) - 32768))
            tag = headers.get(EXCEPTION_TAG, "").encode()
            told_as_error = headers.get(EXCEPTION_CODE) or (tag and b"__exception__\r\n" + tag in self.body)
            if late and (told_as_error or not _is_row(self.body)):
                # Rows may have been given before, and written for an INSERT.
                raise error_of(endpoint, 200, headers, late[1].partition(b"\r\n")[0], executed=None)

    def rows(self, endpoint: str) -> list[dict[str, Any]]:
        """The answer's lines of JSONEachRow."""
        try:
            return [json.loads(line) for line in self.body.decode().split("\n") if line]
        except ValueError:
            shown = self.body[:80].decode("utf-8", "replace")
            raise ClickHouseError(f"{endpoint} is no ClickHouse: it answers {shown!r}", executed=None) from None

    @property
    def written_rows(self) -> int | None:
        """How many rows the server says it wrote, into views' targets as well; None when it does not say."""
        try:
            return int(json.loads(self._headers.get(SUMMARY, ""))["written_rows"])
        except (ValueError, KeyError, TypeError):
            return None


def unpacked(endpoint: str, headers: Message, body: bytes) -> bytes:
    """The body without its compression.

    Raises:
        ClickHouseError: it is cut off, or packed in a way that we did not ask for.
    """
    encoding = headers.get("Content-Encoding", "")
    try:
        if encoding == "gzip":
            return zlib.decompress(body, wbits=31)
        if encoding == "zstd":
            unpacked = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)
            return unpacked.decompress(body) + unpacked.flush()
    except (zlib.error, zstandard.ZstdError):
        raise ClickHouseError(f"the answer of {endpoint} is cut off", executed=None) from None
    if encoding not in ("", "identity"):
        raise ClickHouseError(f"the answer of {endpoint} is packed as {encoding[:20]}", executed=None)
    return body


def error_of(
    endpoint: str, status: int, headers: Message, body: bytes, *, executed: bool | None = False
) -> ClickHouseError:
    """The error that an answer is, with ClickHouse's code, and what to do where a proxy gave it.

    ``executed`` is False where nothing can have been done. An INSERT that fails later may have written something.
    """
    found = _ERROR.search(body.decode("utf-8", "replace"))
    if found is None:
        code = headers.get(EXCEPTION_CODE, "")
        begun = None if status not in _NOT_BEGUN_STATUS else executed
        return ClickHouseError(
            f"{endpoint} answers with HTTP status {status}", int(code) if code.isdigit() else 0, executed=begun
        )
    number, message, name = found.groups()
    view = _VIEW.search(message[_SHOWN:])
    message = message[:_SHOWN].strip() + (f"...{view[0]}" if view else "")
    code_number = int(number)
    begun = executed if code_number in NOT_BEGUN else None
    return ClickHouseError(f"ClickHouse: {message} ({name or 'error'} {number})", code_number, executed=begun)


def _is_row(body: bytes) -> bool:
    """Whether the last line is a row: a text in it may look like an error."""
    last = body.rstrip(b"\n").rpartition(b"\n")[2]
    try:
        return isinstance(json.loads(last), dict)
    except ValueError:
        return False
