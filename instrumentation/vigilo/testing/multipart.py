"""Forms with files, as the endpoints for images, sound and files take them."""

from __future__ import annotations

from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from email.message import Message

    from vigilo.testing.wire import Json

_NUMBERS = frozenset({"n", "partial_images", "temperature"})
_FLAGS = {"true": True, "false": False}


def form_fields(raw: bytes, content_type: str) -> Json | None:
    """The fields of a ``multipart/form-data`` body, None for any other; a file is ``{"filename": ..., "bytes": int}``.

    Flags and numbers are sent as text and come out as what they are; a name that ends in ``[]`` is a list.
    """
    if not content_type.startswith("multipart/form-data"):
        return None
    head = b"content-type: " + content_type.encode("latin-1") + b"\r\n\r\n"
    form: Json = {}
    for part in BytesParser().parsebytes(head + raw).walk():
        name = str(part.get_param("name", header="content-disposition"))
        if part.is_multipart():
            continue
        if name.endswith("[]"):
            form.setdefault(name[:-2], []).append(_value(name, part))
        else:
            form[name] = _value(name, part)
    return form


def _value(name: str, part: Message) -> Any:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    if (filename := part.get_filename()) is not None:
        return {"filename": filename, "bytes": len(content)}
    text = content.decode("utf-8", "replace")
    if name in _NUMBERS:
        return float(text) if "." in text else int(text)
    return _FLAGS.get(text, text)
