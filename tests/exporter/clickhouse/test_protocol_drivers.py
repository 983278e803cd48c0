"""What drivers of other languages expect: ClickHouse's own blocks (JDBC), Native of newer revisions (Go, Grafana)."""

from __future__ import annotations

import struct
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.exporter.clickhouse.server import EmbeddedServer

from vigilo_exporter.clickhouse.protocol.blocks import packed_blocks, unpacked_blocks
from vigilo_exporter.clickhouse.protocol.checksum import checksum
from vigilo_exporter.clickhouse.protocol.failures import Refused
from vigilo_exporter.clickhouse.protocol.revisions import with_block_info

INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


def send(server, body, **parameters):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        user = {"X-ClickHouse-User": server.user, "X-ClickHouse-Key": server.token}
        connection.request("POST", f"/?{urlencode({'database': 'otel', **parameters})}", body, user)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["UInt8", "UInt64", "String", "Float32"])
@pytest.mark.parametrize("count", [1, 3, 7, 15, 16, 100, 129, 1000, 70_000])
def test_the_checksum_is_the_one_that_the_engine_writes(server, kind, count):
    table = f"sums_{kind}_{count}"
    server.execute(
        f"CREATE TABLE {table} (a {kind} CODEC(NONE)) ENGINE = MergeTree ORDER BY tuple() "
        "SETTINGS min_bytes_for_wide_part = 0"
    )
    server.execute(f"INSERT INTO {table} SELECT CAST(number % 251, '{kind}') FROM numbers({count})")
    (folder,) = server.rows(f"SELECT data_paths[1] AS path FROM system.tables WHERE name = '{table}'")
    blocks = 0
    for path in server.home.joinpath("db", folder["path"]).glob("all_1_1_0/a*.bin"):
        content = path.read_bytes()
        while content:
            size = 16 + struct.unpack_from("<I", content, 17)[0]
            assert checksum(content[16:size]) == content[:16]
            content = content[size:]
            blocks += 1
    assert blocks


def test_answers_come_in_blocks(server):
    status, body = send(server, b"SELECT number FROM numbers(500000)", compress="1")
    assert status == 200
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    assert b"".join(unpacked_blocks(iter(pieces))) == b"".join(b"%d\n" % number for number in range(500_000))


@pytest.mark.parametrize("method", ["lz4", "zstd", "none"])
def test_rows_come_in_blocks(server, method):
    server.execute("CREATE OR REPLACE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
    rows = b"".join(b"%d\n" % number for number in range(300_000))
    body = packed_blocks(rows)
    if method != "lz4":
        payload = zstandard.ZstdCompressor().compress(rows) if method == "zstd" else rows
        block = struct.pack("<BII", 0x90 if method == "zstd" else 0x02, 9 + len(payload), len(rows)) + payload
        body = checksum(block) + block
    status, text = send(server, body, decompress="1", query="INSERT INTO t FORMAT TSV")
    assert status == 200, text
    assert server.rows("SELECT count() AS n, sum(a) AS s FROM t") == [{"n": 300_000, "s": 299_999 * 150_000}]


def broken_blocks():
    whole = packed_blocks(b"some rows\n" * 100)
    yield whole[:-1]
    yield whole[:10]
    yield whole + b"\x00"
    yield b"\x00" + whole[1:]
    yield whole[:-1] + bytes([whole[-1] ^ 1])
    yield b"no blocks at all, but more than twenty-five bytes"
    for header in ((0x82, 9 + 4, 50), (0x90, 9 + 4, 50), (0x55, 9 + 4, 4), (0x02, 9 + 4, 5)):
        block = struct.pack("<BII", *header) + b"oops"
        yield checksum(block) + block


@pytest.mark.parametrize("body", list(broken_blocks()))
def test_a_damaged_block_is_refused(body):
    with pytest.raises(Refused):
        list(unpacked_blocks(iter([body])))


@given(st.binary(max_size=4000), st.integers(1, 500))
def test_blocks_hold_any_bytes(data, size):
    packed = packed_blocks(data)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(unpacked_blocks(iter(pieces))) == data


COLUMNS = [
    "1::UInt8", "'text'", "repeat('long', 100)", "now64(9)", "toDate('2026-11-21')", "true", "1.5", "NULL",
    "toNullable('x')", "CAST(NULL, 'Nullable(DateTime64(3))')", "toDecimal32(1, 2)", "toDecimal64(1, 3)",
    "generateUUIDv4()", "toIPv4('1.1.1.1')", "toIPv6('::1')",
    "toFixedString('ab', 3)", "CAST('a', 'Enum8(\\'a\\' = 1, \\'b, (c\\' = 2)')", "toLowCardinality('low')",
    "toLowCardinality(toNullable(if(number = 1, NULL, 'x')))",
    "[1, 2, 3]", "emptyArrayString()", "[[1], [], [2, 3]]", "map('k', 'v')", "CAST(map(), 'Map(String, UInt8)')",
    "map('k', toLowCardinality('v'))", "(1, 'b', [toNullable(1), NULL])",
    "CAST((1, 'b'), 'Tuple(a UInt8, `b c` String)')",
    "[(1, 'a')]", "CAST([(1, 'a')], 'Nested(n UInt8, s String)')", "toIntervalDay(1)",
    "(1.0, 2.0)::Point",
    "CAST(map('a', [(1, 'x')]), 'Map(LowCardinality(String), Array(Tuple(UInt8, String)))')",
]  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_a_newer_client_finds_info_before_blocks_and_after_types(server, column):
    sql = f"SELECT {column} AS x, 'end' AS y FROM numbers(3)".encode()
    settings = {"default_format": "Native"}
    status, plain = send(server, sql, **settings)
    assert status == 200, plain
    status, newer = send(server, sql, client_protocol_version="54460", **settings)
    assert status == 200, newer
    if "UUID" not in column and "now" not in column:
        assert newer == with_block_info(plain)
    assert newer.startswith(INFO + b"\x02\x03\x01x")
    assert newer.endswith(b"\x01y\x06String\x00" + b"\x03end" * 3)
    assert len(newer) == len(plain) + len(INFO) + 2


def test_a_newer_client_reads_many_blocks(server):
    sql = b"SELECT number, toString(number) FROM numbers(200000) FORMAT Native"
    status, plain = send(server, sql)
    assert status == 200
    blocks = with_block_info(plain).count(INFO)
    assert send(server, sql, client_protocol_version="54460") == (200, with_block_info(plain))
    assert len(with_block_info(plain)) == len(plain) + blocks * (len(INFO) + 2)
    assert send(server, sql, client_protocol_version="54405") == (200, plain)


def test_a_newer_client_gets_nothing_of_nothing_and_other_formats_as_they_are(server):
    assert send(server, b"SELECT 1 WHERE 0 FORMAT Native", client_protocol_version="54460") == (200, b"")
    assert send(server, b"SELECT 1", client_protocol_version="54460") == (200, b"1\n")


def test_a_type_that_has_no_known_end_is_named(server):
    status, text = send(server, b"SELECT sumState(1) AS s FORMAT Native", client_protocol_version="54460")
    assert status == 501
    assert b"AggregateFunction(sum, UInt8), which cannot be sent" in text


def test_the_handshake_of_clickhouse_go(server):
    sql = b"SELECT displayName(), version(), revision(), timezone()"
    status, body = send(server, sql, default_format="Native", client_protocol_version="54460")
    assert status == 200
    assert body.startswith(INFO + b"\x04\x01\x0ddisplayName()\x06String\x00")
