"""ClickHouse's HTTP interface over the embedded engine."""

from __future__ import annotations

import pytest
from tests.exporter.clickhouse.faulty_proxy import BUSY, CUT_BODY, DROP_AFTER, DROP_BEFORE, SLOW
from tests.exporter.clickhouse.server import request


@pytest.fixture
def table(clickhouse_server):
    clickhouse_server.execute(
        "CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    return "t"


def test_rows_come_and_go(clickhouse_server, table):
    clickhouse_server.execute('INSERT INTO t FORMAT JSONEachRow\n{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n')
    assert clickhouse_server.rows("SELECT * FROM t ORDER BY a") == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_a_killed_server_comes_back_with_what_it_acknowledged(clickhouse_server, table):
    clickhouse_server.execute("INSERT INTO t VALUES (1, 'x')")
    clickhouse_server.kill()
    clickhouse_server.start()
    assert clickhouse_server.count(table) == 1


@pytest.mark.parametrize(
    ("fault", "status", "kept"),
    [(BUSY, 503, 0), (DROP_BEFORE, None, 0), (DROP_AFTER, None, 1), (CUT_BODY, None, 0), (SLOW, 200, 1)],
)
def test_what_the_proxy_does_to_inserts(proxied_server, table, fault, status, kept):
    server, proxy = proxied_server
    proxy.faults.append(fault)
    proxy.slow_s = 0.1

    def insert():
        target = f"/?database={server.database}&insert_deduplication_token=once"
        user = {"X-ClickHouse-User": server.user, "X-ClickHouse-Key": server.token}
        return request(proxy.url, target, b"INSERT INTO t VALUES (1, 'x')", user)[0]

    if status is None:
        with pytest.raises(ConnectionError):
            insert()
    else:
        assert insert() == status
    assert server.count(table) == kept
    assert insert() == 200
    assert server.count(table) == 1
    assert [(seen.fault, seen.forwarded) for seen in proxy.inserts] == [
        (fault, fault in (DROP_AFTER, SLOW)),
        ("", True),
    ]
    assert proxy.inserts[0].parameters["insert_deduplication_token"] == "once"


def test_a_proxy_can_refuse_connections(proxied_server):
    _, proxy = proxied_server
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        request(proxy.url, "/ping")
    proxy.accept()
    assert request(proxy.url, "/ping") == (200, b"Ok.\n")
