"""Grafana's dashboards, written with its foundation SDK: ``python deploy/grafana/generate.py`` writes ``dashboards/``.

For developers: the JSON is committed, and a test holds it fresh. Every query reads metrics that a worker or a notifier
exposes, or what ``prometheus/tocsin.rules.yml`` records of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${source}")
WIDE, HALF, THIRD, QUARTER = 24, 12, 8, 6
DOCUMENTS = 'tocsin_series_documents{kind="stream"}'
NEGATIVE = 'tocsin_series_documents{kind="stream", sentiment="negative"}'
CONFIRMED = 'sum(increase(tocsin_alert_feedback_total{verdict="confirm"}[30d]))'
JUDGED = 'sum(increase(tocsin_alert_feedback_total{verdict=~"confirm|dismiss"}[30d]))'
SENTIMENT = {"negative": "#c8412b", "neutral": "#9a978f", "positive": "#3d8159"}


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


def begun(uid: str, title: str, about: str) -> dashboard.Dashboard:
    """An empty dashboard with the choice of a data source, and tocsin's alerts as annotations."""
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
    return (
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


def opinion() -> dashboard.Dashboard:
    """What is said of companies, topics and streams."""
    one = 'kind="$kind", name=~"$name"'
    board = (
        begun("opinion", "Opinion", "What is said, what is usual, and what rings.")
        .with_variable(
            dashboard.QueryVariable("kind")
            .label("Kind")
            .datasource(SOURCE)
            .query("label_values(tocsin_series_usual_share, kind)")
            .current(models.VariableOption(text="entity", value="entity"))
        )
        .with_variable(
            dashboard.QueryVariable("name")
            .label("Name")
            .datasource(SOURCE)
            .query('label_values(tocsin_series_usual_share{kind="$kind"}, name)')
            .multi(True)
            .include_all(True)
        )
        .with_panel(
            number(
                "Ringing",
                "Series with an alert that stands.",
                "short",
                "sum(max by (kind, name) (tocsin_series_ringing))",
            )
        )
        .with_panel(number("Series", "Watched by all workers.", "short", "sum(tocsin_series)"))
        .with_panel(
            number("Rang today", "Alerts that began to ring in a day.", "short", "tocsin:alerts_firing:increase1d")
        )
        .with_panel(
            number(
                "Negative",
                "Of the documents of the last day.",
                "percentunit",
                f"sum({NEGATIVE}) / sum({DOCUMENTS})",
            )
        )
        .with_panel(
            graph(
                "Negative share of the last hour",
                "Of stories, copies folded.",
                "percentunit",
                query(f"max by (name) (tocsin_series_negative_share{{{one}}})", "{{name}}"),
            )
        )
        .with_panel(
            graph(
                "How near to ringing",
                "The score over the score that rings: 1 rings.",
                "percentunit",
                query(f"max by (name) (tocsin_series_score_ratio{{{one}}})", "{{name}}"),
            )
        )
    )
    banded = (
        graph(
            "Negative stories and their usual range",
            "In the last closed window. 95 of 100 calm windows lie in the band. Choose one name.",
            "short",
            query(f"max by (name) (tocsin_series_negative_stories{{{one}}})", "{{name}}"),
            query(f"max by (name) (tocsin_series_usual_high{{{one}}})", "{{name}} usually at most"),
            query(f"max by (name) (tocsin_series_usual_low{{{one}}})", "{{name}} usually at least"),
            span=WIDE,
        )
        .override_by_query(
            "B",
            [models.DynamicConfigValue("custom.fillBelowTo", "C"), models.DynamicConfigValue("custom.lineWidth", 0)],
        )
        .override_by_query("C", [models.DynamicConfigValue("custom.lineWidth", 0)])
    )
    mixed = graph(
        "Documents of the last day by sentiment",
        "As scored, copies among them.",
        "short",
        query(f"sum by (sentiment) (tocsin_series_documents{{{one}}})", "{{sentiment}}"),
    ).stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
    for mood, colour in SENTIMENT.items():
        mixed = mixed.override_by_name(
            mood, [models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})]
        )
    drivers = graph(
        "Topics that are more negative than they are wont to be",
        "Share of the last hour above the usual share, the five furthest.",
        "percentunit",
        query(
            'topk(5, max by (name) (tocsin_series_negative_share{kind="topic"}) '
            '- max by (name) (tocsin_series_usual_share{kind="topic"}))',
            "{{name}}",
        ),
    )
    return board.with_panel(banded).with_panel(mixed).with_panel(drivers)


