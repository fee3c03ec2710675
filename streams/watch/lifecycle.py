"""What becomes of an incident: inactive -> pending -> firing -> recovering -> resolved.

    inactive --score >= threshold, window still open--------------> pending
    inactive --the same in a closed window, or far above----------> firing
    pending  --still so a minute later, or when the window closes-> firing      else, at close: resolved (lapsed)
    firing   --a closed window below the lower threshold----------> recovering
    recovering --score >= threshold-------------------------------> firing
    recovering --quiet for an hour--------------------------------> resolved, then a cooldown
    firing, recovering --for a day--------------------------------> resolved as level_shift

A window still open can only raise: quiet is counted when windows close. Late documents only raise or annotate.
During the cooldown only clearly stronger evidence rings again. What begins to ring for the third time within a
day is *flapping*: this is told once, its ups and downs no more, and its end sums them up. Incidents of one rule
and series never share a start, so ids never repeat.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct, field

from streams.records import Alert, AlertState

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
RESOLVE_BELOW = 2.0
"""A score that one window in a hundred reaches by chance."""
LEAP = 3.0
"""Evidence this far above the threshold needs no second look."""
REARM_FACTOR, REARM_MARGIN = 1.25, 1.0
"""To ring during the cooldown a score must beat the last peak by both."""
STRONGER_FACTOR, STRONGER_MARGIN = 2.0, 5.0
"""A firing alert is revised when, still loud, it counts this many times, and this many, more than last told."""
LATE_FACTOR, LATE_MARGIN = 1.25, 2.0
"""The same for a window that late documents corrected."""
FLAPPING_RINGS = 3
FLAPPING_PATIENCE = 4
"""A flapping incident has to be quiet for so many times longer before it is over."""

Reason = Literal[
    "",
    "late_documents",
    "louder_again",
    "stronger",
    "flapping",
    "lapsed",
    "quiet",
    "level_shift",
    "rule_changed",
    "returned",
]


class Incident(Struct):
    """One incident of one rule in one series, from its first transition to the end of its cooldown.

    ``rings`` holds when it, or the one before it, began to ring within the last day; ``rang`` counts how often
    this one did. ``height_before`` is the highest score of its first day before it began.
    ``told`` is the last alert that carried evidence: what follows repeats its facts.
    """

    alert_id: str
    rule: str
    rule_version: str
    series: str
    start_ms: int
    state: AlertState
    sequence: int
    since_ms: int
    loud_end_ms: int
    peak_score: float
    told_observed: float
    quiet: int = 0
    rearm_ms: int = 0
    rang: int = 0
    height_before: float = 0.0
    flapping: bool = False
    rings: list[int] = field(default_factory=list)
    told: Alert | None = None

    @property
    def ringing(self) -> bool:
        """Whether people have been told and not yet been told that it is over."""
        return self.state in ("firing", "recovering")

    def forgotten_by(self, ms: int) -> bool:
        """Whether, resolved, it no longer bears on what comes after ``ms``."""
        remembered = self.rings[-1] + DAY_MS if self.rings else 0
        return self.state == "resolved" and max(self.rearm_ms, remembered) <= ms


@dataclass(frozen=True)
class Reading:
    """What the detector says of one series: ``mark_ms`` is when, ``start_ms``/``end_ms`` the base window.

    ``loud`` is the score reaching the threshold with enough negative stories; ``closed`` whether the window
    is complete. ``late`` marks a window that closed before and was corrected since: it may only raise.
    """

    start_ms: int
    end_ms: int
    mark_ms: int
    closed: bool
    score: float
    threshold: float
    observed: float
    loud: bool
    late: bool = False


@dataclass(frozen=True)
class Policy:
    """How long things take, in milliseconds of event time."""

    quiet_ms: int = HOUR_MS
    cooldown_ms: int = 12 * HOUR_MS
    level_shift_ms: int = DAY_MS


@dataclass(frozen=True)
class Transition:
    """A state to tell of, and why."""

    state: AlertState
    sequence: int
    reason: Reason = ""


def alert_id_of(rule: str, version: str, series: str, size_ms: int, start_ms: int) -> str:
    """The incident's name: 32 hex digits of rule, version, series, window size (s) and first window's start (ms)."""
    return digest(rule, version, series, str(size_ms // 1000), str(start_ms))


def transition_id_of(alert_id: str, sequence: int, state: str) -> str:
    """The idempotency key of one transition."""
    return digest(alert_id, str(sequence), state)


def resolve_below(threshold: float) -> float:
    """The lower threshold: a score that is nothing unusual, and always clearly under ``threshold``.

    >>> resolve_below(3.98), resolve_below(2.0)
    (2.0, 1.5)
    """
    return min(RESOLVE_BELOW, 0.75 * threshold)


def begin(
    rule: str, version: str, series: str, reading: Reading, last: Incident | None = None
) -> tuple[Incident, Transition]:
    """A new incident from a loud reading; ``last`` is the one before it, where it is still remembered."""
    state: AlertState = "firing" if reading.closed or reading.late or _leaps(reading) else "pending"
    size_ms = reading.end_ms - reading.start_ms
    incident = Incident(
        alert_id=alert_id_of(rule, version, series, size_ms, reading.start_ms),
        rule=rule,
        rule_version=version,
        series=series,
        start_ms=reading.start_ms,
        state=state,
        sequence=0,
        since_ms=reading.mark_ms,
        loud_end_ms=reading.end_ms,
        peak_score=reading.score,
        told_observed=reading.observed,
        rings=list(last.rings) if last is not None else [],
    )
    reason: Reason = "late_documents" if reading.late else ""
    if state == "firing":
        reason = _ring(incident, reading) or reason
    return incident, Transition(state, 0, reason)


def may_begin(last: Incident | None, reading: Reading) -> bool:
    """Whether a loud reading starts an incident after ``last``, which is resolved (or ``None``)."""
    if not reading.loud:
        return False
    if last is None:
        return True
    if reading.start_ms <= last.start_ms:
        return False
    if reading.mark_ms >= last.rearm_ms:
        return True
    return reading.score >= max(last.peak_score * REARM_FACTOR, last.peak_score + REARM_MARGIN)


def step(incident: Incident, reading: Reading, policy: Policy) -> Transition | None:
    """Move an open incident on by one reading; the transition to tell of, if there is one."""
    loudest = reading.score > incident.peak_score
    incident.peak_score = max(incident.peak_score, reading.score)
    if incident.state == "pending":
        return _step_pending(incident, reading)
    if reading.late:
        return _step_late(incident, reading)
    if reading.closed and reading.end_ms - incident.start_ms >= policy.level_shift_ms:
        return _resolve(incident, reading.end_ms, reading, policy, "level_shift")
    if incident.state == "recovering" and reading.loud:
        return _fire_again(incident, reading, "louder_again")
    if not reading.closed:
        return _revise(incident, reading) if loudest else None
    if reading.score >= resolve_below(reading.threshold):
        _stay(incident, reading)
        return _revise(incident, reading)
    if reading.end_ms <= incident.loud_end_ms:
        return None  # it was loud within this window, whatever came of it at the close
    incident.quiet += 1
    patience = policy.quiet_ms * (FLAPPING_PATIENCE if incident.flapping else 1)
    if incident.quiet * (reading.end_ms - reading.start_ms) >= patience:
        return _resolve(incident, incident.loud_end_ms, reading, policy, "quiet")
    if incident.state == "firing" and not incident.flapping:
        return _tell(incident, "recovering", reading, "")
    return None


def bury(incident: Incident, mark_ms: int, reason: Reason) -> Transition:
    """End an incident from outside: its rule was changed or taken away. A pending one lapses: nobody heard of it."""
    reason = "lapsed" if incident.state == "pending" else reason
    incident.state = "resolved"
    incident.sequence += 1
    incident.rearm_ms = mark_ms
    return Transition("resolved", incident.sequence, reason)


def _step_pending(incident: Incident, reading: Reading) -> Transition | None:
    if reading.loud and (reading.closed or _leaps(reading) or reading.mark_ms > incident.since_ms):
        incident.loud_end_ms = max(incident.loud_end_ms, reading.end_ms)
        return _tell(incident, "firing", reading, _ring(incident, reading))
    if reading.closed:
        incident.rearm_ms = reading.end_ms
        return _tell(incident, "resolved", reading, "lapsed")
    return None


def _step_late(incident: Incident, reading: Reading) -> Transition | None:
    """A closed window was corrected: it brings a recovering incident back only if nobody knew it to be loud."""
    if not reading.loud:
        return None
    if reading.end_ms > incident.loud_end_ms:
        if incident.state == "recovering":
            return _fire_again(incident, reading, "late_documents")
        _stay(incident, reading)
    wanted = max(incident.told_observed * LATE_FACTOR, incident.told_observed + LATE_MARGIN)
    return _tell(incident, incident.state, reading, "late_documents") if reading.observed >= wanted else None


def _stay(incident: Incident, reading: Reading) -> None:
    """Not quiet, or no longer: what a flapping incident does next is only counted."""
    if incident.flapping and incident.quiet and reading.loud:
        incident.rang += 1
    incident.quiet = 0
    incident.loud_end_ms = max(incident.loud_end_ms, reading.end_ms)


def _fire_again(incident: Incident, reading: Reading, reason: Reason) -> Transition:
    incident.quiet = 0
    incident.loud_end_ms = max(incident.loud_end_ms, reading.end_ms)
    return _tell(incident, "firing", reading, _ring(incident, reading) or reason)


def _ring(incident: Incident, reading: Reading) -> Reason:
    """Count one more beginning to ring; ``flapping`` where it is one too many within a day."""
    incident.rang += 1
    incident.rings = [*(at for at in incident.rings if at > reading.mark_ms - DAY_MS), reading.mark_ms]
    if incident.flapping or len(incident.rings) < FLAPPING_RINGS:
        return ""
    incident.flapping = True
    return "flapping"


def _resolve(incident: Incident, end_ms: int, reading: Reading, policy: Policy, reason: Reason) -> Transition:
    incident.loud_end_ms = end_ms
    incident.rearm_ms = reading.end_ms + policy.cooldown_ms
    return _tell(incident, "resolved", reading, reason)


def _revise(incident: Incident, reading: Reading) -> Transition | None:
    wanted = max(incident.told_observed * STRONGER_FACTOR, incident.told_observed + STRONGER_MARGIN)
    if incident.state != "firing" or not reading.loud or reading.observed < wanted:
        return None
    return _tell(incident, "firing", reading, "stronger")


def _tell(incident: Incident, state: AlertState, reading: Reading, reason: Reason) -> Transition:
    incident.state = state
    incident.sequence += 1
    incident.since_ms = reading.mark_ms
    incident.told_observed = max(incident.told_observed, reading.observed)
    return Transition(state, incident.sequence, reason)


def _leaps(reading: Reading) -> bool:
    return reading.score >= reading.threshold + LEAP


def digest(*parts: str) -> str:
    """An id of 32 hex digits from ``parts``."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]
