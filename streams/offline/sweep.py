"""Many series of counts stepped through time together, the detector and the life of incidents as they run live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.alerting import Rule
from streams.watch.baselines import accept_level, learn
from streams.watch.lifecycle import Incident, Policy, Reading, begin, may_begin, step
from streams.watch.rules import rule_version
from streams.watch.spikes import DAY_SECONDS, Cell, Floats, SpikeState, Tuning, Verdicts, bars, score

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
    """Step k is the k-th row of each series; every row is scored before it is learned."""

    def __init__(self, counts: Counts, tuning: Tuning, budget: float) -> None:
        self.counts = counts
        self.tuning = tuning
        self.threshold = tuning.threshold(budget)
        self.version = rule_version(Rule(name="detect", budget=budget))
        self.state = SpikeState.empty(len(counts.names), tuning)
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
        cell = _cells(clock)
        verdicts = score(self.state, self.tuning, slots, y, n, cell)
        bar = bars(self.state, self.tuning, slots, self.threshold)
        # On its first day a series knows too little to say that anything is rare.
        shown = np.where(self.state.seen[slots] < self.tuning.rows_per_day, 0.0, verdicts.score)
        held = np.zeros(active, dtype=bool)
        shifted: list[tuple[int, int]] = []
        open_slots = [slot for slot in self.incidents if slot < active]
        for slot in sorted({*np.flatnonzero(shown >= self.threshold).tolist(), *open_slots}):
            reading = self._reading(verdicts, slot, int(clock[slot]), float(shown[slot]), float(bar[slot]))
            state, alert_id = self._move(slot, reading)
            if state == "shifted":
                shifted.append((slot, cell if isinstance(cell, int) else int(cell[slot])))
                state = "resolved"
            self.heard.state[k, slot] = STATES.index(state)
            if alert_id:
                self.heard.alert[k, slot] = self._number(alert_id)
                held[slot] = True
        hour_ends = clock // 3600 != (clock + row) // 3600
        learn(self.state, self.tuning, slots, y, n, verdicts, cell, hour_ends, held)
        for slot, hour in shifted:
            accept_level(self.state, self.tuning, slot, hour)
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
                if incident is not None and reading.mark_ms >= incident.rearm_ms:
                    del self.incidents[slot]
                waits = reading.score >= self.threshold and incident is None
                return ("pending" if waits else "inactive"), ""
            incident, _ = begin("detect", self.version, self.counts.names[slot], reading)
            self.incidents[slot] = incident
        else:
            moved = step(incident, reading, self.policy)
            if moved is not None and moved.reason == "level_shift":
                return "shifted", ""
        return incident.state, incident.alert_id if incident.ringing else ""

    def _reading(self, verdicts: Verdicts, slot: int, start: int, shown: float, bar: float) -> Reading:
        end_ms = (start + self.tuning.row_seconds) * 1000
        return Reading(
            start_ms=start * 1000,
            end_ms=end_ms,
            mark_ms=end_ms,
            closed=True,
            score=shown,
            threshold=bar,
            observed=float(verdicts.observed[slot]),
            loud=shown >= bar,
        )


def _cells(clock: NDArray[np.int64]) -> Cell:
    """The hours of week of the series' current rows; one number where they agree."""
    cell = (clock // 3600 % 24 + 24 * ((clock // DAY_SECONDS + 3) % 7 >= 5)).astype(np.intp)
    return int(cell[0]) if len(cell) and (cell == cell[0]).all() else cell
