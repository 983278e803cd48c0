"""Multipart forms, in which clients send parameters that are too long for a URL."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

from vigilo_exporter.clickhouse.protocol.failures import BAD_ARGUMENTS, NOT_IMPLEMENTED, Refused


def form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a ``multipart/form-data`` body, by name.

    Raises:
        Refused: it is none, a field is not text, or it holds a file: tables that come with a query are not supported.
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise Refused(BAD_ARGUMENTS, "the form is not valid")
        if part.get_filename() is not None:
            raise Refused(NOT_IMPLEMENTED, "external tables are not supported: insert the rows into a table")
        try:
            fields[name] = content.decode()
        except UnicodeDecodeError:
            raise Refused(BAD_ARGUMENTS, f"the field {name[:50]!r} is not UTF-8") from None
    if not fields:
        raise Refused(BAD_ARGUMENTS, "the form is not valid, or empty")
    return fields
