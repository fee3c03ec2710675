"""Which release scores, and how it stands beside another."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.panels import DOCUMENTS, NEGATIVE, RATE, WIDE, board, graph, query


def model() -> dashboard.Dashboard:
    """Which release scores, and how it stands beside another."""
    return board(
        "model",
        "Model",
        "The release that scores.",
        graph(
            "Release",
            "Workers by release, provider and precision.",
            "short",
            query(
                "count by (release, provider, precision) (tocsin_release_info)",
                "{{release}} {{precision}} on {{provider}}",
            ),
            span=WIDE,
        ),
        graph(
            "A batch in the model",
            "By quantile.",
            "s",
            *(
                query(
                    f"histogram_quantile({q}, sum by (le) (rate(tocsin_inference_seconds_bucket{RATE})))",
                    f"{int(q * 100)} of 100",
                )
                for q in (0.5, 0.95)
            ),
        ),
        graph(
            "Negative documents by stream",
            "Share of the last day; a step at a change of release is the model's.",
            "percentunit",
            query(
                f"sum by (name) ({NEGATIVE}) / (sum by (name) ({DOCUMENTS}) > 0)",
                "{{name}}",
            ),
        ),
    )
