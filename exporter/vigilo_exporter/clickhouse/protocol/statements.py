"""Reads as much of a statement as the HTTP interface has to know: its words, and where the data of an INSERT begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vigilo_exporter.clickhouse.protocol.failures import NOT_IMPLEMENTED, SYNTAX_ERROR, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|//[^\n]*|\#[\ !][^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    |(?P<word>[A-Za-z_][\w$]*)
    |(?P<number>\d\w*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement: ``text``, ``quoted`` (an identifier), ``word``, ``number`` or ``other`` (one sign)."""

    kind: str
    text: str
    begin: int
    end: int
    depth: int
    """Brackets that are open before it."""

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words


@dataclass(frozen=True, slots=True)
class Insert:
    """``INSERT INTO ... FORMAT x`` with rows behind it.

    Attributes:
        head: what is before SETTINGS and FORMAT.
        settings: ``SETTINGS ...``, or nothing.
        format: ``Native``.
        data_at: index of the first character that is data.
    """

    head: str
    settings: str
    format: str
    data_at: int


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of a statement, without blanks and comments."""
    depth = 0
    for found in _TOKEN.finditer(sql):
        kind = found.lastgroup if found.lastgroup != "tag" else "text"
        if kind is None or kind == "blank":
            continue
        sign = found[0]
        if sign in (")", "]", "}"):
            depth = max(0, depth - 1)
        yield Token(kind, sign, found.start(), found.end(), depth)
        if sign in ("(", "[", "{"):
            depth += 1


def first_word(sql: str) -> str:
    """The word that a statement begins with, in capitals; ``(`` where it begins so, nothing for an empty one."""
    token = next(tokens(sql), None)
    return token.text.upper() if token is not None else ""


def insert_with_data(sql: str) -> Insert | None:
    """The parts of an INSERT whose rows come with the request; None for every other statement.

    Raises:
        Refused: it names a file of the client's machine.
    """
    reading = tokens(sql)
    first = next(reading, None)
    if first is None or not first.is_word("INSERT"):
        return None
    settings_at = None
    for token in reading:
        if token.depth or token.kind != "word":
            continue
        if token.is_word("SELECT", "WITH", "WATCH"):
            return None
        if token.is_word("INFILE"):
            raise Refused(NOT_IMPLEMENTED, "FROM INFILE is read by clickhouse-client; send the rows with the request")
        if token.is_word("SETTINGS") and settings_at is None:
            settings_at = token.begin
        if token.is_word("VALUES", "FORMAT"):
            end_of_head = token.begin if settings_at is None else settings_at
            name, data_at = "Values", token.end
            if token.is_word("FORMAT"):
                named = next(reading, None)
                if named is None or named.kind != "word":
                    raise Refused(SYNTAX_ERROR, "Syntax error: FORMAT without the name of a format")
                name, data_at = named.text, _after_format(sql, named.end)
            settings = "" if settings_at is None else sql[settings_at : token.begin].strip()
            return Insert(sql[:end_of_head].strip(), settings, name, data_at)
    return None


def _after_format(sql: str, end: int) -> int:
    """Data begins after blanks and one end of line."""
    found = re.compile(r"[ \t\f]*;?[ \t\f]*(?:\r?\n)?").match(sql, end)
    return found.end() if found is not None else end


def output_format(sql: str, default: str) -> str:
    """The format that a statement gives its rows in.

    Raises:
        Refused: there are two statements, or it writes a file.
    """
    chosen, previous, ended = default, None, False
    for token in tokens(sql):
        if ended:
            raise Refused(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed): send one statement a request")
        ended = token.text == ";"
        if previous is not None and previous.is_word("INTO") and token.is_word("OUTFILE"):
            raise Refused(NOT_IMPLEMENTED, "INTO OUTFILE is done by clickhouse-client; the rows come with the answer")
        if previous is not None and previous.is_word("FORMAT") and not previous.depth and token.kind == "word":
            chosen = token.text
        previous = token
    return chosen
