"""`vigilo spool` tells what lies there, shows rows, delivers again, and deletes only what it is asked to."""

import json
import os
import re
import time

import pytest
from tests.exporter.clickhouse.server import clickhouse_server  # noqa: F401 - a fixture

from vigilo_exporter import native
from vigilo_exporter.convert.columns import COLUMNS, LOGS, TRACES
from vigilo_exporter.native_reader import read_segment
from vigilo_exporter.spool import Segment, Spool, SpoolLimits

DAY_NS = 86_400 * 10**9
GONE = Segment(1, 1, "0123abcd", 0, 5, TRACES).name


def block(table, rows, **values):
    """Rows of a table, all alike, with empty values but for those given."""
    empty = {"Array": [], "Map": {}, "String": "", "LowCardinality": "", "Bool": False, "Float64": 0.0}
    data = [[values.get(name, empty.get(type_.partition("(")[0], 0))] * rows for name, type_ in COLUMNS[table]]
    return native.block(COLUMNS[table], data)


def written(home, rows=2, table=TRACES, days=0, **values):
    """A segment that was written days ago."""
    spool = Spool(home)
    name = spool.write(table, block(table, rows, **values), rows)
    if days:
        renamed = Segment.parse(name)
        older = Segment(
            time.time_ns() - int(days * DAY_NS),
            *(getattr(renamed, each) for each in ("pid", "instance", "number", "rows", "table")),
        ).name
        os.rename(spool.folder / name, spool.folder / older)
        return older
    return name


def manifest(home, *segments):
    content = {"table": TRACES, "segments": segments}
    (home / "spool" / "00000000000000000001-1.otel_traces.manifest").write_text(json.dumps(content))


def waiting(home):
    return [path.name for path in Spool(home).segments()]


@pytest.fixture
def listed(vigilo_command):
    def ask():
        done = vigilo_command("spool", "ls", "--format", "json")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return json.loads(done.stdout)

    return ask


def test_everything_is_listed_with_its_state_rows_size_and_age(home, listed):
    old, begun, refused = written(home, 3, LOGS, days=2), written(home), written(home)
    manifest(home, begun)
    Spool(home).set_aside(refused, "no such column")
    (home / "spool" / "quarantine" / "holiday.jpg").write_bytes(b"beach")
    document = listed()
    assert document["folder"] == str(home / "spool")
    pieces = {piece.pop("name"): piece for piece in document["pieces"]}
    assert {name: (piece["state"], piece["table"], piece["rows"], piece["note"]) for name, piece in pieces.items()} == {
        old: ("waiting", LOGS, 3, ""),
        begun: ("begun", TRACES, 2, "00000000000000000001-1.otel_traces.manifest"),
        refused: ("quarantined", TRACES, 2, "no such column"),
        "holiday.jpg": ("quarantined", "", 0, "unknown"),
    }
    assert 172_700 < pieces[old]["age_s"] < 173_000
    assert pieces[begun]["bytes"] == (home / "spool" / begun).stat().st_size
    assert re.fullmatch(r"20\d\d-.*\+00:00", pieces[begun]["written_at"])
    assert document["drops"] == []


def test_an_empty_home_is_listed_and_not_made(home, listed, vigilo_command):
    assert listed() == {"folder": str(home / "spool"), "pieces": [], "drops": []}
    done = vigilo_command("spool", "ls")
    assert "waiting: 0 files, 0 rows, 0 bytes" in done.stdout
    assert not home.exists()


