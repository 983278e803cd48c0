"""What `opentelemetry-instrument` makes of vigilo: alone, with the user's own settings, and beside another vendor."""

import pytest

CHAT = """
import openai
with openai.OpenAI() as client:
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
"""
SHOW_PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME
processors = trace.get_tracer_provider()._active_span_processor._span_processors
print([type(processor.span_exporter).__name__ for processor in processors])
"""


@pytest.fixture
def rival(tmp_path):
    """Another vendor's distro and configurator, installed: each says that it ran."""
    packages = tmp_path / "rival"
    info = packages / "acme_distro-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-distro\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_distro]\nacme = acme_distro:Distro\n"
        "[opentelemetry_configurator]\nacme = acme_distro:Configurator\n"
    )
    (packages / "acme_distro.py").write_text(
        "import os\n"
        "from opentelemetry.instrumentation.distro import BaseDistro\n"
        "from opentelemetry.sdk._configuration import _OTelSDKConfigurator\n"
        "class Distro(BaseDistro):\n"
        "    def _configure(self, **kwargs):\n"
        "        os.environ['ACME_DISTRO'] = 'ran'\n"
        "class Configurator(_OTelSDKConfigurator):\n"
        "    def _configure(self, **kwargs):\n"
        "        os.environ['ACME_CONFIGURATOR'] = 'ran'\n"
        "        super()._configure(**kwargs)\n"
    )
    return {"PYTHONPATH": str(packages), "OTEL_PYTHON_DISTRO": "acme", "OTEL_PYTHON_CONFIGURATOR": "acme"}


def test_with_nothing_configured_everything_goes_to_the_store(road, server):
    assert road.run(CHAT + SHOW_PROVIDER, **server.environment()) == "['ClickHouseSpanExporter']\n"
    assert road.report()["totals"]["calls"] == 1


def test_metrics_and_logs_are_stored_too(road, server):
    server.fail(500, times=3, retry_after_s=0.01)
    app = road.start(CHAT, **server.environment())
    _, err = app.communicate(timeout=60)
    assert app.returncode == 1
    assert "openai.InternalServerError" in err
    histograms, sums, logs = road.query(
        "SELECT MetricName AS name, sum(Count) AS n FROM otel_metrics_histogram GROUP BY name",
        "SELECT count() AS n FROM otel_metrics_sum WHERE MetricName = 'vigilo.cost'",
        "SELECT EventName AS name, SeverityText AS severity FROM otel_logs",
    )
    assert {"name": "gen_ai.client.operation.duration", "n": 1} in histograms
    assert sums == [{"n": 0}]  # a failed call has no cost
    assert logs == [{"name": "gen_ai.client.operation.exception", "severity": "WARN"}]


def test_the_users_choice_of_exporters_wins(road, server):
    variables = {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    out = road.run(CHAT, **variables, **server.environment())
    assert '"name": "chat gpt-4o-mini"' in out
    assert not (road.home / "spool").exists()


def test_an_instrumentor_can_be_turned_off_by_name(road, server):
    road.run(CHAT, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="vigilo_openai", **server.environment())
    assert road.report()["totals"]["calls"] == 0


def test_beside_another_vendors_distro_exporter_and_instrumentors_work(road, server, rival):
    script = CHAT + SHOW_PROVIDER + "import os\nprint(os.environ['ACME_DISTRO'], os.environ['ACME_CONFIGURATOR'])\n"
    variables = {
        "OTEL_TRACES_EXPORTER": "vigilo_clickhouse",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    app = road.start(script, **variables, **rival, **server.environment())
    out, err = app.communicate(timeout=60)
    assert (app.returncode, out) == (0, "['ClickHouseSpanExporter']\nran ran\n")
    assert err == "Configuration of vigilo not loaded, acme already loaded\n"  # OpenTelemetry's own word on it
    assert road.report()["totals"]["calls"] == 1


def test_a_wrong_setting_is_told_and_the_app_runs(road, server):
    app = road.start(CHAT + "print('done')", VIGILO_CONTENT="ful", **server.environment())
    out, err = app.communicate(timeout=60)
    assert (app.returncode, out) == (0, "done\n")
    assert err.count("`VIGILO_CONTENT` is 'ful'; allowed is `masked` or `off` or `full`") == 1
    assert "Traceback" not in err
    (rows,) = road.query("SELECT SpanAttributes AS told FROM otel_traces")
    assert "gen_ai.input.messages" not in rows[0]["told"]


METRICS_OF_THE_HOST = {"otel_metrics_gauge", "otel_metrics_sum"}


def test_an_app_without_any_sdk_runs(road):
    without = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "system_metrics"}  # that of another package
    assert road.run("print('done')", VIGILO_HOST_METRICS="off", **without) == "done\n"
    assert not list((road.home / "spool").glob("*.otel_*"))
    assert road.run("print('done')", **without) == "done\n"
    assert {path.name.split(".")[1] for path in (road.home / "spool").glob("*.otel_*")} == METRICS_OF_THE_HOST
