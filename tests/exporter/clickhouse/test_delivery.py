"""The delivery to a server, as seen on the wire: which token goes where, what waits, what is set aside."""

from __future__ import annotations

import json

import pytest
from tests.exporter.clickhouse.canned import HANG_UP, canned
from tests.exporter.clickhouse.server import free_port

from vigilo_exporter import native
from vigilo_exporter.clickhouse.database import ClickHouseError
from vigilo_exporter.clickhouse.http import HttpDatabase
from vigilo_exporter.clickhouse.ingest import Ingest
from vigilo_exporter.clickhouse.manifest import Manifest
from vigilo_exporter.convert.columns import COLUMNS
from vigilo_exporter.spool import Spool

EMPTY = {"String": "", "LowCardinality(String)": ""}
NO_ANSWER = (HANG_UP, {}, b"")


def error(code, text="No.", status=500):
    return status, {"X-ClickHouse-Exception-Code": str(code)}, f"Code: {code}. DB::Exception: {text} (NAME)".encode()


def wrote(rows):
    return 200, {"X-ClickHouse-Summary": json.dumps({"written_rows": str(rows)})}, b""


@pytest.fixture
def spool(home):
    return Spool(home)


@pytest.fixture
def write(spool):
    """Writes segments of ten rows each; they need not be good ones, as no engine reads them."""

    def write_segments(count, table="otel_traces"):
        return [spool.write(table, native.block((("A", "String"),), [["a"] * 10]), 10) for _ in range(count)]

    return write_segments


def deliver(spool, *servers):
    return Ingest(HttpDatabase(",".join(servers)), spool.folder).run()


def inserts(server):
    """Table and token of each insert."""
    return [
        (parameters["query"].split()[2], parameters["insert_deduplication_token"])
        for _, _, parameters, _ in server.seen
        if "insert_deduplication_token" in parameters
    ]


def manifests(spool):
    return [json.loads(path.read_text()) for path in sorted(spool.folder.glob("*.manifest"))]


def waiting(spool):
    return [path.name for path in spool.segments()]


def test_a_group_is_one_insert_of_the_segments_bytes(spool, write):
    names = write(3)
    whole = b"".join((spool.folder / name).read_bytes() for name in names)
    with canned(wrote(30)) as server:
        done = deliver(spool, server.url)
        (_, headers, parameters, body) = server.seen[0]
    assert (done.segments, done.rows, done.quarantined) == (3, (("otel_traces", 30),), ())
    assert body == whole
    assert headers["Content-Encoding"] == "zstd"
    assert parameters["query"].endswith(") FORMAT Native")
    assert parameters["query"].count("`") == 2 * len(COLUMNS["otel_traces"])
    wanted = {
        "database": "otel",
        "insert_deduplicate": "1",
        "deduplicate_blocks_in_dependent_materialized_views": "1",
        "max_insert_threads": "1",
        "async_insert": "0",
        "max_partitions_per_insert_block": "0",
        "wait_end_of_query": "1",
    }
    assert wanted.items() <= parameters.items()
    assert (waiting(spool), manifests(spool)) == ([], [])


def test_what_was_not_answered_goes_to_the_same_endpoint_under_the_same_token(spool, write):
    names = write(2)
    with canned(NO_ANSWER, NO_ANSWER, wrote(20)) as first, canned() as second:
        for _ in range(2):
            with pytest.raises(ClickHouseError):
                deliver(spool, first.url, second.url)
            (manifest,) = manifests(spool)
            assert (manifest["endpoint"], manifest["segments"]) == (first.url, names)
        assert deliver(spool, second.url, first.url).segments == 2
        assert len(inserts(first)) == 3
        assert len(set(inserts(first))) == 1
        assert inserts(second) == []
    assert (waiting(spool), manifests(spool)) == ([], [])


def test_others_do_not_wait_for_an_endpoint_that_owes_an_answer(spool, write):
    write(1)
    with canned() as second:
        with canned(NO_ANSWER) as first, pytest.raises(ClickHouseError):
            deliver(spool, first.url, second.url)
        (owed,) = manifests(spool)
        write(1)
        with pytest.raises(ClickHouseError, match="cannot reach"):
            deliver(spool, first.url, second.url)
        assert manifests(spool) == [owed]
        assert waiting(spool) == owed["segments"]
        assert len(inserts(second)) == 1
        assert deliver(spool, second.url).segments == 1, "the endpoint is in the settings no more"


def test_what_an_endpoint_refused_goes_to_the_next(spool, write):
    write(1)
    with canned(error(202, status=503)) as busy, canned(wrote(10)) as other:
        dead = f"http://127.0.0.1:{free_port()}"
        assert deliver(spool, dead, busy.url, other.url).segments == 1
        assert inserts(busy) == inserts(other)


@pytest.mark.parametrize(
    "answer", [error(202, status=503), error(516, status=403), error(241), error(252), (502, {}, b"")]
)
def test_what_has_to_wait_stays_as_it_is(spool, write, answer):
    names = write(2)
    with canned(answer, answer, wrote(20)) as server:
        for _ in range(2):
            with pytest.raises(ClickHouseError):
                deliver(spool, server.url)
            assert waiting(spool) == names
        assert deliver(spool, server.url).segments == 2
        assert len(set(inserts(server))) == 1
    assert spool.quarantined() == []


def test_a_table_that_has_to_wait_holds_up_no_other(spool, write):
    write(1, "otel_logs")
    write(1, "otel_traces")
    with canned(error(252), wrote(10)) as server, pytest.raises(ClickHouseError):
        deliver(spool, server.url)
    assert [name.split(".")[1] for name in waiting(spool)] == ["otel_logs"]


