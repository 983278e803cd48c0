"""What requests to the ClickHouse interface may look like, and what their answers do."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from http.client import HTTPConnection
from urllib.parse import quote, urlencode

import lz4.frame
import pytest
import zstandard
from tests.exporter.clickhouse.server import EmbeddedServer

from vigilo_exporter.clickhouse.protocol.answers import compressed
from vigilo_exporter.clickhouse.protocol.bodies import bounded, unpacked
from vigilo_exporter.clickhouse.protocol.failures import Refused
from vigilo_exporter.clickhouse.protocol.forms import form_fields
from vigilo_exporter.clickhouse.protocol.statements import insert_with_data, output_format


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(running):
    """A server with an empty table ``t``, and a view that copies what goes into it."""
    window = "SETTINGS non_replicated_deduplication_window = 100"
    for statement in (
        "DROP TABLE IF EXISTS copied",
        "DROP TABLE IF EXISTS copy",
        "DROP TABLE IF EXISTS t",
        f"CREATE TABLE t (a UInt32, b String DEFAULT 'none') ENGINE = MergeTree ORDER BY a {window}",
        f"CREATE TABLE copy (a UInt32) ENGINE = MergeTree ORDER BY a {window}",
        "CREATE MATERIALIZED VIEW copied TO copy AS SELECT a FROM t",
    ):
        running.execute(statement)
    return running


def send(server, body=b"", headers=None, method="POST", **parameters):
    """The answer, with ``text`` for its body."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        user = {"X-ClickHouse-User": server.user, "X-ClickHouse-Key": server.token}
        target = f"/?{urlencode({'database': 'otel', **parameters})}"
        connection.request(method, target, body if method == "POST" else None, {**user, **(headers or {})})
        answer = connection.getresponse()
        answer.content = answer.read()
        return answer
    finally:
        connection.close()


def summary(answer):
    return json.loads(answer.headers["X-ClickHouse-Summary"])


ROWS = "".join(f'{{"a": {n}, "b": "row {n}"}}\n' for n in range(40_000)).encode()
HALF = ROWS.index(b"\n", len(ROWS) // 2) + 1
ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "lz4": lz4.frame.compress,
}


def test_rows_of_a_client_that_dies_while_it_sends_are_no_insert(server):
    frames = [ENCODERS["zstd"](half) for half in (ROWS[:HALF], ROWS[HALF:])]
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        head = (
            f"POST /?database=otel&query={quote('INSERT INTO t FORMAT JSONEachRow')} HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            f"X-ClickHouse-User: {server.user}",
            f"X-ClickHouse-Key: {server.token}",
            "Content-Encoding: zstd",
            f"Content-Length: {sum(map(len, frames))}",
        )
        client.sendall("\r\n".join((*head, "", "")).encode() + frames[0])  # cut off where a frame ends: it can be read
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000)[:12] in (b"", b"HTTP/1.1 400")
    assert server.count("t") == 0


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("frames", [1, 2])
def test_packed_rows_are_taken_in_whole(server, encoding, frames):
    encode = ENCODERS[encoding]
    body = encode(ROWS) if frames == 1 else encode(ROWS[:HALF]) + encode(ROWS[HALF:])
    answer = send(server, body, {"Content-Encoding": encoding}, query="INSERT INTO t FORMAT JSONEachRow")
    assert answer.status == 200, answer.content
    assert summary(answer)["written_rows"] == "40000"
    assert server.rows("SELECT count() AS n, uniqExact(b) AS texts FROM t") == [{"n": 40_000, "texts": 40_000}]
    assert server.count("copy") == 40_000


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_packed_body_that_is_cut_off_is_refused(server, encoding):
    body = ENCODERS[encoding](ROWS)
    answer = send(server, body[:-9], {"Content-Encoding": encoding}, query="INSERT INTO t FORMAT JSONEachRow")
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "271")
    assert server.count("t") == 0


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_an_unknown_or_wrong_encoding_is_refused(server, encoding):
    answer = send(server, b"not packed at all", {"Content-Encoding": encoding}, query="INSERT INTO t FORMAT CSV")
    assert answer.status in (500, 501)
    assert server.count("t") == 0


INSERTS = [
    ("INSERT INTO t FORMAT JSONEachRow", b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}', 2),
    ("INSERT INTO otel.t (b, a) FORMAT CSV", b"x,1\ny,2\nz,3\n", 3),
    ("insert into table t format TSV", b"1\tx\n2\ty\n", 2),
    ("INSERT INTO t VALUES", b"(1, 'x'), (2, 'it''s; FORMAT CSV')", 2),
    ("INSERT INTO t (a) VALUES (1),(2)", b"", 2),
    ("INSERT INTO t (*) SETTINGS async_insert = 0, max_threads = 1 FORMAT JSONCompactEachRow", b'[1, "x"]', 1),
    ("/* FORMAT Native */ INSERT INTO `t` -- VALUES\n FORMAT Values", b"(1, 'x')", 1),
    ("INSERT INTO t FORMAT RowBinary", b"\x01\x00\x00\x00\x01x\x02\x00\x00\x00\x01\n", 2),
    ("INSERT INTO t FORMAT JSONEachRow", b"", 0),
]


