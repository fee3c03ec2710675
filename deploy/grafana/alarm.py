"""Whether it rings as often as was asked, and what people made of it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.panels import board, graph, number, query

CONFIRMED = 'sum(increase(tocsin_alert_feedback_total{verdict="confirm"}[30d]))'
JUDGED = 'sum(increase(tocsin_alert_feedback_total{verdict=~"confirm|dismiss"}[30d]))'


def alarm() -> dashboard.Dashboard:
    """Whether it rings as often as was asked, and what people made of it."""
    return board(
        "alarm",
        "Alarm quality",
        "How often it rings, and how it is delivered.",
        number("Rang today", "Alerts that began to ring in a day.", "short", "tocsin:alerts_firing:increase1d"),
        number(
            "Budget",
            "False alarms a day that the default rule stands: 0.01 a series.",
            "short",
            "0.01 * sum(tocsin_series)",
        ),
        number("Waiting", "Deliveries in the outbox.", "short", "sum(tocsin_outbox_pending)"),
        number("Oldest waiting", "Of them.", "s", "max(tocsin_outbox_oldest_seconds)"),
        graph(
            "Alerts a day against the budget",
            "Firing transitions of a day, and ten times the default budget of false alarms.",
            "short",
            query("tocsin:alerts_firing:increase1d", "rang"),
            query("10 * 0.01 * sum(tocsin_series)", "ten times the budget"),
        ),
        graph(
            "Delay of an alert",
            "From the end of the window that rang to the alert on its topic; the grace for late documents is in it.",
            "s",
            *(
                query(
                    f"histogram_quantile({q}, sum by (le) (increase(tocsin_alert_delay_seconds_bucket[1d])))",
                    f"{int(q * 100)} of 100",
                )
                for q in (0.5, 0.95)
            ),
        ),
        graph(
            "Transitions",
            "An hour, by state.",
            "short",
            query("sum by (state) (increase(tocsin_alerts_total[1h]))", "{{state}}"),
        ),
        graph(
            "Precision by people",
            "Confirmed among confirmed and dismissed, over thirty days.",
            "percentunit",
            query(
                f"{CONFIRMED} / ({JUDGED} > 0)",
                "precision",
            ),
            query("sum by (verdict) (increase(tocsin_alert_feedback_total[30d]))", "{{verdict}}"),
        ),
        graph(
            "Deliveries",
            "An hour, by sink and outcome.",
            "short",
            query("sum by (sink, outcome) (increase(tocsin_notifications_total[1h]))", "{{sink}} {{outcome}}"),
        ),
    )
