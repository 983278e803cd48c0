"""A server asked over HTTP: answers, refusals, and all that a network does to both."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import threading
from urllib.parse import quote

import pytest
import zstandard
from tests.exporter.clickhouse.canned import canned
from tests.exporter.clickhouse.faulty_proxy import BUSY, CUT_BODY, DROP_AFTER, DROP_BEFORE, faulty_proxy
from tests.exporter.clickhouse.server import clickhouse_server, free_port  # noqa: F401 - a fixture

from vigilo.errors import StoreError
from vigilo.settings import Settings
from vigilo_exporter import native
from vigilo_exporter.clickhouse.database import ClickHouseError
from vigilo_exporter.clickhouse.http import HttpDatabase, ShortWriteError
from vigilo_exporter.spool import Segment

COLUMNS = (("Word", "String"), ("Number", "UInt64"))
MAKE = (
    "CREATE TABLE words (Word String, Number UInt64) ENGINE = MergeTree ORDER BY Number "
    "SETTINGS non_replicated_deduplication_window = 100"
)


def database(server, **options):
    return HttpDatabase(server.url, user=server.user, password=server.token, database=server.database, **options)


def segment(folder, number, words):
    block = native.block(COLUMNS, [words, list(range(len(words)))])
    path = folder / Segment(number, 1, "0123abcd", number, len(words), "words").name
    path.write_bytes(zstandard.compress(block))
    return path


def test_rows_of_every_kind_come_as_the_embedded_engine_gives_them(clickhouse_server):  # noqa: F811
    text = "a\tb\n'c' \\ \"d\" ü 😀\u2028e"
    rows = database(clickhouse_server).query(
        "SELECT {text:String} AS text, {number:UInt64} AS number, toUInt64(18446744073709551615) AS big, "
        "toDecimal64(1.50, 9) AS cost, 0 / 0 AS nan, toDateTime('2026-11-01 00:00:00') AS at, timezone() AS zone",
        {"text": text, "number": 7},
    )
    assert rows == [
        {
            "text": text,
            "number": 7,
            "big": 18446744073709551615,
            "cost": "1.5",
            "nan": None,
            "at": "2026-11-01 00:00:00",
            "zone": "UTC",
        }
    ]


def test_a_query_can_change_nothing(clickhouse_server):  # noqa: F811
    with pytest.raises(ClickHouseError):
        database(clickhouse_server).query("CREATE TABLE changed (A String) ENGINE = Memory")
    assert clickhouse_server.rows("SELECT 1 FROM system.tables WHERE name = 'changed'") == []


def test_files_go_in_as_one_insert_that_counts_once(clickhouse_server, tmp_path):  # noqa: F811
    one = database(clickhouse_server)
    one.execute(MAKE)
    files = [segment(tmp_path, number, [f"{number}-{row}" for row in range(100)]) for number in range(5)]
    for _ in range(3):
        one.insert("words", COLUMNS, files, "a token's name")
    found = clickhouse_server.rows("SELECT count() AS rows, uniqExact(Word) AS words FROM words")
    assert found == [{"rows": 500, "words": 500}]
    parts = (
        "SELECT count() AS parts FROM system.parts WHERE database = currentDatabase() AND table = 'words' AND active"
    )
    assert clickhouse_server.rows(parts) == [{"parts": 1}]


def test_lines_of_json_go_in_too(clickhouse_server, tmp_path):  # noqa: F811
    one = database(clickhouse_server)
    one.execute(MAKE)
    path = tmp_path / "changes.jsonl"
    path.write_text('["ä\\n", "7"]\n["b", 8]\n', "utf-8")
    one.insert("words", COLUMNS, [path], "t")
    found = one.query("SELECT Word, Number FROM words ORDER BY Number")
    assert found == [{"Word": "ä\n", "Number": 7}, {"Word": "b", "Number": 8}]


def test_nothing_of_a_group_goes_in_when_a_file_is_unreadable(clickhouse_server, tmp_path):  # noqa: F811
    one = database(clickhouse_server)
    one.execute(MAKE)
    good, bad = segment(tmp_path, 1, ["a"]), segment(tmp_path, 2, ["b"])
    bad.write_bytes(zstandard.compress(b"no block of columns" * 20))
    with pytest.raises(ClickHouseError) as refused:
        one.insert("words", COLUMNS, [good, bad], "t")
    assert refused.value.code
    assert clickhouse_server.count("words") == 0


@pytest.mark.parametrize(
    ("sql", "code"),
    [("SELECT * FROM nowhere", 60), ("SELECT FROM WHERE", 62), ("SELECT nothing", 47), ("SELECT throwIf(1)", 395)],
)
def test_a_refusal_has_the_code_and_a_short_text(clickhouse_server, sql, code):  # noqa: F811
    with pytest.raises(ClickHouseError) as refused:
        database(clickhouse_server).query(sql)
    assert refused.value.code == code
    assert str(refused.value).startswith("ClickHouse: ")
    assert "version" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_wrong_password_is_refused_and_not_told(clickhouse_server):  # noqa: F811
    wrong = HttpDatabase(clickhouse_server.url, user=clickhouse_server.user, password="wr0ng")
    with pytest.raises(ClickHouseError) as refused:
        wrong.query("SELECT 1")
    assert refused.value.code == 516
    assert refused.value.executed is False
    assert "wr0ng" not in str(refused.value)


def test_the_database_can_be_made_through_it(clickhouse_server):  # noqa: F811
    other = HttpDatabase(clickhouse_server.url_with_user, database=f"{clickhouse_server.database}_made")
    with pytest.raises(ClickHouseError) as absent:
        other.query("SELECT 1")
    assert absent.value.code == 81
    other.execute(f"CREATE DATABASE `{clickhouse_server.database}_made`")
    assert other.query("SELECT currentDatabase() AS name") == [{"name": f"{clickhouse_server.database}_made"}]
    other.execute(f"DROP DATABASE `{clickhouse_server.database}_made`")


@pytest.mark.parametrize(
    ("fault", "executed", "rows"),
    [(BUSY, False, 0), (DROP_BEFORE, None, 0), (DROP_AFTER, None, 2), (CUT_BODY, None, 0)],
)
def test_an_insert_without_an_answer_may_be_executed(clickhouse_server, tmp_path, fault, executed, rows):  # noqa: F811
    database(clickhouse_server).execute(MAKE)
    files = [segment(tmp_path, 1, ["a", "b"])]
    with faulty_proxy(clickhouse_server.url) as proxy:
        one = HttpDatabase(
            proxy.url,
            user=clickhouse_server.user,
            password=clickhouse_server.token,
            database=clickhouse_server.database,
        )
        proxy.faults.append(fault)
        with pytest.raises(ClickHouseError) as failed:
            one.insert("words", COLUMNS, files, "t")
        assert failed.value.executed is executed
        assert clickhouse_server.count("words") == rows
        one.insert("words", COLUMNS, files, "t")
        assert clickhouse_server.count("words") == 2


def test_a_dead_endpoint_is_passed_over(clickhouse_server):  # noqa: F811
    dead = f"http://127.0.0.1:{free_port()}"
    one = HttpDatabase(f"{dead},{clickhouse_server.url_with_user}", database=clickhouse_server.database)
    assert one.endpoints == (dead, clickhouse_server.url)
    assert one.query("SELECT 1 AS one") == [{"one": 1}]
    assert one.endpoints == (clickhouse_server.url, dead)
    with pytest.raises(ClickHouseError, match=r"cannot reach http://127\.0\.0\.1:\d+ \(Connection refused\)") as failed:
        one.at(dead).query("SELECT 1")
    assert failed.value.executed is False


# Without an engine: what is sent, and answers that a real one gives seldom


def rows_of(*answers, **options):
    with canned(*answers) as server:
        return HttpDatabase(server.url, **options).query("SELECT 1")


def test_secrets_are_sent_in_headers_and_decoded_from_the_url():
    password = "p@ss:wörd/,%"
    with canned() as server:
        url = server.url.replace("://", f"://us%40er:{quote(password, safe='')}@")
        for one in (HttpDatabase(url), HttpDatabase(server.url, user="us@er", password=password)):
            one.query("SELECT 1")
        HttpDatabase(server.url, user="us@er", password=password, token="t0ken").query("SELECT 1")
        for _, headers, parameters, _ in server.seen[:2]:
            assert headers["X-ClickHouse-User"] == "us@er"
            assert headers["X-ClickHouse-Key"].encode("latin-1").decode() == password
            assert password not in str(parameters)
        assert server.seen[2][1]["Authorization"] == "Bearer t0ken"
        assert "X-ClickHouse-Key" not in server.seen[2][1]
        assert str(HttpDatabase(url).endpoints) == f"('{server.url}',)"


def test_a_secret_that_cannot_be_sent_is_refused_without_being_told():
    with pytest.raises(StoreError) as refused:
        HttpDatabase("http://127.0.0.1", user="u", password="secret\n")
    assert "secret" not in str(refused.value)
    assert "control character" in str(refused.value)


def test_the_settings_name_everything(tmp_path):
    settings = Settings(
        home=tmp_path,
        clickhouse_url="https://a.example,http://[::1]:9000",
        clickhouse_user="u",
        clickhouse_database="telemetry",
    )
    assert HttpDatabase.of(settings).endpoints == ("https://a.example:8443", "http://[::1]:9000")


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b'{"a":1}\n')),
        ("zstd", zstandard.compress(b'{"a":1}\n')),
        ("", b'{"a":1}\n'),
    ],
)
def test_packed_answers_are_read(encoding, packed):
    assert rows_of((200, {"Content-Encoding": encoding}, packed)) == [{"a": 1}]


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}" * 99)[:-9]), "is cut off", 0),
        ((200, {"Content-Encoding": "br"}, b"x"), "is packed as br", 0),
        ((200, {}, b"<html>"), "is no ClickHouse", 0),
        ((200, {"Content-Length": "99", "Connection": "close"}, b"{"), "no answer from", 0),
        ((502, {}, b"<html>bad gateway</html>"), "HTTP status 502", 0),
        ((301, {"Location": "http://elsewhere/"}, b""), "HTTP status 301", 0),
        ((500, {"X-ClickHouse-Exception-Code": "241"}, b""), "HTTP status 500", 241),
        ((200, {}, b'{"a":1}\nCode: 241. DB::Exception: Memory limit. (MEMORY_LIMIT_EXCEEDED)\n'), "Memory limit", 241),
        (
            (
                200,
                {"X-ClickHouse-Exception-Tag": "abcdefgh"},
                b'{"a":1}\n__exception__\r\nabcdefgh\r\nCode: 395. DB::Exception: '
                b"No. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.1.1.1)\r\n99 abcdefgh\r\n__exception__\r\n",
            ),
            "ClickHouse: No. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO 395)",
            395,
        ),
    ],
    ids=["cut", "unknown packing", "a page", "cut off", "gateway", "redirect", "no body", "late", "late and tagged"],
)
def test_what_is_no_answer_is_an_error(answer, message, code):
    with pytest.raises(ClickHouseError) as failed:
        rows_of(answer)
    assert message in str(failed.value)
    assert failed.value.code == code
    assert failed.value.executed is None


def test_a_row_that_quotes_an_error_is_a_row():
    row = b'{"a":"x\\nCode: 241. DB::Exception: y"}\n'
    assert rows_of((200, {}, row)) == [{"a": "x\nCode: 241. DB::Exception: y"}]


def test_a_view_that_fails_is_named_however_long_the_message():
    text = "Code: 6. DB::Exception: " + "x" * 2000 + ": while pushing to view otel.v (uuid). (CANNOT_PARSE_TEXT)"
    with pytest.raises(ClickHouseError, match=r"while pushing to view otel\.v"):
        rows_of((500, {}, text.encode()))


@pytest.mark.parametrize(("written", "short"), [(9, True), (0, True), (10, False), (40, False), (None, False)])
def test_fewer_rows_than_were_sent_are_told(tmp_path, written, short):
    headers = {} if written is None else {"X-ClickHouse-Summary": f'{{"written_rows":"{written}"}}'}
    with canned((200, headers, b"")) as server:
        one, files = HttpDatabase(server.url), [segment(tmp_path, 1, ["a"] * 10)]
        if not short:
            one.insert("words", COLUMNS, files, "t")
            return
        with pytest.raises(ShortWriteError, match=f"wrote {written} of 10 rows") as failed:
            one.insert("words", COLUMNS, files, "t")
        assert failed.value.written == written


def test_a_user_who_may_only_read_is_not_asked_to():
    refusal = b"Code: 164. DB::Exception: Cannot modify 'readonly' setting in readonly mode. (READONLY)"
    with canned((500, {"X-ClickHouse-Exception-Code": "164"}, refusal), (200, {}, b'{"a":1}\n')) as server:
        one = HttpDatabase(server.url)
        assert one.query("SELECT 1") == [{"a": 1}]
        assert one.query("SELECT 1") == []
        assert ["readonly" in parameters for _, _, parameters, _ in server.seen] == [True, False, False]


def test_connections_are_used_again_and_made_anew_when_the_server_closed_them():
    with canned((200, {}, b""), (200, {"Connection": "close"}, b"")) as server:
        one = HttpDatabase(server.url)
        for _ in range(3):
            one.query("SELECT 1")
        first, second, third = (address for address, *_ in server.seen)
        assert first == second
        assert third != first


def test_a_server_that_was_restarted_is_asked_over_a_new_connection():
    port = free_port()
    one = HttpDatabase(f"http://127.0.0.1:{port}")
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)) as listener:
            answered = threading.Thread(target=answer_once, args=(listener,))
            answered.start()
            assert one.query("SELECT 1") == [{"a": 1}]
            answered.join()


def answer_once(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a":1}\n')


def test_threads_share_it():
    with canned() as server:
        one = HttpDatabase(server.url)
        failures = []

        def ask():
            try:
                for _ in range(20):
                    one.query("SELECT 1")
            except ClickHouseError as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(server.seen) == 160


def test_a_server_that_does_not_answer_in_time_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = HttpDatabase(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.05)
        with pytest.raises(ClickHouseError, match="no answer from") as failed:
            one.query("SELECT 1")
        assert failed.value.executed is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return folder / "cert.pem", folder / "key.pem"


def test_tls_is_verified(certificate, monkeypatch):
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with canned(context=context) as server:
        url = f"https://localhost:{server.port}"
        with pytest.raises(ClickHouseError, match="certificate verify failed") as failed:
            HttpDatabase(url).query("SELECT 1")
        assert failed.value.executed is False
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        trusting = HttpDatabase(url)
        assert trusting.query("SELECT 1") == []
        trusting.close()
        with pytest.raises(ClickHouseError, match="certificate verify failed"):
            HttpDatabase(url.replace("localhost", "127.0.0.1")).query("SELECT 1")


FORKED = """
import os, sys
from vigilo_exporter.clickhouse.http import HttpDatabase
database = HttpDatabase(sys.argv[1])
database.query("SELECT 1")
child = os.fork()
database.query("SELECT 1")
if child == 0:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
database.query("SELECT 1")
"""


def test_a_forked_child_has_connections_of_its_own(python):
    with canned() as server:
        done = python("-c", FORKED, server.url)
        assert done.returncode == 0, done.stderr
        assert len(server.seen) == 4
        assert len({address for address, *_ in server.seen}) == 2