def test_the_text_tells_the_same_and_the_newest_of_many(home, vigilo_command):
    names = [written(home, number + 1) for number in range(4)]
    Spool(home).set_aside(names[3], "no such column [x]")
    limited = Spool(home, SpoolLimits(max_bytes=1))
    dropped = limited.write(LOGS, block(LOGS, 7), 7)
    names = [written(home, 1) for _ in range(3)]
    Spool(home).set_aside(names[0], "no such column [x]")
    done = vigilo_command("spool", "ls", "--limit", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "waiting: 2 files, 2 rows" in done.stdout
    assert "and 1 older; --limit shows more" in done.stdout
    assert names[2] in done.stdout
    assert names[1] not in done.stdout
    assert "no such column [x]" in done.stdout
    assert "dropped, and lost:" in done.stdout
    assert re.search(r"otel_logs +1 +7 .*spool_max_bytes", done.stdout)
    assert dropped not in done.stdout


def test_rows_are_shown_as_lines_of_json(home, vigilo_command):
    at = 1_795_253_894_714_369_686
    name = written(home, 3, Timestamp=at, SpanName="chat", SpanAttributes={"k": "naïve"}, **{"Events.Timestamp": [at]})
    done = vigilo_command("spool", "show", name, "--format", "json", "--limit", "2")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert list(first) == [column for column, _ in COLUMNS[TRACES]]
    assert first["Timestamp"] == "2026-11-21 09:38:14.714369686"
    assert first["Events.Timestamp"] == ["2026-11-21 09:38:14.714369686"]
    assert first["SpanAttributes"] == {"k": "naïve"}
    assert done.stderr == "2 of 3 rows; --limit shows more\n"


def test_numbers_that_json_has_not_are_null(home, vigilo_command):
    table = "otel_metrics_gauge"
    name = written(home, 1, table, Value=float("nan"), **{"Exemplars.Value": [1.5, float("inf")]})
    [line] = vigilo_command("spool", "show", name, "--format", "json").stdout.splitlines()
    row = json.loads(line, parse_constant=pytest.fail)
    assert (row["Value"], row["Exemplars.Value"]) == (None, [1.5, None])


def test_rows_are_shown_to_people_without_the_empty_columns(home, vigilo_command):
    name = written(home, 1, SpanName="chat [bold]", SpanAttributes={"gen_ai.request.model": "gpt-4o"})
    Spool(home).set_aside(name, "why")  # there, too
    done = vigilo_command("spool", "show", name)
    assert "chat [bold]" in done.stdout
    assert re.search(r"SpanAttributes\[gen_ai.request.model\] +gpt-4o", done.stdout)
    assert "StatusMessage" not in done.stdout


@pytest.mark.parametrize("name", ["holiday.jpg", "../user_id.key", "dropped.jsonl", GONE])
def test_nothing_but_segments_of_the_spool_is_shown(home, vigilo_command, name):
    written(home)
    (home / "user_id.key").write_text("secret")
    (home / "spool" / "dropped.jsonl").write_text("{}")
    (home / "spool" / "holiday.jpg").write_text("beach")
    done = vigilo_command("spool", "show", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert "`vigilo spool ls` lists what is there" in done.stderr


def test_a_broken_segment_is_told(home, vigilo_command):
    name = written(home)
    (home / "spool" / name).write_bytes(b"holiday")
    done = vigilo_command("spool", "show", name)
    assert done.returncode == 1
    assert "cannot be read as rows: " in done.stderr


def test_segments_are_put_back_by_name_or_all_and_foreign_files_are_not(home, vigilo_command):
    names = [written(home) for _ in range(3)]
    spool = Spool(home)
    for name in names:
        spool.set_aside(name, "why")
    (spool.folder / "quarantine" / "holiday.jpg").touch()
    done = vigilo_command("spool", "retry", names[1])
    assert done.returncode == 0, done.stderr
    assert waiting(home) == [names[1]]
    assert "1 segment put back: `vigilo serve` takes them in at once if it runs" in done.stdout
    done = vigilo_command("spool", "retry")
    assert waiting(home) == names
    assert done.stdout.splitlines()[0] == "1 file not of vigilo: left in quarantine"
    assert [piece.name for piece in spool.quarantined()] == ["holiday.jpg"]
    assert "no segment is in quarantine" in vigilo_command("spool", "retry").stdout


def test_what_is_not_in_quarantine_cannot_be_retried(home, vigilo_command):
    written(home)
    done = vigilo_command("spool", "retry", GONE)
    assert done.returncode == 1
    assert "vigilo spool ls" in done.stderr


def test_a_retry_without_the_server_puts_back_and_says_so(home, vigilo_command):
    name = written(home)
    Spool(home).set_aside(name, "why")
    done = vigilo_command("spool", "retry", environ={"VIGILO_CLICKHOUSE_URL": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert "0 delivered, 1 wait, 0 refused again" in done.stdout
    assert done.stderr.startswith("vigilo: ")
    assert waiting(home) == [name]


@pytest.fixture
def full(home):
    """A spool with a piece of each kind: quarantined, foreign, waiting, of three days ago, begun."""
    names = {"quarantined": written(home), "old": written(home, days=3), "waiting": written(home)}
    names["begun"] = written(home)
    old_and_quarantined = written(home, 5, LOGS, days=3)
    spool = Spool(home)
    for name in (names["quarantined"], old_and_quarantined):
        spool.set_aside(name, "why")
    manifest(home, names["begun"])
    folder = spool.folder / "quarantine" / "photos"
    folder.mkdir()
    (folder / "one.jpg").touch()
    return {**names, "old_and_quarantined": old_and_quarantined, "foreign": "photos"}


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ((), {"waiting", "old", "begun"}),
        (("--all",), {"begun"}),
        (("--older-than", "2d"), {"waiting", "old", "begun", "quarantined", "foreign"}),
        (("--all", "--older-than", "2d"), {"waiting", "begun", "quarantined", "foreign"}),
    ],
)
def test_only_what_was_asked_for_is_deleted(home, full, vigilo_command, listed, options, kept):
    done = vigilo_command("spool", "purge", "--yes", *options)
    assert done.returncode == 0, done.stderr
    document = listed()
    assert {piece["name"] for piece in document["pieces"]} == {full[kind] for kind in kept}
    lost = [
        (kind, rows)
        for kind, rows in (("quarantined", 2), ("old", 2), ("waiting", 2), ("old_and_quarantined", 5))
        if kind not in kept
    ]
    assert sum(drop["segments"] for drop in document["drops"]) == len(lost)
    assert sum(drop["rows"] for drop in document["drops"]) == sum(rows for _, rows in lost)
    assert {drop["reason"] for drop in document["drops"]} == {"purged"}


def test_nothing_is_deleted_without_being_asked(home, full, vigilo_command, listed):
    before = listed()["pieces"]
    done = vigilo_command("spool", "purge")  # and nobody to answer
    assert done.returncode == 1
    assert "Delete 3 files with 7 rows" in done.stdout
    assert [piece["name"] for piece in listed()["pieces"]] == [piece["name"] for piece in before]


def test_reasons_of_what_was_deleted_go_with_it(home, full, vigilo_command):
    assert vigilo_command("spool", "purge", "--yes", "--older-than", "2d").returncode == 0
    lines = (home / "spool" / "quarantine" / "reasons.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == [full["quarantined"]]


def test_an_empty_spool_has_nothing_to_delete(vigilo_command):
    assert "nothing to delete" in vigilo_command("spool", "purge", "--all", "--yes").stdout


def test_a_wrong_length_of_time_is_told(vigilo_command):
    done = vigilo_command("spool", "purge", "--older-than", "soon")
    assert done.returncode == 2
    assert "--older-than is 'soon'" in done.stderr


def test_the_rows_shown_are_those_of_the_segment(home):
    name = written(home, 4, SpanName="chat")
    assert read_segment(home / "spool" / name).row_count == 4


def test_a_retry_sends_to_the_server_at_once_and_says_what_became_of_it(home, vigilo_command, clickhouse_server):  # noqa: F811
    made = vigilo_command("migrate", "apply", environ=clickhouse_server.environ)
    assert made.returncode == 0, made.stderr
    names = [written(home, 3, SpanName=name) for name in ("fine", "broken")]
    broken = home / "spool" / names[1]
    broken.write_bytes(broken.read_bytes()[:-9])
    for name in names:
        Spool(home).set_aside(name, "why")
    done = vigilo_command("spool", "retry", environ=clickhouse_server.environ)
    assert "1 delivered, 0 wait, 1 refused again" in done.stdout, done.stderr
    assert (done.returncode, done.stderr) == (1, "refused: it is empty, cut off or not zstd\n")
    [piece] = Spool(home).quarantined()
    assert (piece.name, piece.reason) == (names[1], "it is empty, cut off or not zstd")
    assert waiting(home) == []
