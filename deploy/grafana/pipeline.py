"""How the line is doing."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.panels import RATE, board, graph, number, query


def pipeline() -> dashboard.Dashboard:
    """How the line is doing."""
    return board(
        "pipeline",
        "Pipeline",
        "Records in, documents out, and how long it takes.",
        number("Ready", "Processes that may be given work.", "short", "sum(tocsin_ready)"),
        number("Behind", "Work that waits, at the present rate.", "s", "tocsin:lag_seconds"),
        number(
            "Core seconds per million",
            "Documents, since the workers began.",
            "s",
            "avg(tocsin_core_seconds_per_million_documents)",
        ),
        number(
            "Cost per million",
            "Documents, at the price of the settings.",
            "short",
            "avg(tocsin_cost_per_million_documents)",
        ),
        graph(
            "Documents a second",
            "Records read, documents scored, dead letters.",
            "ops",
            query(f'sum(rate(tocsin_records_in_total{{job="tocsin-worker"}}{RATE}))', "read"),
            query(f"sum(rate(tocsin_records_scored_total{RATE}))", "scored"),
            query(f"sum by (stage) (rate(tocsin_dead_letters_total{RATE}))", "dead letters: {{stage}}"),
        ),
        graph(
            "Records behind",
            "By source partition.",
            "short",
            query("max by (topic, partition) (tocsin_lag_records)", "{{topic}} {{partition}}"),
        ),
        graph(
            "From broker to broker",
            "A record's timestamp to its acknowledged output.",
            "s",
            *(
                query(
                    f"histogram_quantile({q}, sum by (le) (rate(tocsin_end_to_end_seconds_bucket{RATE})))",
                    f"{int(q * 100)} of 100",
                )
                for q in (0.5, 0.95, 0.99)
            ),
        ),
        graph(
            "Slabs and the model",
            "95 of 100 take less.",
            "s",
            query(
                f"histogram_quantile(0.95, sum by (le) (rate(tocsin_slab_seconds_bucket{RATE})))",
                "a slab, until acknowledged",
            ),
            query(
                f"histogram_quantile(0.95, sum by (le) (rate(tocsin_inference_seconds_bucket{RATE})))",
                "a batch in the model",
            ),
        ),
        graph(
            "Documents in a batch",
            "On average.",
            "short",
            query(
                f"sum(rate(tocsin_batch_documents_sum{RATE})) / sum(rate(tocsin_batch_documents_count{RATE}))",
                "documents",
            ),
        ),
        graph(
            "Processor",
            "Cores in use.",
            "short",
            query(f"sum by (job, instance) (rate(tocsin_core_seconds_total{RATE}))", "{{job}} {{instance}}"),
        ),
        graph(
            "The watchers' clock",
            "How far what is counted is behind the present.",
            "s",
            query("time() - max by (partition) (tocsin_watermark_timestamp_seconds)", "partition {{partition}}"),
        ),
        graph(
            "Observations and late documents",
            "A second.",
            "ops",
            query(f"sum(rate(tocsin_observations_total{RATE}))", "observations"),
            query(f"sum(rate(tocsin_late_documents_total{RATE}))", "late"),
            query(f"sum(rate(tocsin_series_refused_total{RATE}))", "refused"),
        ),
        graph(
            "Commits and snapshots",
            "A second.",
            "ops",
            query(f"sum by (role) (rate(tocsin_commits_total{RATE}))", "commits: {{role}}"),
            query(f"sum(rate(tocsin_snapshots_total{RATE}))", "snapshots"),
        ),
        graph(
            "Restarts",
            "A process that began anew counts its core seconds from zero.",
            "short",
            query("sum by (job, instance) (resets(tocsin_core_seconds_total[1h]))", "{{job}} {{instance}}"),
        ),
    )
