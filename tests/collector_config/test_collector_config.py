"""The Collector's configuration says only what the Collector knows, keeps secrets out and stays on loopback.

No Collector runs here: the allow-list beside the configuration stands for the components that it uses.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml

import vigilo_exporter
from vigilo_exporter.assets import asset

SECTIONS = ("extensions", "receivers", "processors", "exporters")
_FROM_ENVIRONMENT = r"\$\{env:[A-Z_]+\}"
_LOOPBACK = r"(127\.0\.0\.1|localhost|\$\{env:[A-Z_]+:-127\.0\.0\.1\})"
KINDS = {
    "text": lambda value: isinstance(value, str) and value != "",
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: type(value) is int and value >= 0,
    "percent": lambda value: type(value) is int and 0 < value <= 100,
    "duration": lambda value: isinstance(value, str) and re.fullmatch(r"(\d+(ms|s|m|h))+", value),
    "host": lambda value: isinstance(value, str) and re.fullmatch(_LOOPBACK, value),
    "address": lambda value: isinstance(value, str) and re.fullmatch(_LOOPBACK + r":\d+", value),
    "url": lambda value: isinstance(value, str) and re.fullmatch(r"\w+://" + _LOOPBACK + r":\d+", value),
    "secret": lambda value: isinstance(value, str) and re.fullmatch(_FROM_ENVIRONMENT, value),
    "references": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
}


def find_faults(config: dict, allowed: dict) -> list[str]:
    faults = _unknown_or_wrong(config, allowed, "")
    return faults or [*_pipeline_faults(config), *_store_faults(config["exporters"])]


def _unknown_or_wrong(value, allowed, where: str) -> list[str]:
    if isinstance(allowed, str):
        words = allowed.split(" | ")
        right = value in words if len(words) > 1 else KINDS[allowed](value)
        return [] if right else [f"{where}: {value!r} is not {allowed}"]
    if isinstance(allowed, list):
        if not isinstance(value, list):
            return [f"{where}: not a list"]
        return [fault for entry in value for fault in _unknown_or_wrong(entry, allowed[0], where)]
    if not isinstance(value, dict):
        return [f"{where}: not a mapping"]
    faults = []
    for key, entry in value.items():
        # `otlp/second` is the component `otlp` under a name of its own.
        known = allowed.get(key.split("/")[0])
        path = f"{where}.{key}".lstrip(".")
        faults += [f"{path}: unknown"] if known is None else _unknown_or_wrong(entry, known, path)
    return faults


def _pipeline_faults(config: dict) -> list[str]:
    service = config["service"]
    used = {section: set() for section in SECTIONS}
    used["extensions"] |= set(service["extensions"])
    faults = []
    for name, pipeline in service["pipelines"].items():
        for section in SECTIONS[1:]:
            used[section] |= set(pipeline.get(section, ()))
        if not pipeline.get("receivers") or not pipeline.get("exporters"):
            faults.append(f"{name}: has no receiver or no exporter")
        if pipeline.get("processors", [])[:1] != ["memory_limiter"]:
            faults.append(f"{name}: memory_limiter is not the first processor")
    for section in SECTIONS:
        faults += [f"{section}: {name} is used and not configured" for name in used[section] - set(config[section])]
        faults += [f"{section}: {name} is configured and not used" for name in set(config[section]) - used[section]]
    return faults


def _store_faults(exporters: dict) -> list[str]:
    store = exporters["clickhouse"]
    faults = []
    if store.get("create_schema", True):
        faults.append("clickhouse: creates tables that are not vigilo's")
    if "batch" not in store.get("sending_queue", {}):
        faults.append("clickhouse: inserts without batches")
    return faults


@pytest.fixture
def allowed():
    return yaml.safe_load(asset("collector-config", "allowed.yaml").read_text("utf-8"))


@pytest.fixture
def config():
    return yaml.safe_load(asset("collector-config", "otelcol.yaml").read_text("utf-8"))


def test_the_configuration_is_sound(config, allowed):
    assert find_faults(config, allowed) == []


def test_the_allow_list_holds_nothing_that_is_not_used(config, allowed):
    def paths(tree, path=()):
        if isinstance(tree, list) and tree and isinstance(tree[0], dict):
            return paths(tree[0], path)
        if isinstance(tree, dict):
            return {found for key, entry in tree.items() for found in paths(entry, (*path, key))}
        return {path}

    assert paths(allowed) == paths(config)


def test_the_tables_are_those_of_our_schema(config):
    folder = Path(vigilo_exporter.__file__).parent / "clickhouse" / "schema"
    schema = "\n".join(path.read_text("utf-8") for path in folder.glob("*.sql"))
    tables = set(re.findall(r"^CREATE TABLE IF NOT EXISTS (\w+)", schema, re.MULTILINE))
    store = config["exporters"]["clickhouse"]
    written = {store["traces_table_name"], store["logs_table_name"]}
    written |= {table["name"] for table in store["metrics_tables"].values()}

    assert len(written) == 7
    assert written <= tables


def _set(path: str, value):
    *parents, last = path.split(".")

    def change(config: dict) -> None:
        for key in parents:
            config = config[key]
        config[last] = value

    return change


MUTANTS = {
    "unknown section": (_set("connector", {}), "connector: unknown"),
    "unknown component": (_set("exporters.logging", {}), "exporters.logging: unknown"),
    "misspelt setting": (_set("exporters.clickhouse.endpont", "x"), "exporters.clickhouse.endpont: unknown"),
    "removed batcher": (_set("exporters.clickhouse.batcher", {}), "exporters.clickhouse.batcher: unknown"),
    "number for a duration": (_set("exporters.clickhouse.timeout", 10), "timeout: 10 is not duration"),
    "text for a boolean": (_set("exporters.clickhouse.create_schema", "no"), "create_schema: 'no' is not boolean"),
    "boolean for a number": (_set("exporters.clickhouse.sending_queue.queue_size", True), "True is not integer"),
    "batches by requests": (_set("exporters.clickhouse.sending_queue.batch.sizer", "requests"), "'requests' is not"),
    "literal password": (_set("exporters.clickhouse.password", "hunter2"), "password: 'hunter2' is not secret"),
    "default password": (_set("exporters.clickhouse.password", "${env:P:-otel}"), "is not secret"),
    "all interfaces": (_set("receivers.otlp.protocols.grpc.endpoint", "0.0.0.0:4317"), "is not address"),
    "content in the log": (_set("exporters.debug.verbosity", "detailed"), "'detailed' is not basic"),
    "no limiter": (_set("service.pipelines.traces.processors", []), "memory_limiter is not the first"),
    "undeclared receiver": (
        _set("service.pipelines.traces.receivers", ["zipkin"]),
        "zipkin is used and not configured",
    ),
    "no exporter": (_set("service.pipelines.traces.exporters", []), "no receiver or no exporter"),
    "extension not started": (_set("service.extensions", []), "health_check is configured and not used"),
    "foreign tables": (_set("exporters.clickhouse.create_schema", True), "tables that are not vigilo's"),
    "no batches": (_set("exporters.clickhouse.sending_queue", {"enabled": True}), "without batches"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_faulty_configuration_is_refused(config, allowed, mutant):
    change, expected = MUTANTS[mutant]
    faulty = copy.deepcopy(config)
    change(faulty)

    faults = find_faults(faulty, allowed)

    assert any(expected in fault for fault in faults), faults
