"""ClickHouse's own compression, which drivers ask for by ``compress=1`` and send with ``decompress=1``.

A block is: checksum (16 bytes), method (1), size of the rest with this header (4), size unpacked (4), payload.
"""

from __future__ import annotations

import struct
from importlib import import_module
from typing import TYPE_CHECKING

import zstandard

from vigilo_exporter.clickhouse.protocol.checksum import checksum
from vigilo_exporter.clickhouse.protocol.failures import CANNOT_DECOMPRESS, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02
_HEADER = struct.Struct("<BII")
_CHECKSUM_BYTES = 16
BLOCK_BYTES = 2**20
MAX_BLOCK_BYTES = 2**26
"""A block that says it is larger is taken for damaged."""


def packed_blocks(data: bytes) -> bytes:
    """The data in LZ4 blocks."""
    compress = import_module("lz4.block").compress
    blocks: list[bytes] = []
    for begin in range(0, len(data), BLOCK_BYTES):
        piece = data[begin : begin + BLOCK_BYTES]
        payload = compress(piece, store_size=False)
        block = _HEADER.pack(_LZ4, _HEADER.size + len(payload), len(piece)) + payload
        blocks += (checksum(block), block)
    return b"".join(blocks)


def unpacked_blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What is in blocks that come in pieces of any size.

    Raises:
        Refused: a block is damaged, or cut off.
    """
    held = bytearray()
    for piece in pieces:
        held += piece
        while (end := _end_of_block(held)) <= len(held):
            yield _unpacked(bytes(held[:end]))
            del held[:end]
    if held:
        raise Refused(CANNOT_DECOMPRESS, "the last compressed block is cut off")


def _end_of_block(held: bytearray) -> int:
    """Where the first block ends; beyond what is held where that is not known yet."""
    if len(held) < _CHECKSUM_BYTES + _HEADER.size:
        return len(held) + 1
    _, packed, whole = _HEADER.unpack_from(held, _CHECKSUM_BYTES)
    if not _HEADER.size <= packed <= MAX_BLOCK_BYTES or whole > MAX_BLOCK_BYTES:
        raise Refused(CANNOT_DECOMPRESS, "the body has no compressed blocks")
    return _CHECKSUM_BYTES + int(packed)


def _unpacked(block: bytes) -> bytes:
    if checksum(block[_CHECKSUM_BYTES:]) != block[:_CHECKSUM_BYTES]:
        raise Refused(CANNOT_DECOMPRESS, "the checksum of a compressed block is wrong")
    method, _, whole = _HEADER.unpack_from(block, _CHECKSUM_BYTES)
    payload = block[_CHECKSUM_BYTES + _HEADER.size :]
    lz4 = import_module("lz4.block")
    try:
        if method == _LZ4:
            data: bytes = lz4.decompress(payload, uncompressed_size=whole)
        elif method == _ZSTD:
            data = zstandard.ZstdDecompressor().decompress(payload, max_output_size=whole)
        elif method == _NONE:
            data = payload
        else:
            raise Refused(CANNOT_DECOMPRESS, f"compressed by method {method:#x}: use LZ4, ZSTD or none")
    except (ValueError, lz4.LZ4BlockError, zstandard.ZstdError):
        raise Refused(CANNOT_DECOMPRESS, "a compressed block is damaged") from None
    if len(data) != whole:
        raise Refused(CANNOT_DECOMPRESS, "a compressed block is damaged")
    return data
