"""From a transition to the record that leaves the watcher."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from streams.records import Alert, Window
from streams.watch.evidence import Witnesses, exemplars, summary, top_sources
from streams.watch.folding import Stories
from streams.watch.lifecycle import Incident, Reading, Transition, transition_id_of
from streams.watch.rules import CompiledRule
from streams.watch.spikes import Verdicts
from streams.watch.windows import rfc3339

DIGITS = 4


@dataclass(frozen=True)
class Finding:
    """One entry of the detector's verdicts, as plain numbers; ``age`` is that of its newest window."""

    slot: int
    scale: int
    expected: float
    total: float
    baseline_share: float
    volume: float
    share: float
    age: int = 0

    @classmethod
    def of(cls, verdicts: Verdicts, at: int, slot: int, age: int = 0) -> Finding:
        """Entry ``at`` of ``verdicts``, which is about ``slot``."""
        return cls(
            slot=slot,
            scale=int(verdicts.scale[at]),
            expected=float(verdicts.expected[at]),
            total=float(verdicts.total[at]),
            baseline_share=float(verdicts.baseline_share[at]),
            volume=float(verdicts.volume[at]),
            share=float(verdicts.share[at]),
            age=age,
        )


@dataclass(frozen=True)
class Scene:
    """Where evidence is taken from; ``shown`` bounds the exemplars."""

    witnesses: Witnesses
    stories: Stories
    shown: int
    release: str


def with_evidence(
    incident: Incident, transition: Transition, reading: Reading, finding: Finding, rule: CompiledRule, scene: Scene
) -> Alert:
    """The alert of a pending or firing transition, with what speaks for it."""
    size_ms = reading.end_ms - reading.start_ms
    start_ms = reading.end_ms - finding.scale * size_ms
    testimonies = scene.witnesses.about(finding.slot, finding.scale, finding.age)
    sources = top_sources(testimonies)
    copies = sum(testimony.copies for testimony in testimonies)
    share = reading.observed / finding.total if finding.total else 0.0
    seconds = finding.scale * size_ms // 1000
    return Alert(
        alert_id=incident.alert_id,
        transition_id=transition_id_of(incident.alert_id, transition.sequence, transition.state),
        sequence=transition.sequence,
        rule=rule.name,
        rule_version=rule.version,
        series=incident.series,
        state=transition.state,
        severity=rule.rule.severity,
        starts_at=rfc3339(incident.start_ms),
        ends_at=None,
        window=Window(rfc3339(start_ms), rfc3339(reading.end_ms), seconds),
        observed=reading.observed,
        expected=round(finding.expected, DIGITS),
        total=finding.total,
        share=round(share, DIGITS),
        baseline_share=round(finding.baseline_share, DIGITS),
        score=round(reading.score, DIGITS),
        threshold=round(reading.threshold, DIGITS),
        exemplars=exemplars(testimonies, finding.slot, scene.stories, scene.shown),
        copies=copies,
        release=scene.release,
        reason=transition.reason,
        flapping=incident.flapping,
        rang=incident.rang,
        summary=summary(
            incident.series,
            minutes=seconds // 60,
            observed=reading.observed,
            total=finding.total,
            expected=finding.expected,
            share=share,
            baseline_share=finding.baseline_share,
            copies=copies,
            sources=sources,
        ),
        evidence={
            "volume": round(finding.volume, DIGITS),
            "share": round(finding.share, DIGITS),
            "sources": [[name, count] for name, count in sources],
            "window_open": not reading.closed,
        },
        labels=dict(rule.rule.labels),
    )


def without_evidence(incident: Incident, transition: Transition) -> Alert:
    """The alert of a recovering or resolved transition: the facts last told, in their new state."""
    assert incident.told is not None, "every incident begins with evidence"
    return msgspec.structs.replace(
        incident.told,
        transition_id=transition_id_of(incident.alert_id, transition.sequence, transition.state),
        sequence=transition.sequence,
        state=transition.state,
        ends_at=rfc3339(incident.loud_end_ms) if transition.state == "resolved" else None,
        reason=transition.reason,
        flapping=incident.flapping,
        rang=incident.rang,
    )
