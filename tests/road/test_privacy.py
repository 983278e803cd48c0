"""Personal data of the demo's prompts is nowhere in the bytes that leave the app."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from vigilo_exporter.cli.demo import app_environment, providers

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "chat.py").read_text("utf-8")
PATTERNS = {
    "e-mail address": r"[\w.+-]+@[\w-]+\.[a-z]{2,}",
    "card number": r"\b(?:\d{4}[ -]){3}\d{4}\b",
    "phone number": r"\+\d[\d ()-]{8,}\d",
}
PERSONAL = {value for pattern in PATTERNS.values() for value in re.findall(pattern, EXAMPLE)}


def fragments(value):
    """What must not be found: the value, and what makes it known without its domain or its separators."""
    if "@" in value:
        return {value.encode(), value.partition("@")[0].encode() + b"@"}
    return {value.encode(), re.sub(r"\D", "", value).encode()}


def found_in(data, shortest=0):
    """The personal values of which there is a fragment; in what is compressed a few bytes come by chance."""
    return {value for value in PERSONAL if any(part in data for part in fragments(value) if len(part) >= shortest)}


def decompressed(data):
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


def test_the_example_holds_personal_data_of_each_kind():
    for kind, pattern in PATTERNS.items():
        assert re.findall(pattern, EXAMPLE), kind


@pytest.fixture
def stored(tmp_path, otlp_http):
    """The home of one run of the example, not read by anybody yet, and the bytes that the app sent by OTLP.

    What the app prints is its conversation; what stands beside it, and what is left in the user's folder, is looked
    through as well.
    """
    home, user = tmp_path / "home", tmp_path / "user"
    user.mkdir()
    with providers(live=False) as variables:
        environment = {
            **app_environment(os.environ, home, live=False),
            **variables,
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_http.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "HOME": str(user),
        }
        environment.pop("VIGILO_RAISE_INTERNAL", None)
        command = [Path(sys.executable).parent / "opentelemetry-instrument", sys.executable, ROOT / "examples/chat.py"]
        app = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    assert found_in(app.stdout)  # the search finds what there is
    assert found_in(app.stderr) == set()
    assert found_in(b"".join(path.read_bytes() for path in user.rglob("*") if path.is_file())) == set()
    return home, b"".join(body for _, body in otlp_http.received)


def test_the_spool_holds_the_calls_and_nothing_personal(stored):
    home, _ = stored
    segments = sorted((home / "spool").iterdir())
    plain = b"".join(decompressed(segment.read_bytes()) for segment in segments)
    assert b"gpt-4o-mini" in plain
    assert b"[EMAIL]" in plain
    assert found_in(plain) == set()
    assert found_in(b"".join(segment.read_bytes() for segment in segments), shortest=6) == set()


def test_otlp_carries_the_calls_and_nothing_personal(stored):
    _, sent = stored
    assert b"gpt-4o-mini" in sent
    assert b"[EMAIL]" in sent
    assert found_in(sent) == set()


def test_the_database_holds_the_calls_and_nothing_personal(stored, road):
    home, _ = stored
    road.home = home
    (tables,) = road.query("SELECT name FROM system.tables WHERE database = 'otel' AND engine != 'MaterializedView'")
    text = str(road.query(*(f"SELECT * FROM otel.`{table['name']}`" for table in tables)))
    assert "gpt-4o-mini" in text
    assert "[EMAIL]" in text
    assert found_in(text.encode()) == set()
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert found_in(b"".join(path.read_bytes() for path in files), shortest=6) == set()