def pipeline() -> dashboard.Dashboard:
    """How the line is doing."""
    rate = "[$__rate_interval]"
    return (
        begun("pipeline", "Pipeline", "Records in, documents out, and how long it takes.")
        .with_panel(number("Ready", "Processes that may be given work.", "short", "sum(tocsin_ready)"))
        .with_panel(number("Behind", "Work that waits, at the present rate.", "s", "tocsin:lag_seconds"))
        .with_panel(
            number(
                "Core seconds per million",
                "Documents, since the workers began.",
                "s",
                "avg(tocsin_core_seconds_per_million_documents)",
            )
        )
        .with_panel(
            number(
                "Cost per million",
                "Documents, at the price of the settings.",
                "short",
                "avg(tocsin_cost_per_million_documents)",
            )
        )
        .with_panel(
            graph(
                "Documents a second",
                "Records read, documents scored, dead letters.",
                "ops",
                query(f'sum(rate(tocsin_records_in_total{{job="tocsin-worker"}}{rate}))', "read"),
                query(f"sum(rate(tocsin_records_scored_total{rate}))", "scored"),
                query(f"sum by (stage) (rate(tocsin_dead_letters_total{rate}))", "dead letters: {{stage}}"),
            )
        )
        .with_panel(
            graph(
                "Records behind",
                "By source partition.",
                "short",
                query("max by (topic, partition) (tocsin_lag_records)", "{{topic}} {{partition}}"),
            )
        )
        .with_panel(
            graph(
                "From broker to broker",
                "A record's timestamp to its acknowledged output.",
                "s",
                *(
                    query(
                        f"histogram_quantile({q}, sum by (le) (rate(tocsin_end_to_end_seconds_bucket{rate})))",
                        f"{int(q * 100)} of 100",
                    )
                    for q in (0.5, 0.95, 0.99)
                ),
            )
        )
        .with_panel(
            graph(
                "Slabs and the model",
                "95 of 100 take less.",
                "s",
                query(
                    f"histogram_quantile(0.95, sum by (le) (rate(tocsin_slab_seconds_bucket{rate})))",
                    "a slab, until acknowledged",
                ),
                query(
                    f"histogram_quantile(0.95, sum by (le) (rate(tocsin_inference_seconds_bucket{rate})))",
                    "a batch in the model",
                ),
            )
        )
        .with_panel(
            graph(
                "Documents in a batch",
                "On average.",
                "short",
                query(
                    f"sum(rate(tocsin_batch_documents_sum{rate})) / sum(rate(tocsin_batch_documents_count{rate}))",
                    "documents",
                ),
            )
        )
        .with_panel(
            graph(
                "Processor",
                "Cores in use.",
                "short",
                query(f"sum by (job, instance) (rate(tocsin_core_seconds_total{rate}))", "{{job}} {{instance}}"),
            )
        )
        .with_panel(
            graph(
                "The watchers' clock",
                "How far what is counted is behind the present.",
                "s",
                query("time() - max by (partition) (tocsin_watermark_timestamp_seconds)", "partition {{partition}}"),
            )
        )
        .with_panel(
            graph(
                "Observations and late documents",
                "A second.",
                "ops",
                query(f"sum(rate(tocsin_observations_total{rate}))", "observations"),
                query(f"sum(rate(tocsin_late_documents_total{rate}))", "late"),
                query(f"sum(rate(tocsin_series_refused_total{rate}))", "refused"),
            )
        )
        .with_panel(
            graph(
                "Commits and snapshots",
                "A second.",
                "ops",
                query(f"sum by (role) (rate(tocsin_commits_total{rate}))", "commits: {{role}}"),
                query(f"sum(rate(tocsin_snapshots_total{rate}))", "snapshots"),
            )
        )
        .with_panel(
            graph(
                "Restarts",
                "A process that began anew counts its core seconds from zero.",
                "short",
                query("sum by (job, instance) (resets(tocsin_core_seconds_total[1h]))", "{{job}} {{instance}}"),
            )
        )
    )