def test_a_view_that_fails_is_no_reason_to_send_rows_under_another_name(spool, write):
    names = write(2)
    failing = error(6, "x" * 999 + ": while pushing to view otel.llm_calls_mv (1-2).")
    with canned(failing, failing) as server:
        for _ in range(2):
            with pytest.raises(ClickHouseError):
                deliver(spool, server.url)
        assert len(set(inserts(server))) == 1
    assert waiting(spool) == names


def test_refused_segments_are_found_one_by_one(spool, write):
    first, bad, last = write(3)
    answers = [error(62), wrote(0), error(62), wrote(0), wrote(20)]
    with canned(*answers) as server:
        done = deliver(spool, server.url)
        tables = [table for table, _ in inserts(server)]
        tokens = [token for _, token in inserts(server)]
    assert tables[0] == tables[-1] == "otel_traces"
    assert tables[1:-1] == ["FUNCTION"] * 3
    assert len(set(tokens)) == 5
    assert (done.segments, done.quarantined) == (2, (bad,))
    (piece,) = spool.quarantined()
    assert (piece.name, piece.reason) == (bad, "ClickHouse: No. (NAME 62)")
    assert {first, last} & set(waiting(spool)) == set()


def test_segments_that_only_this_table_refuses_are_sent_alone(spool, write):
    names = write(2)
    with canned(error(53), wrote(0), wrote(0), wrote(10), error(53), wrote(0)) as server:
        done = deliver(spool, server.url)
    assert (done.segments, done.quarantined) == (1, (names[1],))


@pytest.mark.parametrize("answers", [[wrote(19)], [wrote(0), wrote(0)], [wrote(0), wrote(7)]])
def test_fewer_rows_than_were_sent_are_never_taken_for_all(spool, write, answers):
    names = write(2)
    with canned(*answers) as server:
        done = deliver(spool, server.url)
        assert len(set(inserts(server))) == 1
    assert done.quarantined == tuple(names)
    assert {piece.name for piece in spool.quarantined()} == set(names)
    assert all("of 20 rows: look which rows are there" in piece.reason for piece in spool.quarantined())


@pytest.mark.parametrize("answers", [[NO_ANSWER, wrote(0)], [NO_ANSWER, wrote(20)], [NO_ANSWER, wrote(60)]])
def test_rows_that_a_server_had_already_are_delivered(spool, write, answers):
    write(2)
    with canned(*answers) as server:
        with pytest.raises(ClickHouseError):
            deliver(spool, server.url)
        assert deliver(spool, server.url).segments == 2
    assert (waiting(spool), spool.quarantined()) == ([], [])


def test_what_is_left_of_a_group_that_may_be_there_is_not_sent_as_another_insert(spool, write):
    first, second = write(2)
    with canned(NO_ANSWER) as server:
        with pytest.raises(ClickHouseError):
            deliver(spool, server.url)
        (spool.folder / first).unlink()
        assert deliver(spool, server.url).quarantined == (second,)
        assert len(inserts(server)) == 1
    assert (waiting(spool), manifests(spool)) == ([], [])
    assert "look whether its rows are there" in spool.quarantined()[0].reason


def test_what_is_left_of_a_group_that_no_server_took_is_sent(spool, write):
    first, second = write(2)
    with canned(error(202, status=503), wrote(10)) as server:
        with pytest.raises(ClickHouseError):
            deliver(spool, server.url)
        content = (spool.folder / second).read_bytes()
        (spool.folder / first).unlink()
        assert deliver(spool, server.url).segments == 1
        assert server.seen[1][3] == content
    assert (waiting(spool), manifests(spool)) == ([], [])


def test_what_was_acknowledged_is_not_sent_again(spool, write):
    names = write(2)
    content = {"table": "otel_traces", "segments": names, "endpoint": "", "acknowledged": True}
    (spool.folder / "1.otel_traces.manifest").write_text(json.dumps(content))
    with canned() as server:
        deliver(spool, server.url)
        assert server.seen == []
    assert (waiting(spool), manifests(spool)) == ([], [])


def test_what_another_began_meanwhile_is_not_sent_under_another_name(spool, write):
    begun, _ = write(2)
    with canned(wrote(10)) as server:

        def begin():
            """Another sender's manifest appears after the round has looked for manifests."""
            Manifest.new("otel_traces", (begun,), server.url).write(spool.folder)
            return True

        Ingest(HttpDatabase(server.url), spool.folder, go_on=begin).run()
        assert len(inserts(server)) == 1
    assert [path.name for path in spool.segments()] == [begun]
    assert [manifest["segments"] for manifest in manifests(spool)] == [[begun]]


def test_a_manifest_of_an_older_version_is_finished(spool, write):
    names = write(2)
    (spool.folder / "1.otel_traces.manifest").write_text(json.dumps({"table": "otel_traces", "segments": names}))
    with canned(wrote(20)) as server:
        assert deliver(spool, server.url).segments == 2
        assert inserts(server) == [("otel_traces", "1.otel_traces.manifest")]


def test_a_round_can_be_ended_early(spool, write):
    write(1, "otel_logs")
    write(1, "otel_traces")
    with canned() as server:
        asked = iter([True, False, False])
        Ingest(HttpDatabase(server.url), spool.folder, go_on=lambda: next(asked)).run()
        assert len(server.seen) == 1
    assert len(waiting(spool)) == 1
