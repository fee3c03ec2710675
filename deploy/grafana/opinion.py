"""What is said of companies, topics and streams."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, dashboard
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.panels import DOCUMENTS, NEGATIVE, SOURCE, WIDE, board, graph, number, query

SENTIMENT = {"negative": "#c8412b", "neutral": "#9a978f", "positive": "#3d8159"}


def opinion() -> dashboard.Dashboard:
    """What is said of companies, topics and streams."""
    one = 'kind="$kind", name=~"$name"'
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
    companies = graph(
        "Companies that are more negative than they are wont to be",
        "Share of the last hour above the usual share, the five furthest.",
        "percentunit",
        query(
            'topk(5, max by (name) (tocsin_series_negative_share{kind="entity"}) '
            '- max by (name) (tocsin_series_usual_share{kind="entity"}))',
            "{{name}}",
        ),
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
    whole = board(
        "opinion",
        "Opinion",
        "What is said, what is usual, and what rings.",
        number(
            "Ringing",
            "Series with an alert that stands.",
            "short",
            "sum(max by (kind, name) (tocsin_series_ringing))",
        ),
        number("Series", "Watched by all workers.", "short", "sum(tocsin_series)"),
        number("Rang today", "Alerts that began to ring in a day.", "short", "tocsin:alerts_firing:increase1d"),
        number(
            "Negative",
            "Of the documents of the last day.",
            "percentunit",
            f"sum({NEGATIVE}) / sum({DOCUMENTS})",
        ),
        graph(
            "Negative share of the last hour",
            "Of stories, copies folded.",
            "percentunit",
            query(f"max by (name) (tocsin_series_negative_share{{{one}}})", "{{name}}"),
        ),
        graph(
            "How near to ringing",
            "The score over the score that rings: 1 rings.",
            "percentunit",
            query(f"max by (name) (tocsin_series_score_ratio{{{one}}})", "{{name}}"),
        ),
        banded,
        mixed,
        drivers,
        companies,
    )
    return whole.with_variable(
        dashboard.QueryVariable("kind")
        .label("Kind")
        .datasource(SOURCE)
        .query("label_values(tocsin_series_usual_share, kind)")
        .current(models.VariableOption(text="entity", value="entity"))
    ).with_variable(
        dashboard.QueryVariable("name")
        .label("Name")
        .datasource(SOURCE)
        .query('label_values(tocsin_series_usual_share{kind="$kind"}, name)')
        .multi(True)
        .include_all(True)
    )
