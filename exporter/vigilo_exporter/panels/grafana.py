"""Writes ``dashboards/*.json`` from the panel specs: ``python -m vigilo_exporter.panels.grafana [--check]``.

Grafana's own builders (grafana-foundation-sdk, Python 3.11 or later) make the JSON. They are needed to build, not to
use, so they are imported where they are called. The result is the classic schema, which every Grafana since 11.6 reads
from files; the plugin's queries follow its own model (grafana/clickhouse-datasource 4.20, ``src/types/sql.ts``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigilo.errors import VigiloError
from vigilo_exporter.assets import asset
from vigilo_exporter.panels.overview import OVERVIEW

if TYPE_CHECKING:
    from vigilo_exporter.panels.spec import Column, DashboardSpec, PanelSpec, Threshold, Variable

DASHBOARDS = {"overview.json": OVERVIEW}
PLUGIN = "grafana-clickhouse-datasource"
PLUGIN_VERSION = "4.20.0"
_FORMATS = {"timeseries": 0, "table": 1}


def dashboard_json(spec: DashboardSpec) -> str:
    """The dashboard as Grafana reads it from a file, keys sorted.

    Raises:
        VigiloError: Grafana's builders are not installed.
    """
    try:
        from grafana_foundation_sdk.builders import dashboard
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models.dashboard import DashboardCursorSync
    except ImportError:
        raise VigiloError(
            "building dashboards needs Python 3.11 and grafana-foundation-sdk: `make dashboards`"
        ) from None
    page = (
        dashboard.Dashboard(spec.title)
        .uid(spec.uid)
        .description(spec.description)
        .tags(["vigilo"])
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(
            dashboard.DatasourceVariable("datasource")
            .label("ClickHouse")
            .description("Data source with vigilo's tables")
            .type(PLUGIN)
        )
    )
    for variable in spec.variables:
        page = page.with_variable(_variable(variable))
    for panel in spec.panels:
        page = page.with_panel(_panel(panel))
    return str(JSONEncoder(sort_keys=True, indent=2).encode(page.build())) + "\n"


@dataclass(frozen=True, slots=True)
class _Query:
    """A query of the ClickHouse plugin, which the builders do not know; they ask for these two methods."""

    sql: str
    result: str

    def build(self) -> _Query:
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "datasource": _datasource(),
            "editorType": "sql",
            "format": _FORMATS[self.result],
            "pluginVersion": PLUGIN_VERSION,
            "queryType": self.result,
            "rawSql": self.sql,
            "refId": "A",
        }


def _datasource() -> Any:
    from grafana_foundation_sdk.models.common import DataSourceRef

    return DataSourceRef(type_val=PLUGIN, uid="${datasource}")


def _variable(variable: Variable) -> Any:
    from grafana_foundation_sdk.builders.dashboard import QueryVariable, TextBoxVariable
    from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh

    if variable.sql is None:
        made = TextBoxVariable(variable.name).default_value("")
    else:
        everything = VariableOption(selected=True, text="All", value="$__all")
        made = (
            QueryVariable(variable.name)
            .datasource(_datasource())
            .query({"editorType": "sql", "rawSql": variable.sql, "refId": "A"})
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .current(everything)
        )
    return made.label(variable.label).description(variable.description)


def _panel(spec: PanelSpec) -> Any:
    make = {"stat": _stat, "timeseries": _timeseries, "bar": _bar, "table": _table}[spec.kind]
    panel = (
        make(spec)
        .id(spec.id)  # the builders leave it out, and links to a panel would change from load to load
        .title(spec.title)
        .description(spec.description)
        .datasource(_datasource())
        .unit(spec.unit)
        .no_value("no calls")
        .span(spec.width)
        .height(spec.height)
        .with_target(_Query(spec.sql, "timeseries" if spec.kind == "timeseries" else "table"))
    )
    return panel.thresholds(_thresholds(spec.thresholds))


def _thresholds(thresholds: tuple[Threshold, ...]) -> Any:
    from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
    from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

    steps = [Threshold(value=None, color="green" if thresholds else "text")]
    steps += [Threshold(value=float(threshold.value), color=threshold.color) for threshold in thresholds]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _stat(spec: PanelSpec) -> Any:
    from grafana_foundation_sdk.builders.common import ReduceDataOptions
    from grafana_foundation_sdk.builders.stat import Panel
    from grafana_foundation_sdk.models.common import BigValueGraphMode

    return Panel().reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).graph_mode(BigValueGraphMode.NONE)


def _timeseries(spec: PanelSpec) -> Any:
    from grafana_foundation_sdk.builders.common import StackingConfig, VizLegendOptions
    from grafana_foundation_sdk.builders.timeseries import Panel
    from grafana_foundation_sdk.models.common import (
        GraphDrawStyle,
        LegendDisplayMode,
        LegendPlacement,
        StackingMode,
        VisibilityMode,
    )

    legend = VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
    panel = Panel().legend(legend.show_legend(True).calcs(["sum"] if spec.stacked else ["mean", "max"])).min(0)
    if not spec.stacked:
        return panel.show_points(VisibilityMode.AUTO)
    stacking = StackingConfig().mode(StackingMode.NORMAL).group("A")
    return panel.draw_style(GraphDrawStyle.BARS).fill_opacity(80).stacking(stacking)


def _bar(spec: PanelSpec) -> Any:
    from grafana_foundation_sdk.builders.barchart import Panel
    from grafana_foundation_sdk.builders.common import VizLegendOptions
    from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, VizOrientation

    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    return Panel().orientation(VizOrientation.HORIZONTAL).legend(legend.show_legend(False)).min(0)


def _table(spec: PanelSpec) -> Any:
    from grafana_foundation_sdk.builders.table import Panel

    panel = Panel()
    for column in spec.columns:
        panel = panel.override_by_name(column.name, _column_properties(column))
    return panel


def _column_properties(column: Column) -> list[Any]:
    from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

    properties = []
    if column.unit is not None:
        properties.append(DynamicConfigValue(id_val="unit", value=column.unit))
    if column.link is not None:
        links = [{"title": column.link_title, "url": column.link}]
        properties.append(DynamicConfigValue(id_val="links", value=links))
    return properties


def main(arguments: list[str]) -> int:
    """Writes the files, or with ``--check`` says which ones differ from what would be written."""
    folder = asset("dashboards")
    drifted = 0
    for name, spec in DASHBOARDS.items():
        path, text = folder / name, dashboard_json(spec)
        if "--check" not in arguments:
            path.write_text(text, "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text:
            print(f"{path} differs from its panels: run `make dashboards`", file=sys.stderr)  # noqa: T201
            drifted += 1
    return min(drifted, 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
