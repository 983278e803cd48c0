"""docker-compose.yml keeps to the Compose specification, to loopback, and to passwords that the user sets."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vigilo_exporter.assets import asset

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
_REQUIRED = re.compile(r"\$\{([A-Z_]+):\?[^}]+\}")
_SECRET_NAME = re.compile(r"PASSWORD|API_KEY|TOKEN|SECRET|_AUTH$")
_NO_SHELL_IN_IMAGE = {"otel-collector"}


def find_faults(compose: dict) -> list[str]:
    faults = []
    for name, service in compose["services"].items():
        faults += [f"{name}: {fault}" for fault in _service_faults(name, service)]
    mounted = {volume.split(":")[0] for service in compose["services"].values() for volume in service["volumes"]}
    named = {source for source in mounted if not source.startswith(".")}
    faults += [f"volume {volume}: not declared or not used" for volume in named ^ set(compose["volumes"])]
    faults += [
        f"{source}: mounted and not in the repository"
        for source in mounted - named
        if not ROOT.joinpath(source).exists()
    ]
    return faults


def _service_faults(name: str, service: dict) -> list[str]:
    faults = [f"port {port} is not on loopback" for port in service["ports"] if not port.startswith("127.0.0.1:")]
    if not re.search(r":v?\d+\.\d+[\w.-]*$", service["image"]):
        faults.append(f"image {service['image']} is not pinned to a version")
    for variable, value in service["environment"].items():
        if _SECRET_NAME.search(variable) and not _REQUIRED.fullmatch(str(value)):
            faults.append(f"{variable} is not required from the user")
    if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", ()):
        faults.append("keeps privileges")
    faults += [f"has no {limit}" for limit in ("mem_limit", "cpus", "pids_limit") if limit not in service]
    if not {"max-size", "max-file"} <= service.get("logging", {}).get("options", {}).keys():
        faults.append("its log grows without end")
    if "healthcheck" not in service and name not in _NO_SHELL_IN_IMAGE:
        faults.append("has no health check")
    faults += [
        f"{volume} can be written from the container"
        for volume in service["volumes"]
        if volume.startswith(".") and not volume.endswith(":ro")
    ]
    return faults


@pytest.fixture
def compose():
    return yaml.safe_load(COMPOSE.read_text("utf-8"))


def test_it_keeps_to_the_compose_specification():
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_is_hardened(compose):
    assert find_faults(compose) == []


def _change(service: str, key: str, value):
    def change(compose: dict) -> None:
        compose["services"][service][key] = value

    return change


def _literal_password(compose: dict) -> None:
    compose["services"]["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"] = "admin"


MUTANTS = {
    "port on all interfaces": (_change("qdrant", "ports", ["6333:6333"]), "not on loopback"),
    "latest image": (_change("valkey", "image", "valkey/valkey:latest"), "not pinned"),
    "image without a tag": (_change("valkey", "image", "valkey/valkey"), "not pinned"),
    "literal password": (_literal_password, "GF_SECURITY_ADMIN_PASSWORD is not required"),
    "default password": (
        _change("valkey", "environment", {"REDISCLI_AUTH": "${VALKEY_PASSWORD:-valkey}"}),
        "REDISCLI_AUTH is not required",
    ),
    "capabilities kept": (_change("clickhouse", "cap_drop", []), "keeps privileges"),
    "privileges gained": (_change("clickhouse", "security_opt", []), "keeps privileges"),
    "no memory limit": (lambda compose: compose["services"]["grafana"].pop("mem_limit"), "has no mem_limit"),
    "endless log": (_change("grafana", "logging", {"driver": "json-file"}), "grows without end"),
    "no health check": (lambda compose: compose["services"]["qdrant"].pop("healthcheck"), "no health check"),
    "writable mount": (_change("grafana", "volumes", ["./dashboards:/opt"]), "can be written"),
    "lost file": (_change("grafana", "volumes", ["./grafana:/opt:ro"]), "not in the repository"),
    "undeclared volume": (_change("valkey", "volumes", ["data:/data"]), "not declared"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_careless_change_is_refused(compose, mutant):
    change, expected = MUTANTS[mutant]
    careless = copy.deepcopy(compose)
    change(careless)

    assert any(expected in fault for fault in find_faults(careless)), find_faults(careless)


def test_the_comment_makes_every_password_that_is_required():
    text = COMPOSE.read_text("utf-8")
    made = re.search(r"for name in ([A-Z_ ]+); do", text)
    assert made
    assert set(made[1].split()) == set(_REQUIRED.findall(text))


def test_grafana_finds_the_data_source_and_the_dashboards(compose):
    provisioning = asset("dashboards", "provisioning")
    source = yaml.safe_load((provisioning / "datasources" / "clickhouse.yaml").read_text("utf-8"))["datasources"][0]
    provider = yaml.safe_load((provisioning / "dashboards" / "vigilo.yaml").read_text("utf-8"))["providers"][0]
    grafana = compose["services"]["grafana"]
    mounts = {target: here for here, target, *_ in (volume.split(":") for volume in grafana["volumes"])}

    assert source["uid"] == "clickhouse"
    assert source["jsonData"]["host"] in compose["services"]
    assert source["secureJsonData"]["password"].removeprefix("$") in grafana["environment"]
    assert source["type"] in grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    assert source["jsonData"]["defaultDatabase"] == compose["services"]["clickhouse"]["environment"]["CLICKHOUSE_DB"]
    assert f"<{source['jsonData']['username']}>" in compose["configs"]["clickhouse-reader"]["content"]
    assert list(ROOT.joinpath(mounts[provider["options"]["path"]]).glob("*.json"))
    assert mounts["/etc/grafana/provisioning"] == "./dashboards/provisioning"


def test_the_collector_gets_what_its_configuration_reads(compose):
    asked = set(re.findall(r"\$\{env:(\w+)", asset("collector-config", "otelcol.yaml").read_text("utf-8")))
    assert asked == set(compose["services"]["otel-collector"]["environment"])


def test_the_first_start_runs_every_file_of_the_schema_and_puts_it_on_record(compose, tmp_path):
    content = compose["configs"]["clickhouse-schema"]["content"].replace("$$", "$")
    schema = ROOT / "exporter" / "vigilo_exporter" / "clickhouse" / "schema"
    client = tmp_path / "clickhouse-client"
    client.write_text(f'#!/bin/sh\nshift 4\necho "$*" | tr "\\n" " " >> {tmp_path}/asked; echo >> {tmp_path}/asked\n')
    client.chmod(0o755)
    script = content.replace("/opt/vigilo/schema", str(schema))
    subprocess.run(["/bin/sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True, timeout=60)

    made, *asked = (tmp_path / "asked").read_text("utf-8").splitlines()
    files = sorted(schema.glob("*.sql"))
    assert "CREATE TABLE IF NOT EXISTS schema_version" in made
    assert [line.strip() for line in asked] == [
        line
        for path in files
        for line in (
            f"--queries-file {path}",
            f"--query INSERT INTO schema_version (Version, Name) VALUES ({path.name[:4]}, '{path.stem}')",
        )
    ]
