"""Bodies of requests, onto disk: what is compressed is unpacked, within bounds, and never all of it in memory."""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import zstandard

from vigilo_exporter.clickhouse.protocol.failures import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, TOO_LARGE, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_BYTES = 2**18
_SLICE_BYTES = 2**11
"""What a decompressor gets at once: even zeros unpack from it to no more than some tens of megabytes."""
_WINDOW_BYTES = 2**27  # what zstd's --long makes; more would be memory that a request can ask for


class Readable(Protocol):
    """A file of bytes, as far as it is read here."""

    def read(self, size: int, /) -> bytes: ...


def unpacked(packed: Readable, encoding: str) -> Iterator[bytes]:
    """The bytes of a body.

    Args:
        packed: the body as it came.
        encoding: its Content-Encoding: nothing, ``gzip``, ``deflate``, ``zstd`` or ``lz4``, in any number of frames.

    Raises:
        Refused: it is cut off or wrong, or the encoding is not known.
    """
    if encoding in ("", "identity"):
        while piece := packed.read(READ_BYTES):
            yield piece
        return
    if encoding not in _FRAMES:
        raise Refused(NOT_IMPLEMENTED, f"Unknown compression '{encoding[:20]}': send gzip, deflate, zstd, lz4 or none")
    frame, rest = None, b""
    while piece := rest or packed.read(_SLICE_BYTES):
        if frame is None:
            frame = _FRAMES[encoding]()
        try:
            data = frame.decompress(piece)
        except (zlib.error, zstandard.ZstdError, RuntimeError):  # RuntimeError is lz4's
            raise Refused(CANNOT_DECOMPRESS, f"the body is not valid {encoding}") from None
        if data:
            yield data
        rest = frame.unused_data or b""
        if frame.eof:
            frame = None
    if frame is not None:
        raise Refused(CANNOT_DECOMPRESS, f"the body, in {encoding}, is cut off")


def bounded(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """The same pieces.

    Raises:
        Refused: they come to more than ``most`` bytes.
    """
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise Refused(TOO_LARGE, f"the body is larger than {most:,} bytes: send it in parts")
        yield piece


def _lz4() -> Any:
    return import_module("lz4.frame").LZ4FrameDecompressor()


_FRAMES: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "x-gzip": lambda: zlib.decompressobj(31),
    "deflate": lambda: zlib.decompressobj(15),
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj(),
    "lz4": _lz4,
}
