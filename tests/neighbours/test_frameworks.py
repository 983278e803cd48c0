"""LangChain's instrumentations tell of a model's run, vigilo of its request: one of them may count the tokens."""

import pytest

RUNS = ("langchain", "langchain_stream", "langchain_async", "langchain_stream_async")
CALLS = (*RUNS, "langchain_twice", "langchain_embeddings", "chat", "messages")


@pytest.fixture(params=("vigilo", "neighbour"))
def first(request):
    return request.param


@pytest.fixture(params=("official", "openllmetry"))
def told(request, run, first):
    return run(request.param, first, f"{request.param}-langchain", CALLS)["calls"]


def scopes(call):
    return [span[0] for span in call["spans"] if span[2] is not None]


@pytest.mark.parametrize("call", RUNS)
def test_the_tokens_of_a_run_are_told_by_the_framework(told, call):
    (scope,) = scopes(told[call])
    assert scope.endswith(".langchain")
    assert list(told[call]["tokens"]) == [scope]
    assert told[call]["asked"] == told[call]["requests"] == 1


def test_each_run_of_a_model_is_told(told):
    assert len(scopes(told["langchain_twice"])) == told["langchain_twice"]["requests"] == 2
    assert "vigilo" not in scopes(told["langchain_twice"])


@pytest.mark.parametrize("call", ["langchain_embeddings", "chat", "messages"])
def test_what_the_framework_does_not_tell_is_ours(told, call):
    """OpenLLMetry leaves its mark in the context of what comes after a run."""
    assert scopes(told[call]) == ["vigilo"]


@pytest.mark.parametrize("call", CALLS)
def test_openinference_counts_under_names_of_its_own(run, first, call):
    """So vigilo's are the only tokens among those of the GenAI conventions."""
    told = run("openinference", first, "openinference-langchain", CALLS)["calls"][call]
    assert scopes(told).count("vigilo") == told["requests"]
    assert set(scopes(told)) <= {"vigilo", "openinference.instrumentation.langchain"}
    assert list(told["tokens"]) == ["vigilo"]
