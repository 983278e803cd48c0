"""What the package promises to installers and to OpenTelemetry's loaders."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
GROUPS = dict(PROJECT["entry-points"].items())


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, points in GROUPS.items() for name in points])
def test_every_entry_point_is_installed_and_loads(group, name):
    (point,) = [p for p in entry_points(group=group, name=name) if p.value == GROUPS[group][name]]
    assert callable(point.load())


def test_no_environment_variables_are_registered_as_flags():
    # opentelemetry-instrument makes a flag of every OTEL_ name in such a module, and crashes on a doubled one.
    assert "opentelemetry_environment_variables" not in GROUPS


def test_no_extra_is_called_instruments():
    # OpenTelemetry's loader would then ask for all SDKs at once.
    assert not {"instruments", "instruments-any"} & set(PROJECT["optional-dependencies"])


def test_the_supported_sdk_versions_are_the_same_in_both_places():
    from packaging.requirements import Requirement

    from vigilo.capture.sdks import SDKS

    for sdk, entry in SDKS.items():
        (declared,) = map(Requirement, PROJECT["optional-dependencies"][sdk])
        asked = Requirement(entry.requirement)
        assert (declared.name, declared.specifier) == (asked.name, asked.specifier)


def test_both_packages_are_typed():
    assert (ROOT / "instrumentation/vigilo/py.typed").is_file()
    assert (ROOT / "exporter/vigilo_exporter/py.typed").is_file()


def test_the_constraints_name_no_address():
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert "://" not in text
    assert " @ " not in text
