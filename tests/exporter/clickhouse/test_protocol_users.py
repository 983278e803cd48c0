"""Who may ask the ClickHouse interface what: readers read, and nothing else."""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest
from tests.exporter.clickhouse.server import EmbeddedServer

from vigilo_exporter.clickhouse.protocol.access import Access
from vigilo_exporter.clickhouse.protocol.failures import Refused
from vigilo_exporter.clickhouse.protocol.reading import check_reading, reading_settings


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    server.execute("CREATE TABLE calls (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    server.execute("INSERT INTO calls SELECT number, 'x' FROM numbers(10)")
    yield server
    server.kill()


def ask(server, sql, headers=None, method="POST", **parameters):
    """Status, code of the error and text."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        parameters = {"database": "otel", **parameters}
        if method == "GET":
            connection.request("GET", f"/?{urlencode({**parameters, 'query': sql})}", headers=headers or {})
        else:
            connection.request("POST", f"/?{urlencode(parameters)}", sql.encode(), headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, int(answer.headers.get("X-ClickHouse-Exception-Code", 0)), text
    finally:
        connection.close()


READABLE = [
    "SELECT count() FROM calls",
    "WITH 1 AS x SELECT x",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "FROM calls SELECT count()",
    "SHOW TABLES",
    "SHOW CREATE TABLE calls",
    "DESCRIBE TABLE calls",
    "EXPLAIN SELECT 1",
    "EXISTS calls",
    "SELECT * FROM numbers(3)",
    "SELECT count() FROM merge('otel', 'calls')",
    "SELECT format('{}-{}', 'a', 'b'), 'INTO OUTFILE', '; DROP TABLE calls' -- INTO OUTFILE 'x'",
    "SELECT a FROM calls WHERE b = 'it''s' OR b = 'a\\'b' /* file('x') */ LIMIT 1;",
    'SELECT `a`, "b" FROM calls LIMIT 1 FORMAT JSONCompact',
    "SELECT count() FROM system.tables",
]


@pytest.mark.parametrize("sql", READABLE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_reader_reads(server, sql, method):
    status, _, text = ask(server, sql, method=method)
    assert status == 200, text


REFUSED = [
    "INSERT INTO calls VALUES (1, 'x')",
    'INSERT INTO calls FORMAT JSONEachRow {"a": 1}',
    "INSERT INTO calls SELECT 1, 'x'",
    "INSERT INTO calls FROM INFILE '/etc/passwd' FORMAT LineAsString",
    "INSERT INTO FUNCTION file('/tmp/x', 'CSV', 'a Int8') SELECT 1",
    "/* SELECT */ INSERT INTO calls VALUES (1, 'x')",
    "CREATE TABLE other (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE other (a UInt8)",
    "CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'CSV')) LAYOUT(FLAT())",
    "CREATE FUNCTION f AS x -> x",
    "ALTER TABLE calls DELETE WHERE 1",
    "DELETE FROM calls WHERE 1",
    "UPDATE calls SET b = 'y' WHERE 1",
    "TRUNCATE TABLE calls",
    "OPTIMIZE TABLE calls FINAL",
    "DROP TABLE calls",
    "RENAME TABLE calls TO other",
    "DETACH TABLE calls",
    "SYSTEM SHUTDOWN",
    "SYSTEM FLUSH LOGS",
    "KILL QUERY WHERE 1",
    "BACKUP TABLE calls TO File('/tmp/vigilo-backup')",
    "GRANT ALL ON *.* TO default",
    "CREATE USER somebody",
    "SET max_threads = 1",
    "SET readonly = 0",
    "SET ROLE all",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 100000",
    "SELECT 1; DROP TABLE calls",
    "SELECT 1; SELECT 2",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM FILE ('/etc/passwd', 'LineAsString')",
    "SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
    "SELECT * FROM \"fi\\x6ce\"('/etc/passwd', 'LineAsString')",
    "SELECT * FROM file/**/('/etc/passwd', 'LineAsString')",
    "DESCRIBE file('/etc/passwd', 'CSVWithNames')",
    "DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1:9000', 'system.one')",
    "SELECT * FROM remoteSecure('127.0.0.1:9440', 'system.one')",
    "SELECT * FROM cluster('default', 'system.one')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/x', 'CSV', 'a String')",
    "SELECT * FROM gcs('http://127.0.0.1:1/bucket/x', 'CSV', 'a String')",
    "SELECT * FROM executable('x', 'CSV', 'a String')",
    "SELECT * FROM dictionary('x')",
    "SELECT * FROM Python(reader)",
    "SELECT * FROM jdbc('x', 'y')",
    "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')",
    "SELECT file('/etc/passwd')",
    "EXPLAIN SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "WITH x AS (SELECT * FROM file('/etc/passwd', 'LineAsString')) SELECT * FROM x",
    "SELECT * FROM calls WHERE b IN (SELECT * FROM file('/etc/passwd', 'LineAsString'))",
    "SELECT 1 INTO OUTFILE '/tmp/vigilo-outfile'",
    "SELECT 1 INTO/**/OUTFILE '/tmp/vigilo-outfile' TRUNCATE FORMAT CSV",
    "SELECT '\\\\' INTO OUTFILE '/tmp/vigilo-outfile' -- '",
    "SELECT \u2018 ' \u2019, 1 INTO OUTFILE '/tmp/vigilo-outfile' -- \u2018 ' \u2019",
    "SELECT a$$ , ' INTO OUTFILE ' , $$ FROM calls",
    "SELECT $$ ' $$ INTO OUTFILE '/tmp/vigilo-outfile' -- '",
    "SELECT 1 // '\n INTO OUTFILE '/tmp/vigilo-outfile' -- '",
    "SELECT x'\\' INTO OUTFILE '/tmp/vigilo-outfile' -- '",
    "SELECT 1 # '\n INTO OUTFILE '/tmp/vigilo-outfile' -- '",
    "1 + 1",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_a_reader_changes_nothing_and_reaches_nothing_outside(server, sql, tmp_path):
    sql = sql.replace("/tmp/vigilo", f"{tmp_path}/")
    status, code, text = ask(server, sql)
    assert status >= 400, text
    assert code in (36, 48, 62, 164)
    assert "root:" not in text
    assert list(tmp_path.iterdir()) == []
    assert server.count("calls") == 10
    assert server.rows("SHOW TABLES") == [{"name": "calls"}]


def test_nothing_is_changed_by_get_whoever_asks(server):
    writer = {"X-ClickHouse-User": "vigilo", "X-ClickHouse-Key": server.token}
    status, code, _ = ask(server, "INSERT INTO calls SELECT 1, 'x'", writer, method="GET")
    assert (status, code) == (500, 164)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-ClickHouse-User": "vigilo", "X-ClickHouse-Key": "wrong"},
        {"X-ClickHouse-User": "vigilo"},
        {"X-ClickHouse-User": "admin", "X-ClickHouse-Key": ""},
        {"Authorization": f"Basic {base64.b64encode(b'vigilo:wrong').decode()}"},
        {"Authorization": "Basic not-base64!"},
        {"Authorization": "Negotiate abc"},
    ],
)
def test_wrong_passwords_are_refused(server, headers):
    status, code, text = ask(server, "SELECT 1", headers)
    assert (status, code) == (403, 516)
    assert server.token not in text


@pytest.mark.parametrize("way", ["headers", "basic", "bearer", "parameters"])
def test_the_writer_is_known_by_the_token(server, way):
    headers, parameters = {}, {}
    if way == "headers":
        headers = {"X-ClickHouse-User": "vigilo", "X-ClickHouse-Key": server.token}
    elif way == "basic":
        headers = {"Authorization": f"Basic {base64.b64encode(f'vigilo:{server.token}'.encode()).decode()}"}
    elif way == "bearer":
        headers = {"Authorization": f"Bearer {server.token}"}
    else:
        parameters = {"user": "vigilo", "password": server.token}
    status, _, text = ask(server, "CREATE DATABASE IF NOT EXISTS otel", headers, **parameters)
    assert status == 200, text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8123"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
    ],
)
def test_a_page_in_a_browser_gets_no_answer(server, headers):
    for target in ("/?query=SELECT+1", "/ping"):
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 403
        assert answer.read() != b"1\n"
        connection.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8123", "[::1]:8123", "LOCALHOST"])
def test_names_of_this_machine_are_answered(server, host):
    assert ask(server, "SELECT 1", {"Host": host})[0] == 200


def test_settings_of_readers_are_bounded(server):
    chosen = {"max_execution_time": "100000", "max_memory_usage": "0", "max_result_bytes": "99999999999"}
    names = "'max_execution_time', 'max_memory_usage', 'max_result_bytes', 'readonly'"
    sql = f"SELECT name, value FROM system.settings WHERE name IN ({names}) FORMAT JSONCompactEachRow"
    status, _, text = ask(server, sql, **chosen)
    assert status == 200, text
    settings = dict(map(json.loads, text.splitlines()))
    assert settings == {
        "max_execution_time": "60",
        "max_memory_usage": "1000000000",
        "max_result_bytes": "256000000",
        "readonly": "1",
    }


def test_a_reader_chooses_how_values_are_written(server):
    sql = "SELECT toUInt64(1) AS a FORMAT JSONEachRow"
    assert ask(server, sql, output_format_json_quote_64bit_integers="1")[2] == '{"a":"1"}\n'
    assert ask(server, sql, output_format_json_quote_64bit_integers="0", readonly="2")[2] == '{"a":1}\n'


@pytest.mark.parametrize("name", ["format_schema", "allow_introspection_functions", "nonsense", "http_max_uri_size"])
def test_a_reader_may_not_choose_other_settings(server, name):
    assert ask(server, "SELECT 1", **{name: "1"})[1] == 164


def test_a_query_ends_at_its_limits(server):
    assert ask(server, "SELECT count() FROM numbers(1000000000000)", max_execution_time="1")[:2] == (408, 159)
    assert ask(server, "SELECT groupArray(number) FROM numbers(1000000000)", max_memory_usage="10000000")[1] == 241
    assert ask(server, "SELECT number FROM numbers(100000000)", max_result_bytes="1000")[1] == 396


def test_nothing_of_the_users_is_told(server):
    status, code, _ = ask(server, "SELECT * FROM system.users")
    assert (status, code) == (403, 497)
    for table in ("settings", "server_settings", "processes", "named_collections", "macros", "errors"):
        assert server.token not in ask(server, f"SELECT * FROM system.{table}")[2]


def test_there_is_no_other_page(server):
    for path in ("/play", "/dashboard", "/../../etc/passwd", "/-/ingest"):
        connection = HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=60)
        connection.request("GET", path)
        assert connection.getresponse().status in (404, 405)
        connection.close()


def test_readers_need_the_read_token_where_there_is_one():
    access = Access("w" * 20, "secret", "0.0.0.0")
    assert access.may_write({"x-clickhouse-user": "default", "x-clickhouse-key": "secret"}, {}) is False
    assert access.may_write({"authorization": "Bearer secret"}, {}) is False
    for headers in ({}, {"x-clickhouse-key": "wrong"}, {"x-clickhouse-user": "reader"}, {"authorization": "Bearer x"}):
        with pytest.raises(Refused):
            access.may_write(headers, {})
    assert "secret" not in repr(access)
    assert "wwww" not in repr(access)


def test_beyond_loopback_every_name_is_answered_but_no_foreign_page():
    access = Access("w" * 20, "secret", "0.0.0.0")
    assert access.addressed({"host": "vigilo.internal:8123"})
    assert access.addressed({"host": "vigilo.internal:8123", "origin": "http://vigilo.internal:8123"})
    assert not access.addressed({"host": "vigilo.internal:8123", "origin": "http://evil.example"})


def test_a_table_function_that_the_engine_adds_is_refused():
    check_reading("SELECT newThing(1)", frozenset())
    with pytest.raises(Refused, match=r"newthing\(\) reaches outside"):
        check_reading("SELECT * FROM newThing('x')", frozenset({"newthing"}))


def test_limits_stay_where_a_setting_is_no_number():
    with pytest.raises(Refused, match="not a number"):
        reading_settings({"max_execution_time": "long"})
    assert reading_settings({"max_execution_time": "0"})["max_execution_time"] == "60"
    assert reading_settings({"max_execution_time": "-5"})["max_execution_time"] == "60"
    assert reading_settings({"max_execution_time": "nan"})["max_execution_time"] == "60"
