"""Which release scores, and how it stands beside another."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.panels import DOCUMENTS, NEGATIVE, RATE, WIDE, board, graph, query


def model() -> dashboard.Dashboard:
    """Which release scores, and how it stands beside another."""
    return board(
        "model",
        "Model",
        "The release that scores, whether the stream is still what it knows, and what is to be labelled.",
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
        graph(
            "Drift against its threshold",
            "Statistic of each detector over what it alarms above: at 1 it alarms.",
            "percentunit",
            query(
                "max by (stream, detector) (tocsin_drift_statistic / (tocsin_drift_threshold > 0))",
                "{{stream}} {{detector}}",
            ),
        ),
        graph(
            "Drift alarms",
            "Of a day; the detectors together ring for nothing once in drift.run_length documents of a stream.",
            "short",
            query("sum(increase(tocsin_drift_alarms_total[1d])) or vector(0)", "all"),
            query(
                "sum by (stream, detector) (increase(tocsin_drift_alarms_total[1d]) > 0) or vector(0)",
                "{{stream}} {{detector}}",
            ),
        ),
        graph(
            "Confidence",
            "Mean calibrated confidence of late: what a head should be right by. A stream that is new to it lowers it.",
            "percentunit",
            query("avg by (stream, head) (tocsin_expected_accuracy)", "{{stream}} {{head}}"),
        ),
        graph(
            "Calibration by people's words",
            "Of documents drawn blindly: how often people agree with the champion's sentiment, how sure it was, and "
            "the expected calibration error. Sure beyond right is overconfident.",
            "percentunit",
            query("max(tocsin_trainer_people_right)", "right"),
            query("max(tocsin_trainer_people_confidence)", "sure"),
            query("max(tocsin_trainer_people_calibration_error)", "calibration error"),
        ),
        graph(
            "Samples chosen",
            "Documents sent to be labelled, in a day: drawn blindly, and for what they would teach.",
            "short",
            query("sum by (stream, slice) (increase(tocsin_drift_samples_total[1d]))", "{{stream}} {{slice}}"),
        ),
        graph(
            "Heard by the detectors",
            "Documents a second; what they have no time for is passed over, never waited for.",
            "short",
            query(f"sum by (stream) (rate(tocsin_drift_documents_total{RATE}))", "{{stream}}"),
            query(f"sum by (stream) (rate(tocsin_drift_skipped_total{RATE})) or vector(0)", "passed over {{stream}}"),
        ),
        graph(
            "Releases moved",
            "Swapped in, refused, backed out, in a day.",
            "short",
            query("sum by (outcome) (increase(tocsin_release_moves_total[1d])) or vector(0)", "{{outcome}}"),
        ),
    )
