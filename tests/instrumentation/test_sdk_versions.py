"""An SDK outside the supported versions is tried, and warned of once: never silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vigilo.testing import ProviderServer

INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"
CHAT = """
import openai
with openai.OpenAI() as client:
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
"""
IN_CODE = f"""
import vigilo
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
vigilo.instrument(tracer_provider=provider)
vigilo.uninstrument()
vigilo.instrument(tracer_provider=provider)
{CHAT}
"""

WRAPPED = """
import openai, vigilo
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
with openai.OpenAI() as client:
    vigilo.wrap(client, tracer_provider=provider)
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
"""


@pytest.fixture
def run(tmp_path):
    """Runs an app in a process that finds a certain version of openai installed."""

    def run_with(version, command, script):
        info = tmp_path / f"openai-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: openai\nVersion: {version}\n")
        app = tmp_path / "app.py"
        app.write_text(script)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("VIGILO_", "OTEL_"))}
        with ProviderServer() as server:
            return subprocess.run(
                [*command, sys.executable, app],
                env={
                    **inherited,
                    **server.environment(),
                    "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
                    "VIGILO_HOME": str(tmp_path / "home"),
                    "OTEL_TRACES_EXPORTER": "console",
                    "OTEL_METRICS_EXPORTER": "none",
                    "OTEL_LOGS_EXPORTER": "none",
                },
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )

    return run_with


@pytest.mark.parametrize("version", ["1.50.0", "4.0.0"])
@pytest.mark.parametrize(
    ("command", "script"), [((INSTRUMENT,), CHAT), ((), IN_CODE), ((), WRAPPED)], ids=["command", "code", "wrapped"]
)
def test_a_version_outside_the_range_is_tried_with_one_warning(run, version, command, script):
    done = run(version, command, script)
    warning = f"vigilo: openai {version} is installed but openai >= 1.66, < 4 is supported: trying"
    assert done.stderr.count(warning) == 1
    assert '"name": "chat gpt-4o-mini"' in done.stdout


def test_a_supported_version_is_not_warned_of(run):
    done = run("1.66.0", (INSTRUMENT,), CHAT)
    assert done.stderr == ""
    assert '"name": "chat gpt-4o-mini"' in done.stdout
