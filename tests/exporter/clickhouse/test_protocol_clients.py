"""clickhouse-connect, unchanged, with the ClickHouse interface over the embedded engine."""

from __future__ import annotations

import datetime

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from tests.exporter.clickhouse.server import EmbeddedServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def writer(server):
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username=server.user, password=server.token, database="otel"
    )
    client.command("DROP TABLE IF EXISTS t")
    client.command(
        "CREATE TABLE t (a UInt32, b String, m Map(String, String), at DateTime64(9)) ENGINE = MergeTree ORDER BY a"
    )
    yield client
    client.close()


@pytest.fixture
def reader(server):
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port, database="otel")
    yield client
    client.close()


NOW = datetime.datetime(2026, 11, 21, 12, 30, 15, tzinfo=datetime.timezone.utc)


def rows(count):
    return [[n, f"row {n}", {"key": str(n)}, NOW] for n in range(count)]


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
def test_an_insert_of_many_blocks_arrives_whole(server, writer, compression):
    columns = list(zip(*rows(40_000), strict=True))  # clickhouse-connect sends blocks of 16,384 rows
    client = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=server.port,
        username=server.user,
        password=server.token,
        database="otel",
        compress=compression,
    )
    try:
        done = client.insert("t", columns, column_names=["a", "b", "m", "at"], column_oriented=True)
    finally:
        client.close()
    assert done.written_rows == 40_000
    asked = "SELECT count(), uniqExact(b), sum(length(m)), uniqExact(at) FROM t"
    assert writer.query(asked).result_rows == [(40_000, 40_000, 40_000, 1)]


def test_values_come_back_as_they_went(writer, reader):
    writer.insert("t", [[1, "it's\na \\ test", {"k": "v"}, NOW]], column_names=["a", "b", "m", "at"])
    sql = "SELECT b, m, at FROM t WHERE a = {a:UInt32} AND b = {b:String}"
    found = reader.query(sql, parameters={"a": 1, "b": "it's\na \\ test"})
    assert found.result_rows == [("it's\na \\ test", {"k": "v"}, NOW.replace(tzinfo=None))]
    assert found.column_names == ("b", "m", "at")


def test_parameters_may_come_in_a_form(server):
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port, form_encode_query_params=True)
    try:
        found = client.query("SELECT {a:String}, {b:UInt8}", parameters={"a": "long" * 100_000, "b": 3})
    finally:
        client.close()
    assert found.result_rows == [("long" * 100_000, 3)]


def test_rows_come_as_a_stream(writer, reader):
    writer.command("INSERT INTO t (a, b) SELECT number, toString(number) FROM numbers(200000)")
    with reader.query_rows_stream("SELECT a, b FROM t ORDER BY a") as stream:
        assert sum(row[0] == int(row[1]) for row in stream) == 200_000


@pytest.mark.parametrize(
    ("sql", "code"),
    [("SELECT nothing", 47), ("SELECT * FROM nothing", 60), ("SELEC", 62), ("SELECT throwIf(1)", 395)],
)
def test_errors_come_with_their_codes(writer, sql, code):
    with pytest.raises(DatabaseError) as raised:
        writer.query(sql)
    assert raised.value.code == code


def test_a_reader_may_not_write(reader, writer):
    with pytest.raises(DatabaseError) as raised:
        reader.insert("t", [[1, "x"]], column_names=["a", "b"])
    assert raised.value.code == 164
    with pytest.raises(DatabaseError):
        reader.command("DROP TABLE t")
    assert writer.command("SELECT count() FROM t") == 0


def test_a_wrong_password_is_refused(server):
    with pytest.raises(DatabaseError) as raised:
        clickhouse_connect.get_client(host="127.0.0.1", port=server.port, username="vigilo", password="wrong")
    assert raised.value.code == 516
