"""The checksum of ClickHouse's compressed blocks: CityHash128 as of its version 1.0.2, of any number of bytes.

It takes a quarter of a second a megabyte here, of what is compressed.
"""

from __future__ import annotations

import struct

_MASK = 2**64 - 1
_K0, _K1, _K2, _K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
_MIX = 0x9DDFEA08EB382D69
_LONG = 128
_ROUND = struct.Struct("<8Q")


def checksum(data: bytes) -> bytes:
    """The 16 bytes that stand before a compressed block."""
    size = len(data)
    if size >= 16:
        low, high, rest = _word(data, 0) ^ _K3, _word(data, 8), data[16:]
    elif size >= 8:
        low, high, rest = _word(data, 0) ^ (size * _K0 & _MASK), _word(data, size - 8) ^ _K1, b""
    else:
        low, high, rest = _K0, _K1, data
    both = _of_long(rest, low, high) if len(rest) >= _LONG else _of_short(rest, low, high)
    return struct.pack("<QQ", *both)


def _of_short(data: bytes, a: int, b: int) -> tuple[int, int]:
    size = len(data)
    if size <= 16:
        a = _shift_mix(a * _K1 & _MASK) * _K1 & _MASK
        c = (b * _K1 + _of_16_at_most(data)) & _MASK
        d = _shift_mix((a + (_word(data, 0) if size >= 8 else c)) & _MASK)
    else:
        c = _join(_word(data, size - 8) + _K1, a)
        d = _join(b + size, c + _word(data, size - 16))
        a = (a + d) & _MASK
        for at in range(0, size - 16, 16):
            a = (a ^ _shift_mix(_word(data, at) * _K1 & _MASK) * _K1) * _K1 & _MASK
            b ^= a
            c = (c ^ _shift_mix(_word(data, at + 8) * _K1 & _MASK) * _K1) * _K1 & _MASK
            d ^= c
    a, b = _join(a, c), _join(d, b)
    return a ^ b, _join(b, a)


def _of_long(data: bytes, x: int, y: int) -> tuple[int, int]:
    mask, k1 = _MASK, _K1
    size = len(data)
    z = size * k1 & mask
    v0 = (_rotated(y ^ k1, 49) * k1 + _word(data, 0)) & mask
    v1 = (_rotated(v0, 42) * k1 + _word(data, 8)) & mask
    w0 = (_rotated(y + z, 35) * k1 + x) & mask
    w1 = _rotated(x + _word(data, 88), 53) * k1 & mask
    whole = size - size % _LONG
    for d0, d1, d2, d3, d4, d5, d6, d7 in _ROUND.iter_unpack(memoryview(data)[:whole]):
        t = (x + y + v0 + d2) & mask
        x = (((t >> 37) | (t << 27)) & mask) * k1 & mask ^ w1
        t = (y + v1 + d6) & mask
        y = (((t >> 42) | (t << 22)) & mask) * k1 & mask ^ v0
        t = z ^ w0
        z = ((t >> 33) | (t << 31)) & mask
        v0, v1 = _weak(d0, d1, d2, d3, v1 * k1, x + w0)
        w0, w1 = _weak(d4, d5, d6, d7, z + w1, y)
        x, z = z, x
    y = (y + _rotated(w0, 37) * _K0 + z) & mask
    x = (x + _rotated(v0 + z, 49) * _K0) & mask
    done = 0
    while done < size - whole:  # the rest, and what is before it, by 32 bytes from the end
        done += 32
        at = size - done
        y = (_rotated(y - x, 42) * _K0 + v1) & mask
        w0 = (w0 + _word(data, at + 16)) & mask
        x = (_rotated(x, 49) * _K0 + w0) & mask
        w0 = (w0 + v0) & mask
        v0, v1 = _weak(_word(data, at), _word(data, at + 8), _word(data, at + 16), _word(data, at + 24), v0, v1)
    x, y = _join(x, v0), _join(y, w0)
    return (_join(x + v1, w1) + y) & mask, _join(x + w1, y + v1)


def _of_16_at_most(data: bytes) -> int:
    size = len(data)
    if size > 8:
        last = _word(data, size - 8)
        return _join(_word(data, 0), _rotated(last + size, size)) ^ last
    if size >= 4:
        return _join(size + (int.from_bytes(data[:4], "little") << 3), int.from_bytes(data[-4:], "little"))
    if size:
        return (
            _shift_mix((data[0] + (data[size >> 1] << 8)) * _K2 & _MASK ^ (size + (data[-1] << 2)) * _K3 & _MASK) * _K2
            & _MASK
        )
    return _K2


def _weak(w: int, x: int, y: int, z: int, a: int, b: int) -> tuple[int, int]:
    a = (a + w) & _MASK
    t = (b + a + z) & _MASK
    total = (a + x + y) & _MASK
    b = ((t >> 21) | (t << 43)) + ((total >> 44) | (total << 20))
    return (total + z) & _MASK, (b + a) & _MASK


def _join(low: int, high: int) -> int:
    low, high = low & _MASK, high & _MASK
    a = _shift_mix((low ^ high) * _MIX & _MASK)
    return _shift_mix((high ^ a) * _MIX & _MASK) * _MIX & _MASK


def _shift_mix(value: int) -> int:
    return value ^ (value >> 47)


def _rotated(value: int, by: int) -> int:
    value &= _MASK
    return ((value >> by) | (value << (64 - by))) & _MASK


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")
