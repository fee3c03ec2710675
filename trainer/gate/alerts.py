"""Which alerts of a history would have been others with the candidate: a report for people, not a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streams.records import Alert
from trainer.gate.checks import Check

SHOWN = 10


@dataclass(frozen=True)
class Incident:
    """One incident of a backtest: when it first and last rang (RFC 3339, so text compares as time does)."""

    rule: str
    series: str
    began: str
    ended: str

    def __str__(self) -> str:
        return f"{self.series} ({self.rule}) from {self.began}"


def incidents(alerts: Iterable[Alert]) -> list[Incident]:
    """The incidents that fired, from their transitions."""
    found: dict[str, Incident] = {}
    for alert in alerts:
        if alert.state == "pending" or alert.reason == "lapsed":
            continue
        known = found.get(alert.alert_id)
        began = known.began if known else alert.starts_at
        ended = max(alert.ends_at or alert.window.end, known.ended if known else "")
        found[alert.alert_id] = Incident(alert.rule, alert.series, began, ended)
    return sorted(found.values(), key=lambda one: (one.began, one.series, one.rule))


def regression(champion: Iterable[Alert], candidate: Iterable[Alert]) -> Check:
    """What the candidate would have rung besides over a history, and what not.

    Two incidents are the same where rule and series are and their times meet.
    """
    before, after = incidents(champion), incidents(candidate)
    gone = [one for one in before if not _met(one, after)]
    new = [one for one in after if not _met(one, before)]
    return Check(
        "alerts",
        figures={
            "champion": len(before),
            "candidate": len(after),
            "gone": [str(one) for one in gone[:SHOWN]],
            "new": [str(one) for one in new[:SHOWN]],
            "gone_count": len(gone),
            "new_count": len(new),
        },
    )


def _met(one: Incident, others: Iterable[Incident]) -> bool:
    return any(
        other.rule == one.rule and other.series == one.series and other.began <= one.ended and one.began <= other.ended
        for other in others
    )
