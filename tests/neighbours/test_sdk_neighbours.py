"""Beside another instrumentation of the same SDK, whoever came first, each call is told once and its tokens count once.

Who tells which is in ``table.py``, and in the table of docs/neighbours.md, which is made from it.
"""

from pathlib import Path

import pytest

from .table import CALLS, NEIGHBOURS, SEVERAL_SPANS, TELLS_NO_TOKENS, documented_table

FIRST = ("vigilo", "neighbour")
CONTEXTS = ("open_stream", "entered_late")


@pytest.fixture(params=FIRST)
def first(request):
    return request.param


@pytest.fixture(params=NEIGHBOURS)
def name(request):
    return request.param


@pytest.fixture
def report(run, name, first):
    return run(name, first, name, (*CALLS, *CONTEXTS))


def with_tokens(call):
    return [span for span in call["spans"] if span[2] is not None]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_told_and_counted_once(report, name, call):
    neighbour, told = NEIGHBOURS[name], report["calls"][call]
    ours = call in neighbour.misses
    for scope, *_ in told["spans"]:
        assert scope == "vigilo" if ours else scope.startswith(neighbour.scopes)
    if (name, call) not in SEVERAL_SPANS:
        assert len(told["spans"]) == 1
    no_tokens = call.endswith("_count") or (name, call) in TELLS_NO_TOKENS
    # google-genai's calls of functions are requests of their own, which others tell as one.
    assert len(with_tokens(told)) == (0 if no_tokens else told["requests"] if ours else 1)
    # Some neighbours have no metrics, for some calls or at all.
    assert ("vigilo" in told["tokens"]) == (ours and not no_tokens)
    assert len(told["tokens"]) <= 1


@pytest.mark.parametrize("call", CALLS)
def test_what_was_said_is_masked_whoever_tells_it(report, call):
    assert report["calls"][call]["raw"] == 0


def test_those_who_tell_what_was_said_tell_it_masked(report, name):
    said = {call for call, told in report["calls"].items() if told["masked"]}
    assert ("chat" in said) == (name != "official")  # which tells messages only where it is asked to


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_priced_whoever_tells_it(report, name, call):
    told = report["calls"][call]
    for (scope, _, *tokens), cost in zip(told["spans"], told["costs"], strict=True):
        if tokens != [None, None] and not scope.startswith("logfire"):  # which has a name of its own for it
            assert cost > 0, scope


def test_the_gate_is_asked_for_each_request(report):
    asked = {call: told["asked"] for call, told in report["calls"].items()}
    assert asked == {call: told["requests"] for call, told in report["calls"].items()}
    assert min(asked.values()) == 1


def test_each_neighbour_is_named_once(report, name):
    assert len(report["warnings"]) == len(NEIGHBOURS[name].packages)
    for package in NEIGHBOURS[name].packages:
        assert sum(f"vigilo: {package} records" in said for said in report["warnings"]) == 1


def test_calls_while_a_stream_is_open_are_told_too(report, name):
    """The official instrumentation of anthropic records nothing in the context of its open stream: that is ours."""
    told = report["calls"]["open_stream"]
    assert told["requests"] == 4
    ours = [span for span in told["spans"] if span[0] == "vigilo"]
    assert len(ours) == (3 if name == "official" else 0)
    if name == "official":
        assert [span[2:] for span in told["spans"]] == [[120, 40]] * 4
    elif name != "logfire":  # which tells streams twice
        assert len(told["spans"]) == 4


def test_a_request_after_a_stream_was_made_is_none_of_the_stream(report):
    told = report["calls"]["entered_late"]
    assert told["requests"] == len(with_tokens(told)) == 2


def test_the_documented_table_is_the_tested_one():
    assert documented_table() in (Path(__file__).parents[2] / "docs" / "neighbours.md").read_text("utf-8")


def test_a_wrapped_client_is_seen_in_the_context_that_a_neighbour_left(run):
    told = run("official", "alone", "official", ("wrapped_client",))["calls"]["wrapped_client"]
    assert [span for span in told["spans"] if span[0] == "vigilo"] == [["vigilo", "chat gpt-4o", 120, 40]]
    assert not [span for span in told["spans"] if span[0] == "opentelemetry.instrumentation.genai.openai"]
