"""``opentelemetry-instrument`` loads every instrumentor it finds; vigilo's distro leaves out those of the same SDKs."""

import pytest

from .table import NEIGHBOURS

CALLS = ("chat", "messages", "generate")
EXPORTERS = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


def scopes(report):
    return [[span[0] for span in report["calls"][call]["spans"]] for call in CALLS]


@pytest.fixture
def load(run):
    def load(name, **variables):
        return run(name, "auto", name, CALLS, **EXPORTERS, **variables)

    return load


@pytest.mark.parametrize("name", ["official", "openllmetry", "openinference"])
def test_instrumentors_of_the_same_sdk_are_left_out(load, name):
    report = load(name)
    assert scopes(report) == [["vigilo"]] * 3
    assert report["warnings"] == []
    for package in NEIGHBOURS[name].packages:
        # The official one for google-genai loads with no version that is tested here, whoever else is there.
        expected = 0 if package == "opentelemetry-instrumentation-google-genai" else 1
        assert report["stderr"].count(f"{package} is not loaded") == expected


def test_the_other_one_is_chosen_by_disabling_ours(load):
    report = load("openllmetry", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="vigilo_openai, vigilo_google")
    openai, anthropic, google = scopes(report)
    assert openai == ["opentelemetry.instrumentation.openai.v1"]
    assert anthropic == ["vigilo"]
    assert google == ["opentelemetry.instrumentation.google_generativeai"]
    assert report["stderr"].count("is not loaded") == 1


def test_instrumentors_of_frameworks_are_loaded(run):
    report = run("openinference", "auto", "openinference", ("langchain",), **EXPORTERS)
    scopes = {span[0] for span in report["calls"]["langchain"]["spans"]}
    assert scopes == {"vigilo", "openinference.instrumentation.langchain"}
