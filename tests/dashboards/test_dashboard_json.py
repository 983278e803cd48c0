"""The committed dashboards are what the panels make, and keep the rules that Grafana itself does not check."""

from __future__ import annotations

import copy
import json
import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from vigilo_exporter.assets import asset
from vigilo_exporter.panels.grafana import DASHBOARDS, PLUGIN, PLUGIN_VERSION, dashboard_json

needs_builders = pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's builders need Python 3.11")
# Files of the newer schema cannot be provisioned by every Grafana that reads ours.
keeps_the_classic_schema = pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
UIDS = {spec.uid for spec in DASHBOARDS.values()}


def find_faults(dashboard: dict) -> list[str]:
    panels = dashboard["panels"]
    faults = [] if dashboard["schemaVersion"] == 42 else ["not of schema version 42"]
    ids = [panel.get("id") for panel in panels]
    if None in ids or len(set(ids)) != len(ids):
        faults.append("ids of panels are missing or not unique")
    for panel in panels:
        faults += [f"{panel.get('title')}: {fault}" for fault in _panel_faults(panel)]
    return [*faults, *_datasource_faults(dashboard), *_variable_faults(dashboard), *_link_faults(dashboard)]


def _panel_faults(panel: dict) -> list[str]:
    faults = [f"has no {key}" for key in ("title", "description") if not panel.get(key)]
    if not panel["fieldConfig"]["defaults"].get("unit"):
        faults.append("has no unit")
    place = panel["gridPos"]
    if place["x"] + place["w"] > 24:
        faults.append("is wider than the page")
    for target in panel["targets"]:
        sql = target["rawSql"]
        if target["format"] != (0 if panel["type"] == "timeseries" else 1):
            faults.append("asks for a result in the wrong format")
        if "$__timeFilter(" not in sql and not ("$__fromTime" in sql and "$__toTime" in sql):
            faults.append("is not limited to the time range")
        if panel["type"] in ("table", "barchart") and not re.search(r"\bLIMIT \d+$", sql):
            faults.append("has no limit of rows")
        if re.search(r"(SELECT|,)\s*(\w+\.)?\*", sql):
            faults.append("selects every column")
    return faults


def _datasource_faults(dashboard: dict) -> list[str]:
    def references(tree):
        if isinstance(tree, dict):
            for key, entry in tree.items():
                if key == "datasource":
                    yield entry
                yield from references(entry)
        elif isinstance(tree, list):
            for entry in tree:
                yield from references(entry)

    wanted = {"type": PLUGIN, "uid": "${datasource}"}
    return [f"a fixed data source: {found}" for found in references(dashboard) if found != wanted]


def _variable_faults(dashboard: dict) -> list[str]:
    declared = {variable["name"] for variable in dashboard["templating"]["list"]}
    text = json.dumps([dashboard["panels"], dashboard["templating"]])
    used = {name for name in re.findall(r"\$\{?(\w+)", text) if not name.startswith("__")}
    faults = [f"variable {name} is used and not declared" for name in used - declared]
    return faults + [f"variable {name} is declared and not used" for name in declared - used]


def _link_faults(dashboard: dict) -> list[str]:
    linked = set(re.findall(r'"/d/([\w-]+)', json.dumps(dashboard)))
    return [f"a link to {uid}, which is no dashboard of ours" for uid in linked - UIDS]


@pytest.fixture(params=DASHBOARDS)
def dashboard(request):
    return json.loads(asset("dashboards", request.param).read_text("utf-8"))


def test_it_keeps_the_rules(dashboard):
    assert find_faults(dashboard) == []


def _panel_of(dashboard: dict, kind: str) -> dict:
    return next(panel for panel in dashboard["panels"] if panel["type"] == kind)


def _fixed_source(dashboard: dict) -> None:
    dashboard["panels"][0]["targets"][0]["datasource"] = {"type": PLUGIN, "uid": "P4F2"}


def _edit_sql(kind: str, right: str, wrong: str):
    def change(dashboard: dict) -> None:
        target = _panel_of(dashboard, kind)["targets"][0]
        assert right in target["rawSql"]
        target["rawSql"] = target["rawSql"].replace(right, wrong)

    return change


def _drop_time(dashboard: dict) -> None:
    target = _panel_of(dashboard, "stat")["targets"][0]
    target["rawSql"] = re.sub(r"\$__(timeFilter\(\w+\)|fromTime|toTime)", "now()", target["rawSql"])


def _drop_unused_variable(dashboard: dict) -> None:
    dashboard["templating"]["list"].append({"name": "environment"})


MUTANTS = {
    "no id": (lambda dashboard: dashboard["panels"][0].pop("id"), "not unique"),
    "id taken twice": (lambda dashboard: dashboard["panels"][0].update(id=2), "not unique"),
    "no description": (lambda dashboard: dashboard["panels"][0].pop("description"), "has no description"),
    "no unit": (lambda dashboard: dashboard["panels"][0]["fieldConfig"]["defaults"].pop("unit"), "has no unit"),
    "fixed data source": (_fixed_source, "a fixed data source"),
    "undeclared variable": (_edit_sql("stat", "$service", "$tenant"), "tenant is used and not declared"),
    "unused variable": (_drop_unused_variable, "environment is declared and not used"),
    "endless table": (_edit_sql("table", "LIMIT 20", ""), "no limit of rows"),
    "every column": (_edit_sql("table", "sum(Calls) AS", "*, sum(Calls) AS"), "selects every column"),
    "all of time": (_drop_time, "not limited to the time range"),
    "table drawn as lines": (lambda dashboard: _panel_of(dashboard, "table").update(type="timeseries"), "wrong format"),
    "old schema": (lambda dashboard: dashboard.update(schemaVersion=36), "schema version 42"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_rule_is_noticed(dashboard, mutant):
    change, expected = MUTANTS[mutant]
    broken = copy.deepcopy(dashboard)
    change(broken)

    assert any(expected in fault for fault in find_faults(broken)), find_faults(broken)


@needs_builders
@keeps_the_classic_schema
@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_committed_file_is_what_the_panels_make(name):
    assert asset("dashboards", name).read_text("utf-8") == dashboard_json(DASHBOARDS[name])


@needs_builders
def test_the_builders_are_of_the_schema_we_mean():
    # The index also holds builds for Grafana 10, with version numbers that count as newer.
    assert version("grafana-foundation-sdk").removeprefix("v") == "0.0.21"


@needs_builders
@keeps_the_classic_schema
@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafanas_own_model_reads_the_file_back_unchanged(name):
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    written = json.loads(asset("dashboards", name).read_text("utf-8"))
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(copy.deepcopy(written)))) == written


def test_grafana_gets_the_plugin_that_the_queries_are_written_for():
    compose = Path(__file__).resolve().parents[2].joinpath("docker-compose.yml").read_text("utf-8")
    assert f"{PLUGIN}@{PLUGIN_VERSION}" in compose


def test_alerts_point_to_panels_that_exist():
    rules = yaml.safe_load(asset("dashboards", "alerts", "prometheus", "vigilo.rules.yml").read_text("utf-8"))
    titles = {panel.title for spec in DASHBOARDS.values() for panel in spec.panels}
    texts = [rule["annotations"]["description"] for group in rules["groups"] for rule in group["rules"]]
    named = set(re.findall(r'"([^"]+)"', "".join(texts)))
    assert named
    assert named <= titles
