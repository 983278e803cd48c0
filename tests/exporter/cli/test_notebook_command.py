"""``vigilo notebook doctor``, run as a command."""

from __future__ import annotations

import json
import os

import pytest


@pytest.fixture
def doctor(vigilo_command):
    """Runs it; gives what it found by part and name."""

    def run(*options, **environ):
        done = vigilo_command("notebook", "doctor", "--format", "json", *options, environ=environ)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return run


def test_every_part_is_told(doctor, home):
    found = doctor()
    assert list(found) == [
        "machine",
        "packages",
        "platform",
        "session",
        "memory",
        "GPUs",
        "folders",
        "checkpoints",
    ]
    assert not [part for part, facts in found.items() if "failed" in facts]
    assert found["platform"]["name"] == "local"
    assert found["packages"]["opentelemetry-sdk"]
    assert not home.exists(), "a doctor changes nothing"


def test_what_is_written_to_be_timed_is_gone_afterwards(doctor, tmp_path):
    folder = tmp_path / "to drive"
    folder.mkdir()
    told = doctor("--write", VIGILO_CHECKPOINT_DIR=str(folder))["checkpoints"]
    assert set(told[f"{folder}: 4 MiB"]) == {"write_ms", "fsync_ms", "rename_ms", "fsync_folder_ms"}
    assert list(folder.iterdir()) == []


def test_of_the_environment_only_names_are_told(vigilo_command, tmp_path):
    environ = {
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "KAGGLE_USER_SECRETS_TOKEN": "a-secret-token",
        "COLAB_RELEASE_TAG": "release-1",
        "VIGILO_CLICKHOUSE_PASSWORD": "another-secret",
        "VIGILO_PLATFORM_ROOT": str(tmp_path),
    }
    done = vigilo_command("notebook", "doctor", environ=environ)
    assert done.returncode == 0
    assert done.stdout.startswith("```\n")
    assert done.stdout.endswith("\n```\n")
    assert "name: kaggle batch" in done.stdout
    assert "KAGGLE_USER_SECRETS_TOKEN" in done.stdout
    assert "secret-token" not in done.stdout
    assert "another-secret" not in done.stdout


def test_what_kaggle_is_asked_with_and_answers(doctor, tmp_path):
    kaggle = {"KAGGLE_KERNEL_RUN_TYPE": "Interactive", "VIGILO_PLATFORM_ROOT": str(tmp_path / "root")}
    told = doctor(**kaggle)["session"]
    assert (told["kaggle credentials"], told["quota that kaggle tells"]) == ("no", "no credentials")
    assert "restarts" not in told

    package = tmp_path / "packages" / "kaggle" / "api"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "kaggle_api_extended.py").write_text(
        "class KaggleApi:\n def authenticate(self): raise ValueError('key')"
    )
    (tmp_path / "packages" / "kaggle-2.2.5.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: kaggle\nVersion: 2.2.5\n"
    (tmp_path / "packages" / "kaggle-2.2.5.dist-info" / "METADATA").write_text(metadata)
    paths = os.pathsep.join(filter(None, (str(tmp_path / "packages"), os.environ.get("PYTHONPATH"))))
    told = doctor(**kaggle, PYTHONPATH=paths, KAGGLE_API_TOKEN="a-secret-token")["session"]
    assert (told["kaggle client"], told["kaggle credentials"]) == ("2.2.5", "yes")
    assert told["quota that kaggle tells"] == "ValueError"


def test_another_format_is_refused(vigilo_command):
    done = vigilo_command("notebook", "doctor", "--format", "yaml")
    assert done.returncode == 2
    assert "allowed is text, json" in done.stderr
