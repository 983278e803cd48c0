"""The docs say what the code does."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_of_settings_is_the_generated_one():
    done = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], check=False)
    assert done.returncode == 0, "run `make docs`"


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 250


def test_every_file_that_the_readme_links_to_is_there():
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_python_of_the_readme_runs(tmp_path):
    """Every block runs as a file of its own, against the provider server that the README names."""
    from vigilo.testing import ProviderServer

    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        script = tmp_path / f"block_{number}.py"
        script.write_text(block)
        with ProviderServer() as server:
            import os

            environment = {**os.environ, **server.environment()}
            done = subprocess.run(
                [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60, check=False
            )
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_every_command_of_the_readme_exists():
    commands = set(re.findall(r"^(?:\$ )?vigilo ([a-z]+)", README, re.MULTILINE))
    assert commands
    for command in commands:
        line = [sys.executable, "-m", "vigilo_exporter.cli", command, "--help"]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
