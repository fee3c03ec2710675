"""From a transition to the record that leaves the watcher."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from scipy.special import betainc

from streams.records import Alert, Window
from streams.watch.evidence import Question, Scene, gathered
from streams.watch.lifecycle import Incident, Reading, Transition, transition_id_of
from streams.watch.rules import CompiledRule
from streams.watch.spikes import Verdicts
from streams.watch.windows import rfc3339
from streams.watch.words import summary

DIGITS = 4
MOST_COUNTS = 4096
"""Points at which the distribution of a count is asked; larger counts are asked on a grid."""


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
    usual_range: tuple[int, int]
    age: int = 0

    @classmethod
    def of(cls, verdicts: Verdicts, at: int, slot: int, age: int = 0) -> Finding:
        """Entry ``at`` of ``verdicts``, which is about ``slot``."""
        scale, expected = int(verdicts.scale[at]), float(verdicts.expected[at])
        return cls(
            slot=slot,
            scale=scale,
            expected=expected,
            total=float(verdicts.total[at]),
            baseline_share=float(verdicts.baseline_share[at]),
            volume=float(verdicts.volume[at]),
            share=float(verdicts.share[at]),
            usual_range=usual_range(expected, 1 / float(verdicts.spread[at])),
            age=age,
        )


def usual_range(mean: float, size: float) -> tuple[int, int]:
    """The 2.5 and 97.5 % quantiles of a negative binomial of ``mean`` and ``size``: variance mean + mean^2/size.

    >>> usual_range(0.01, 5.0), usual_range(10.0, 1e9)
    ((0, 0), (4, 17))
    """
    most = math.ceil(mean + 14 * math.sqrt(mean + mean * mean / size) + 20)
    counts = np.linspace(0, most, min(most, MOST_COUNTS) + 1).astype(np.int64)
    below = betainc(size, counts + 1.0, size / (size + mean))
    low, high = np.searchsorted(below, (0.025, 0.975))
    return int(counts[low]), int(counts[min(int(high), len(counts) - 1)])


def with_evidence(
    incident: Incident, transition: Transition, reading: Reading, finding: Finding, rule: CompiledRule, scene: Scene
) -> Alert:
    """The alert of a transition, with what speaks for it."""
    size_ms = reading.end_ms - reading.start_ms
    start_ms = reading.end_ms - finding.scale * size_ms
    seconds = finding.scale * size_ms // 1000
    share = reading.observed / finding.total if finding.total else 0.0
    evidence, exemplars, copies = gathered(
        Question(
            slot=finding.slot,
            series=incident.series,
            scale=finding.scale,
            age=finding.age,
            start_ms=start_ms,
            expected=finding.expected,
            recalled=min(1.0, len(scene.witnesses.windows) / finding.scale),
            usual_range=finding.usual_range,
            score=reading.score,
            row_seconds=size_ms // 1000,
            volume=finding.volume,
            share=finding.share,
            window_open=not reading.closed,
            today=incident.height_before,
        ),
        scene,
    )
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
        exemplars=exemplars,
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
            evidence=evidence,
        ),
        evidence=evidence,
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