def model() -> dashboard.Dashboard:
    """Which release scores, and how it stands beside another."""
    rate = "[$__rate_interval]"
    return (
        begun("model", "Model", "The release that scores.")
        .with_panel(
            graph(
                "Release",
                "Workers by release, provider and precision.",
                "short",
                query(
                    "count by (release, provider, precision) (tocsin_release_info)",
                    "{{release}} {{precision}} on {{provider}}",
                ),
                span=WIDE,
            )
        )
        .with_panel(
            graph(
                "A batch in the model",
                "By quantile.",
                "s",
                *(
                    query(
                        f"histogram_quantile({q}, sum by (le) (rate(tocsin_inference_seconds_bucket{rate})))",
                        f"{int(q * 100)} of 100",
                    )
                    for q in (0.5, 0.95)
                ),
            )
        )
        .with_panel(
            graph(
                "Negative documents by stream",
                "Share of the last day; a step at a change of release is the model's.",
                "percentunit",
                query(
                    f"sum by (name) ({NEGATIVE}) / (sum by (name) ({DOCUMENTS}) > 0)",
                    "{{name}}",
                ),
            )
        )
    )


def alarm() -> dashboard.Dashboard:
    """Whether it rings as often as was asked, and what people made of it."""
    return (
        begun("alarm", "Alarm quality", "How often it rings, and how it is delivered.")
        .with_panel(
            number("Rang today", "Alerts that began to ring in a day.", "short", "tocsin:alerts_firing:increase1d")
        )
        .with_panel(
            number(
                "Budget",
                "False alarms a day that the default rule stands: 0.01 a series.",
                "short",
                "0.01 * sum(tocsin_series)",
            )
        )
        .with_panel(number("Waiting", "Deliveries in the outbox.", "short", "sum(tocsin_outbox_pending)"))
        .with_panel(number("Oldest waiting", "Of them.", "s", "max(tocsin_outbox_oldest_seconds)"))
        .with_panel(
            graph(
                "Alerts a day against the budget",
                "Firing transitions of a day, and ten times the default budget of false alarms.",
                "short",
                query("tocsin:alerts_firing:increase1d", "rang"),
                query("10 * 0.01 * sum(tocsin_series)", "ten times the budget"),
            )
        )
        .with_panel(
            graph(
                "Transitions",
                "An hour, by state.",
                "short",
                query("sum by (state) (increase(tocsin_alerts_total[1h]))", "{{state}}"),
            )
        )
        .with_panel(
            graph(
                "Precision by people",
                "Confirmed among confirmed and dismissed, over thirty days.",
                "percentunit",
                query(
                    f"{CONFIRMED} / ({JUDGED} > 0)",
                    "precision",
                ),
                query("sum by (verdict) (increase(tocsin_alert_feedback_total[30d]))", "{{verdict}}"),
            )
        )
        .with_panel(
            graph(
                "Deliveries",
                "An hour, by sink and outcome.",
                "short",
                query("sum by (sink, outcome) (increase(tocsin_notifications_total[1h]))", "{{sink}} {{outcome}}"),
            )
        )
    )


def boards() -> Iterator[tuple[str, Any]]:
    """Every dashboard by the name of its file."""
    for make in (opinion, pipeline, model, alarm):
        yield f"{make.__name__}.json", make().build()


def text(board: Any) -> str:
    """The JSON as it is committed."""
    return str(JSONEncoder(sort_keys=True, indent=2).encode(board)) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, board in boards():
        (FOLDER / name).write_text(text(board), encoding="utf-8")
