"""Many series of counts stepped through time together, the detector and the life of incidents as they run live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.alerting import Rule
from streams.watch.baselines import accept_level, learn
from streams.watch.knowledge import SpikeState, Tuning
from streams.watch.lifecycle import Incident, Policy, Reading, begin, may_begin, step
from streams.watch.rules import rule_version
from streams.watch.spikes import Verdicts, bars, score
from streams.watch.surges import Surges, SurgeWatch
from streams.watch.tails import Floats

STATES = ("inactive", "pending", "firing", "recovering", "resolved")
Jumps = Mapping[int, Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class Counts:
    """Rows of counts by (row, series), the series with most rows first; a series has ``lengths`` of them.

    ``clock`` is the epoch second at which each series begins; ``jumps`` says before which row a series' clock
    leaps, and by how many seconds.
    """

    names: Sequence[str]
    clock: NDArray[np.int64]
    totals: Floats
    negatives: Floats
    lengths: NDArray[np.intp]
    jumps: Jumps = field(default_factory=dict)


@dataclass(frozen=True)
class Heard:
    """What was said of each (row, series): ``state`` indexes :data:`STATES`, ``alert`` indexes ``ids`` or is -1."""

    score: Floats
    threshold: Floats
    state: NDArray[np.int8]
    alert: NDArray[np.int32]
    ids: list[str]


class Sweep:
    """Step k is the k-th row of each series; every row is scored before it is learned.

    Without ``with_share`` the negatives are not looked at: volume alone decides. A series of a table depends on no
    other, unless all are ``pooled`` as those of one kind are live.
    """

    def __init__(
        self, counts: Counts, tuning: Tuning, budget: float, with_share: bool = True, pooled: bool = False
    ) -> None:
        self.counts = counts
        self.tuning = tuning
        self.threshold = tuning.threshold(budget)
        self.version = rule_version(Rule(name="detect", budget=budget))
        self.state = SpikeState.empty(len(counts.names), tuning)
        self.state.kind[:] = pooled
        self.surges = None if with_share else SurgeWatch(len(counts.names), tuning)
        self.policy = Policy()
        self.incidents: dict[int, Incident] = {}
        self.clock = counts.clock.copy()
        shape = counts.totals.shape
        self.heard = Heard(
            np.zeros(shape), np.full(shape, self.threshold), np.zeros(shape, np.int8), np.full(shape, -1, np.int32), []
        )

    def run(self) -> Heard:
        """Step through time; afterwards there is a verdict for every row."""
        lengths = self.counts.lengths
        for k in range(int(lengths.max())):
            for slot, seconds in self.counts.jumps.get(k, ()):
                self.clock[slot] += seconds
            self._step(k, int(np.searchsorted(-lengths, -k)))
        return self.heard

    def _step(self, k: int, active: int) -> None:
        row, clock, slots = self.tuning.row_seconds, self.clock[:active], slice(0, active)
        y, n = self.counts.negatives[k, :active], self.counts.totals[k, :active]
        start = _starts(clock)
        told: Surges | Verdicts
        if self.surges is not None:
            told, bar = self.surges.score(slots, n), np.full(active, self.threshold)
            young = np.full(active, k < self.tuning.rows_per_day)
        else:
            told = verdicts = score(self.state, self.tuning, slots, y, n, start)
            bar = bars(self.state, self.tuning, slots, self.threshold)
            young = self.state.seen[slots] < self.tuning.rows_per_day
        # On its first day a series knows too little to say that anything is rare.
        shown = np.where(young, 0.0, told.score)
        held = np.zeros(active, dtype=bool)
        shifted: list[int] = []
        open_slots = [slot for slot in self.incidents if slot < active]
        for slot in sorted({*np.flatnonzero(shown >= self.threshold).tolist(), *open_slots}):
            reading = self._reading(float(told.observed[slot]), int(clock[slot]), float(shown[slot]), float(bar[slot]))
            state, alert_id = self._move(slot, reading)
            if state == "shifted":
                shifted.append(slot)
                state = "resolved"
            self.heard.state[k, slot] = STATES.index(state)
            if alert_id:
                self.heard.alert[k, slot] = self._number(alert_id)
                held[slot] = True
        if self.surges is not None:
            self.surges.learn(slots, n)
        else:
            hour_ends = clock // 3600 != (clock + row) // 3600
            learn(self.state, self.tuning, slots, y, n, verdicts, start, hour_ends, held)
            for slot in shifted:
                accept_level(self.state, self.tuning, slot, float(verdicts.basis.season[slot]))
        self.clock[:active] += row
        self.heard.score[k, :active] = shown
        self.heard.threshold[k, :active] = bar

    def _number(self, alert_id: str) -> int:
        ids = self.heard.ids
        for at in range(len(ids) - 1, -1, -1):
            if ids[at] == alert_id:
                return at
        ids.append(alert_id)
        return len(ids) - 1

    def _move(self, slot: int, reading: Reading) -> tuple[str, str]:
        """The state of the series after ``reading``, and its incident's id while people would be told."""
        incident = self.incidents.get(slot)
        if incident is None or incident.state == "resolved":
            if not may_begin(incident, reading):
                if incident is not None and incident.forgotten_by(reading.mark_ms):
                    del self.incidents[slot]
                waits = reading.score >= self.threshold and incident is None
                return ("pending" if waits else "inactive"), ""
            incident, _ = begin("detect", self.version, self.counts.names[slot], reading, incident)
            self.incidents[slot] = incident
        else:
            moved = step(incident, reading, self.policy)
            if moved is not None and moved.reason == "level_shift":
                return "shifted", ""
        return incident.state, incident.alert_id if incident.ringing else ""

    def _reading(self, observed: float, start: int, shown: float, bar: float) -> Reading:
        end_ms = (start + self.tuning.row_seconds) * 1000
        return Reading(
            start_ms=start * 1000,
            end_ms=end_ms,
            mark_ms=end_ms,
            closed=True,
            score=shown,
            threshold=bar,
            observed=observed,
            loud=shown >= bar,
        )


def _starts(clock: NDArray[np.int64]) -> int | NDArray[np.int64]:
    """The epoch seconds of the series' current rows; one number where they agree."""
    return int(clock[0]) if len(clock) and (clock == clock[0]).all() else clock
