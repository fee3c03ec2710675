"""What the trainer learns, how its candidates are judged, and what is promoted."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.panels import RATE, WIDE, board, graph, number, query


def trainer() -> dashboard.Dashboard:
    """What the trainer learns, how its candidates are judged, and what is promoted."""
    return board(
        "trainer",
        "Trainer",
        "Cycles, the gate's verdicts, promotions, and what is learnt from.",
        number(
            "Cycles",
            "Concluded in a week, whatever came of them.",
            "short",
            "sum(increase(tocsin_trainer_cycles_total[7d]))",
        ),
        number(
            "Promoted",
            "Releases made champion in thirty days.",
            "short",
            "sum(increase(tocsin_trainer_promotions_total[30d]))",
        ),
        number(
            "Fresh labels",
            "Labelled documents that no release has learnt.",
            "short",
            "sum(tocsin_trainer_fresh_labels)",
        ),
        number(
            "Last cycle",
            "When it was concluded; 1970: never.",
            "dateTimeFromNow",
            "1000 * max(tocsin_trainer_last_cycle_timestamp_seconds)",
        ),
        graph(
            "What it is at",
            "1 for the stage.",
            "short",
            query("max by (stage) (tocsin_trainer_stage)", "{{stage}}"),
            span=WIDE,
        ),
        graph(
            "What became of cycles",
            "Of a week, by outcome.",
            "short",
            query("sum by (outcome) (increase(tocsin_trainer_cycles_total[7d]))", "{{outcome}}"),
        ),
        graph(
            "Checks that failed",
            "Of the gate's verdicts in thirty days: each refusal names its check.",
            "short",
            query(
                'sum by (check) (increase(tocsin_trainer_gate_checks_total{outcome="failed"}[30d])) or vector(0)',
                "{{check}}",
            ),
        ),
        graph(
            "Checks that held",
            "The same, of those that held.",
            "short",
            query(
                'sum by (check) (increase(tocsin_trainer_gate_checks_total{outcome="held"}[30d])) or vector(0)',
                "{{check}}",
            ),
        ),
        graph(
            "A cycle",
            "From its beginning to its conclusion, of a month, by quantile.",
            "s",
            *(
                query(
                    f"histogram_quantile({q}, sum by (le) (increase(tocsin_trainer_cycle_seconds_bucket[30d])))",
                    f"{int(q * 100)} of 100",
                )
                for q in (0.5, 0.95)
            ),
        ),
        graph(
            "Labels taken",
            "In a week, by who gave them; and those that no cycle uses, by why.",
            "short",
            query("sum by (source) (increase(tocsin_trainer_labels_total[7d])) or vector(0)", "{{source}}"),
            query(
                "sum by (why) (increase(tocsin_trainer_labels_set_aside_total[7d])) or vector(0)", "set aside: {{why}}"
            ),
        ),
        graph(
            "Rows",
            "Held back to judge by, remembered to be rehearsed, and documents that wait for a label.",
            "short",
            query("sum by (set) (tocsin_trainer_gate_rows)", "judged by: {{set}}"),
            query("sum(tocsin_trainer_memory_rows)", "rehearsed"),
            query("sum by (slice) (tocsin_trainer_samples)", "samples: {{slice}}"),
        ),
        graph(
            "Drift signals",
            "Taken in, in a week, by what they call for.",
            "short",
            query("sum by (calls) (increase(tocsin_trainer_signals_total[7d])) or vector(0)", "{{calls}}"),
        ),
        graph(
            "Reading",
            "Records taken in a second, and how many wait.",
            "short",
            query(f"sum by (topic) (rate(tocsin_trainer_records_in_total{RATE}))", "{{topic}}"),
            query("sum by (topic) (tocsin_trainer_lag_records)", "waiting: {{topic}}"),
        ),
    )
