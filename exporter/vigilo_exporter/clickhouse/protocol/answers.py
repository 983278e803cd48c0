"""What goes back: headers as a ClickHouse server gives them, and bodies compressed as the client asked."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import zstandard
from starlette.responses import Response

from vigilo_exporter.clickhouse.protocol.blocks import packed_blocks
from vigilo_exporter.clickhouse.protocol.failures import UNKNOWN, Refused, http_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vigilo_exporter.clickhouse.engine import EngineError
    from vigilo_exporter.clickhouse.protocol.execution import Done

SERVER_NAME = "vigilo"
_TYPES = {"TabSeparated": "text/tab-separated-values", "TSV": "text/tab-separated-values", "CSV": "text/csv"}
_BINARY = ("Native", "RowBinary", "Parquet", "Arrow", "ORC", "Avro", "RawBLOB", "MsgPack", "Npy", "BSON")


def answer(done: Done, headers: Mapping[str, str], accepted: str, elapsed_ns: int) -> Response:
    """The answer of a statement.

    Args:
        done: what it gave.
        headers: what each answer of this request has.
        accepted: the client's Accept-Encoding, or nothing where it wants no compression.
        elapsed_ns: how long it took.
    """
    summary = {
        "read_rows": done.read_rows, "read_bytes": 0, "written_rows": done.written_rows, "written_bytes": 0,
        "total_rows_to_read": 0, "result_rows": 0, "result_bytes": len(done.data), "elapsed_ns": elapsed_ns,
    }  # fmt: skip
    all_headers = {
        **headers,
        "X-ClickHouse-Format": done.format,
        "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()}),
    }
    body, encoding = compressed(done.data, accepted)
    if encoding:
        all_headers["Content-Encoding"] = encoding
        all_headers["Vary"] = "Accept-Encoding"
    return Response(body, headers=all_headers, media_type=_media_type(done.format))


def in_blocks(done: Done) -> Done:
    """The same, compressed in ClickHouse's own way."""
    return replace(done, data=packed_blocks(done.data))


def refusal(error: Refused | EngineError, headers: Mapping[str, str]) -> Response:
    """The answer to a request that is refused."""
    code = error.code or UNKNOWN
    return Response(
        f"{error.text.strip()}\n",
        http_status(code),
        {**headers, "X-ClickHouse-Exception-Code": str(code)},
        "text/plain; charset=UTF-8",
    )


def compressed(data: bytes, accepted: str) -> tuple[bytes, str]:
    """The data in the first encoding of the client's list that is known here, and its name."""
    for wanted in accepted.split(","):
        name, _, quality = wanted.strip().partition(";")
        if name.lower() in _ENCODERS and quality.replace(" ", "") not in ("q=0", "q=0.0"):
            return _ENCODERS[name.lower()](data), name.lower()
    return data, ""


def _media_type(output_format: str) -> str:
    if output_format.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if output_format.startswith(_BINARY):
        return "application/octet-stream"
    return f"{_TYPES.get(output_format, 'text/plain')}; charset=UTF-8"


def _lz4(data: bytes) -> bytes:
    packed: bytes = import_module("lz4.frame").compress(data)
    return packed


_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda data: zstandard.ZstdCompressor(1).compress(data),
    "lz4": _lz4,
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "deflate": lambda data: zlib.compress(data, 1),
}