@pytest.mark.parametrize(("statement", "rows", "count"), INSERTS)
@pytest.mark.parametrize("where", ["query", "body"])
def test_rows_come_in_the_body_or_behind_the_statement(server, statement, rows, count, where):
    body, parameters = (rows, {"query": statement}) if where == "query" else (f"{statement}\n".encode() + rows, {})
    answer = send(server, body, **parameters)
    assert answer.status == 200, answer.content
    assert summary(answer)["written_rows"] == str(count)
    assert server.count("t") == count


def test_rows_that_do_not_fit_are_refused_as_a_whole(server):
    answer = send(server, b'{"a": 1}\n{"a": "no number"}\n', query="INSERT INTO t FORMAT JSONEachRow")
    assert answer.status >= 400
    assert b"DB::Exception" in answer.content
    assert server.count("t") == 0
    assert list((server.home / "incoming").iterdir()) == []


@pytest.mark.parametrize("place", ["parameter", "statement"])
def test_the_same_token_counts_once_in_the_table_and_its_views(server, place):
    once = "deduplicate_blocks_in_dependent_materialized_views"
    if place == "parameter":
        statement, settings = "INSERT INTO t FORMAT JSONEachRow", {"insert_deduplication_token": "it's", once: "1"}
    else:
        statement = f"INSERT INTO t SETTINGS insert_deduplication_token = 'other', {once} = 1 FORMAT JSONEachRow"
        settings = {}
    for _ in range(3):
        answer = send(server, ROWS, query=statement, **settings)
        assert (answer.status, summary(answer)["written_rows"]) == (200, "40000")
    assert (server.count("t"), server.count("copy")) == (40_000, 40_000)


def test_a_statement_is_in_the_url_the_body_or_both(server):
    assert send(server, method="GET", query="SELECT 1").content == b"1\n"
    assert send(server, b"SELECT 1").content == b"1\n"
    assert send(server, b"+ 2", query="SELECT 1").content == b"3\n"
    assert send(server).content == send(server, method="GET").content == b"Ok.\n"


def test_a_form_carries_statement_and_parameters(server):
    fields = {"query": "SELECT {x:UInt8} + 1, {s:String}", "param_x": "4", "param_s": "a\\tb'"}
    boundary = "some-boundary"
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = send(server, f"{body}--{boundary}--\r\n".encode(), kind, default_format="JSONCompactEachRow")
    assert answer.content == b'[5, "a\\tb\'"]\n', answer.content


@pytest.mark.parametrize("body", [b"", b"--x\r\n\r\nno name\r\n--x--\r\n", b"no form"])
def test_a_form_that_is_none_is_refused(body):
    with pytest.raises(Refused):
        form_fields("multipart/form-data; boundary=x", body)


def test_parameters_come_with_the_url(server):
    answer = send(
        server,
        b"SELECT {list:Array(String)}, {when:DateTime}",
        param_list="['a','b']",
        param_when="2026-11-01 00:00:00",
    )
    assert answer.content == b"['a','b']\t2026-11-01 00:00:00\n"


@pytest.mark.parametrize(("name", "wanted"), [("default_format", "CSV"), ("X-ClickHouse-Format", "CSV")])
def test_the_format_is_chosen_by_the_client_unless_the_statement_says(server, name, wanted):
    given = {"headers": {name: wanted}} if name.startswith("X") else {name: wanted}
    answer = send(server, b"SELECT 'a', 1", **given)
    assert (answer.content, answer.headers["X-ClickHouse-Format"]) == (b'"a",1\n', "CSV")
    answer = send(server, b"SELECT 'a' AS a FORMAT JSONEachRow", **given)
    assert (answer.content, answer.headers["X-ClickHouse-Format"]) == (b'{"a":"a"}\n', "JSONEachRow")
    assert answer.headers["Content-Type"].startswith("application/json")


def test_answers_name_the_query_the_time_zone_and_the_server(server):
    headers = send(server, b"SELECT 1", query_id="my-query").headers
    assert headers["X-ClickHouse-Query-Id"] == "my-query"
    assert headers["X-ClickHouse-Timezone"] == "UTC"
    assert headers["X-ClickHouse-Server-Display-Name"] == "vigilo"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT nothing", 404, 47),
        ("SELECT * FROM nothing", 404, 60),
        ("SELEC 1", 400, 62),
        ("SELECT * FROM nowhere.nothing", 404, 81),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT unknownFunction(1)", 404, 46),
        ("SELECT 1; SELECT 2", 400, 62),
    ],
)
def test_errors_have_clickhouses_codes(server, sql, status, code):
    answer = send(server, sql.encode())
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code)), answer.content
    assert answer.content.startswith(f"Code: {code}. DB::Exception: ".encode())


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_answers_are_packed_as_the_client_asks(server, encoding):
    answer = send(server, b"SELECT number FROM numbers(1000)", {"Accept-Encoding": f"br, {encoding}"})
    assert answer.headers["Content-Encoding"] == encoding
    whole = b"".join(unpacked(_File(answer.content), encoding))
    assert whole == b"".join(b"%d\n" % number for number in range(1000))
    plain = send(server, b"SELECT 1", {"Accept-Encoding": encoding}, enable_http_compression="0")
    assert plain.content == b"1\n"


