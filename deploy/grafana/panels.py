"""What every dashboard is put together from: queries, graphs, single figures, and the frame around them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${source}")
WIDE, HALF, QUARTER = 24, 12, 6
RATE = "[$__rate_interval]"
DOCUMENTS = 'tocsin_series_documents{kind="stream"}'
NEGATIVE = 'tocsin_series_documents{kind="stream", sentiment="negative"}'


def query(expression: str, legend: str = "__auto") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).legend_format(legend)


def graph(title: str, about: str, unit: str, *queries: prometheus.Dataquery, span: int = HALF) -> timeseries.Panel:
    """Lines over time; queries may be added to."""
    panel = timeseries.Panel().title(title).description(about).unit(unit).datasource(SOURCE).span(span).height(8)
    panel = panel.line_width(2).fill_opacity(6).show_points(kinds.VisibilityMode.NEVER).min(0)
    panel = panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
    )
    for number, each in enumerate(queries):
        panel = panel.with_target(each.ref_id(chr(ord("A") + number)))
    return panel


def number(title: str, about: str, unit: str, expression: str, legend: str = "__auto") -> stat.Panel:
    """One figure."""
    panel = stat.Panel().title(title).description(about).unit(unit).datasource(SOURCE).span(QUARTER).height(4)
    return panel.with_target(query(expression, legend).ref_id("A"))


def board(uid: str, title: str, about: str, *panels: Builder[models.Panel]) -> dashboard.Dashboard:
    """A dashboard of ``panels``, with the choice of a data source, and tocsin's alerts as annotations."""
    rang = (
        dashboard.AnnotationQuery()
        .name("Rang")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("red")
        .expr("tocsin_series_ringing == 1")
        .title_format("{{kind}} {{name}}")
        .step("60s")
    )
    made = (
        dashboard.Dashboard(f"tocsin: {title}")
        .uid(f"tocsin-{uid}")
        .description(about)
        .tags(["tocsin"])
        .timezone("utc")
        .refresh("30s")
        .time("now-24h", "now")
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
        .annotation(rang)
    )
    for panel in panels:
        made = made.with_panel(panel)
    return made
