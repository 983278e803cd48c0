"""Names of segments say what is in them, in the old form and the new one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo_exporter.spool import Segment

NEW = "01795298484898292563-29385-c7423295-0-512.otel_metrics_exp_histogram.native.zst"
OLD = "01795298484898292563-29385-c7423295-17.otel_logs.native.zst"


def test_a_name_says_when_by_whom_how_many_rows_and_of_which_table():
    assert Segment.parse(NEW) == Segment(
        time_ns=1_795_298_484_898_292_563,
        pid=29385,
        instance="c7423295",
        number=0,
        rows=512,
        table="otel_metrics_exp_histogram",
    )


def test_an_older_name_does_not_say_the_rows():
    segment = Segment.parse(OLD)
    assert (segment.number, segment.rows, segment.table) == (17, None, "otel_logs")


@pytest.mark.parametrize("name", [NEW, OLD])
def test_a_segment_gives_its_name_again(name):
    assert Segment.parse(name).name == name


@given(
    st.integers(0, 10**20 - 1),
    st.integers(0, 2**31),
    st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    st.integers(0),
    st.none() | st.integers(0),
    st.from_regex(re.compile(r"[a-z_0-9]+", re.ASCII), fullmatch=True),
)
def test_every_segment_is_found_again_by_its_name(time_ns, pid, instance, number, rows, table):
    segment = Segment(time_ns, pid, instance, number, rows, table)
    assert Segment.parse(segment.name) == segment


@pytest.mark.parametrize(
    "name",
    [
        "",
        NEW + ".tmp",
        NEW[1:],
        "x" + NEW,
        NEW.replace("-512", "-0512"),  # one segment, one name
        NEW.replace("29385", "029385"),
        NEW.replace("c7423295", "C7423295"),
        NEW.replace("-512", "-512-1"),
        NEW.replace("29385", "٢٩٣٨٥"),
        NEW.replace("otel_", "otel."),
        NEW + "\n",
        "../" + NEW,
    ],
)
def test_other_names_are_no_segments(name):
    assert Segment.parse(name) is None
