"""What a request is refused with: ClickHouse's own codes, and the HTTP statuses that its servers give for them."""

from __future__ import annotations

_STATUS = {
    6: 400, 16: 404, 26: 400, 27: 400, 36: 400, 38: 400, 41: 400, 44: 400, 46: 404, 47: 404, 48: 501, 50: 404, 53: 400,
    60: 404, 62: 400, 72: 400, 81: 404, 115: 404, 117: 400, 159: 408, 164: 500, 192: 403, 193: 401, 194: 401, 195: 403,
    202: 503, 209: 408, 252: 503, 291: 403, 307: 413, 372: 404, 373: 423, 394: 500, 497: 403, 516: 403, 743: 400,
}  # fmt: skip

UNKNOWN, BAD_ARGUMENTS, NOT_IMPLEMENTED, SYNTAX_ERROR = 1002, 36, 48, 62
READONLY, NOT_ALLOWED, AUTHENTICATION_FAILED, BUSY = 164, 497, 516, 202
TOO_LARGE, SESSION_NOT_FOUND, SESSION_IS_LOCKED, CANNOT_DECOMPRESS = 307, 372, 373, 271
_NAMES = {
    UNKNOWN: "UNKNOWN_EXCEPTION", BAD_ARGUMENTS: "BAD_ARGUMENTS", NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR", READONLY: "READONLY", NOT_ALLOWED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED", BUSY: "TOO_MANY_SIMULTANEOUS_QUERIES", TOO_LARGE: "TOO_MANY_BYTES",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND", SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
}  # fmt: skip


class Refused(Exception):  # noqa: N818 - what happened to a request, not a fault
    """A request is answered with an error.

    Args:
        code: ClickHouse's error code.
        text: for people; says what to do.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def text(self) -> str:
        """The body of the answer, as a ClickHouse server writes it."""
        return f"Code: {self.code}. DB::Exception: {self} ({_NAMES.get(self.code, 'ERROR')})"


def http_status(code: int) -> int:
    """The HTTP status that a ClickHouse server gives for one of its error codes."""
    return _STATUS.get(code, 500)