def test_an_encoding_of_quality_zero_is_not_wanted():
    assert compressed(b"x", "gzip;q=0, identity") == (b"x", "")


def test_requests_do_not_see_each_others_settings(server):
    send(server, b"SET max_threads = 3")
    send(server, b"USE system")
    assert send(server, b"SELECT currentDatabase(), getSetting('max_threads') = 3").content == b"otel\t0\n"
    assert send(server, b"SELECT currentDatabase()", database="system").content == b"system\n"
    answer = send(server, b"SELECT currentDatabase()", {"X-ClickHouse-Database": "system"}, database="")
    assert answer.content == b"system\n"


def test_a_session_keeps_what_was_set_and_not_the_settings_of_one_request(server):
    mine = {"session_id": "mine"}
    send(server, b"SET max_threads = 3", **mine)
    send(server, b"CREATE TEMPORARY TABLE kept AS SELECT 7 AS a", **mine)
    assert send(server, b"SELECT a, getSetting('max_threads') FROM kept", **mine, max_threads="5").content == b"7\t5\n"
    assert send(server, b"SELECT a, getSetting('max_threads') FROM kept", **mine).content == b"7\t3\n"
    assert send(server, b"SELECT a FROM kept", session_id="another").headers["X-ClickHouse-Exception-Code"] == "60"
    lost = send(server, b"SELECT 1", session_id="never opened", session_check="1")
    assert (lost.status, lost.headers["X-ClickHouse-Exception-Code"]) == (404, "372")


def test_a_session_takes_one_request_at_a_time(server):
    slow = threading.Thread(
        target=send, args=(server, b"SELECT sleepEachRow(0.2) FROM numbers(14)"), kwargs={"session_id": "s"}
    )
    slow.start()
    try:
        while not server.count("system.processes", "query LIKE '%sleepEachRow(0.2)%' AND query NOT LIKE '%processes%'"):
            assert slow.is_alive(), "it ended before it was seen"
        answer = send(server, b"SELECT 1", session_id="s")
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (423, "373")
    finally:
        slow.join()


def test_a_readers_query_ends_when_the_client_goes_away(server):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/", b"SELECT count(), 'gone' FROM numbers(1000000000000)")
    running = "query LIKE '%\\'gone\\'%' AND query NOT LIKE '%processes%'"
    while not server.count("system.processes", running):
        pass
    connection.close()
    while server.count("system.processes", running):  # the limit of a minute would fail the test by its time
        pass


def test_many_ask_at_once(server):
    server.execute("INSERT INTO t SELECT number, 'x' FROM numbers(1000)")
    answers = []

    def ask():
        answers.extend(send(server, b"SELECT count() FROM t").content for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"1000\n"] * 100


def test_a_body_is_bounded_also_unpacked():
    packed = _File(zstandard.ZstdCompressor().compress(bytes(50_000_000)))
    with pytest.raises(Refused, match="larger than 1,000,000 bytes"):
        for _ in bounded(unpacked(packed, "zstd"), 1_000_000):
            pass


@pytest.mark.parametrize(
    ("sql", "head", "settings", "name", "data"),
    [
        ("INSERT INTO t FORMAT CSV\n1,2", "INSERT INTO t", "", "CSV", "1,2"),
        ("INSERT INTO t FORMAT CSV \r\n 1", "INSERT INTO t", "", "CSV", " 1"),
        ("INSERT INTO t VALUES (1)", "INSERT INTO t", "", "Values", " (1)"),
        (
            "INSERT INTO f(a) SETTINGS b='x FORMAT y' FORMAT TSV",
            "INSERT INTO f(a)",
            "SETTINGS b='x FORMAT y'",
            "TSV",
            "",
        ),
        ("INSERT INTO t (`FORMAT`, values) VALUES", "INSERT INTO t (`FORMAT`, values)", "", "Values", ""),
    ],
)
def test_where_the_rows_of_an_insert_begin(sql, head, settings, name, data):
    insert = insert_with_data(sql)
    assert (insert.head, insert.settings, insert.format, sql[insert.data_at :]) == (head, settings, name, data)


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "", "INSERT INTO t SELECT 1", "INSERT INTO t WITH 1 AS x SELECT x", "-- INSERT"]
)
def test_statements_without_rows_behind_them(sql):
    assert insert_with_data(sql) is None


def test_only_the_last_format_outside_of_brackets_counts():
    assert output_format("SELECT 'FORMAT CSV' -- FORMAT TSV", "Native") == "Native"
    assert output_format("SELECT formatRow('CSV', 1) FORMAT JSON;", "Native") == "JSON"


class _File:
    """Bytes that are read as from a file."""

    def __init__(self, content):
        self._rest = content

    def read(self, size):
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece
