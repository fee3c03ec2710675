"""Labels are identity; what changes is an annotation; what documents say is harmless."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from streams.notify import wording
from streams.records import Alert

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
Make = Callable[..., Alert]


def test_labels_are_equal_from_first_state_to_last(alert: Make) -> None:
    later = alert(
        state="resolved", sequence=4, observed=90, score=11, release="r2", ends_at="2026-11-22T07:45:00Z", exemplars=()
    )
    assert wording.identity(alert(), "tocsin") == wording.identity(later, "tocsin")
    assert wording.annotate(alert()) != wording.annotate(later)


def test_labels_name_rule_series_and_parts(alert: Make) -> None:
    assert wording.identity(alert(), "tocsin") == {
        "alertname": "NegativeSpike",
        "entity": "acme",
        "instance": "tocsin",
        "rule": "negative-spike",
        "series": "entity:acme|topic:Earnings",
        "severity": "critical",
        "team": "risk",
        "topic": "Earnings",
    }


def test_constant_labels_cannot_pass_for_ours_and_are_spelt_for_prometheus(alert: Make) -> None:
    labels = wording.identity(alert(labels={"alertname": "Watchdog", "a b-c": "x", "9": "y", "empty": ""}), "tocsin")
    assert labels["alertname"] == "NegativeSpike"
    assert (labels["a_b_c"], labels["_9"]) == ("x", "y")
    assert "empty" not in labels
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in labels)


def test_hostile_names_are_bounded_and_printable(alert: Make) -> None:
    hostile = alert(series="entity:" + "\u202e\x1b[2J" + "x" * 5000, reason="a\r\nb", summary="\x07" + "s" * 5000)
    for value in (*wording.identity(hostile, "p").values(), *wording.annotate(hostile).values()):
        assert value.isprintable()
        assert len(value) <= wording.ANNOTATION_CHARS


def test_annotations_carry_the_evidence(alert: Make) -> None:
    facts = wording.annotate(alert(), "https://runbooks.example/spike")
    assert (facts["observed"], facts["expected"], facts["share"]) == ("12", "1.25", "0.8")
    assert '"Acme recalls kettles" (wire, 3 copies)' in facts["exemplars"]
    assert "12 negative stories of 15 in 15 min" in facts["description"]
    assert facts["runbook_url"] == "https://runbooks.example/spike"


def test_a_firing_alert_ends_some_reminders_ahead_of_the_wall_clock(alert: Make) -> None:
    start, end = wording.span(alert(), NOW, timedelta(minutes=3))
    assert (start, end) == ("2026-11-22T07:00:00.000Z", "2026-11-22T08:03:00.000Z")


def test_a_resolved_alert_ends_when_it_ended_never_ahead_and_never_before_its_start(alert: Make) -> None:
    def ends(ends_at: str | None) -> tuple[str, str]:
        return wording.span(alert(state="resolved", ends_at=ends_at), NOW, timedelta(minutes=3))

    assert ends("2026-11-22T07:45:00Z")[1] == "2026-11-22T07:45:00.000Z"
    assert ends("2030-01-01T00:00:00Z")[1] == "2026-11-22T08:00:00.000Z"
    assert ends(None)[1] == "2026-11-22T08:00:00.000Z"
    start, end = ends("2026-11-22T06:00:00Z")
    assert start <= end


def test_a_recovering_alert_still_fires(alert: Make) -> None:
    assert [wording.status(alert(state=state)) for state in ("firing", "recovering", "resolved")] == [
        "firing",
        "firing",
        "resolved",
    ]
