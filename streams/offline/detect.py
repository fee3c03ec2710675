"""``tocsin detect``: the detector alone, over rows of counts. Every row is scored before it is learned."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from streams.alerting import Rule
from streams.errors import InputError
from streams.offline.counts import CountSeries, CountTable, read_counts, row_seconds
from streams.watch.baselines import accept_level, learn
from streams.watch.lifecycle import Incident, Policy, Reading, begin, may_begin, step
from streams.watch.rules import rule_version
from streams.watch.spikes import DAY_SECONDS, SpikeState, Tuning, Verdicts, bars, score

ADDED = ("score", "threshold", "state", "alert_id")
TOGETHER = 1024
"""Series stepped through time together; they are sorted by length, so that few of them wait for the longest."""
LONGEST_GAP_DAYS = 28
"""A longer gap between two rows counts as this many days of zeros: more of them would teach nothing."""


@dataclass
class Findings:
    """Per input line what the detector says of its row."""

    score: NDArray[np.float64]
    threshold: NDArray[np.float64]
    state: list[str]
    alert_id: list[str]


def run(input: Path, output: Path, budget: float = 0.01) -> int:
    """Score the rows of ``input`` and write them, sorted by series and start, to ``output``. Returns 0.

    ``budget`` is the false alarms one will stand per series and day; it decides ``threshold``.

    Raises:
        InputError: the file or a row cannot be used, or the budget is not positive.
    """
    if budget <= 0:
        raise InputError(f"a budget of {budget:g} false alarms can only be kept by silence; give a positive one")
    console = Console(stderr=True)
    table = read_counts(input)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("detecting", total=len(table.rows))
        findings = detect(table, budget, lambda rows: progress.advance(task, rows))
    _write(table, findings, output)
    alerts = len({alert for alert in findings.alert_id if alert})
    console.print(f"{len(table.rows)} rows of {len(table.series)} series, {alerts} alerts", highlight=False)
    return 0


def detect(table: CountTable, budget: float, advance: Callable[[int], object] = lambda rows: None) -> Findings:
    """What the detector says of every row of ``table``; ``advance`` is called with the rows done."""
    n = len(table.rows)
    findings = Findings(np.zeros(n), np.zeros(n), ["inactive"] * n, [""] * n)
    by_length: dict[int, list[CountSeries]] = {}
    for series in table.series:
        try:
            by_length.setdefault(row_seconds(np.asarray(series.starts, np.int64)), []).append(series)
        except InputError as exc:
            raise InputError(f"series {series.name!r}: {exc}") from exc
    for length, group in sorted(by_length.items()):
        tuning = Tuning(length, two_keys=table.has_negative)
        group.sort(key=lambda series: max(series.starts) - min(series.starts), reverse=True)
        for first in range(0, len(group), TOGETHER):
            chunk = group[first : first + TOGETHER]
            _Sweep(chunk, tuning, budget, findings).run()
            advance(sum(len(series.lines) for series in chunk))
    return findings


class _Sweep:
    """Some series, stepped through time together: step k is the k-th row of each."""

    def __init__(self, group: Sequence[CountSeries], tuning: Tuning, budget: float, findings: Findings) -> None:
        self.group = group
        self.tuning = tuning
        self.findings = findings
        self.threshold = tuning.threshold(budget)
        self.version = rule_version(Rule(name="detect", budget=budget))
        self.state = SpikeState.empty(len(group), tuning)
        self.policy = Policy()
        self.incidents: dict[int, Incident] = {}
        self.places: list[NDArray[np.intp]] = []
        self.jumps: dict[int, list[tuple[int, int]]] = {}
        self.clock = np.zeros(len(group), np.int64)
        self._lay_out()

    def _lay_out(self) -> None:
        """Put every row into its step; long gaps are shortened, and the clock jumps over the rest of them."""
        row, longest = self.tuning.row_seconds, int(LONGEST_GAP_DAYS * self.tuning.rows_per_day)
        for slot, series in enumerate(self.group):
            starts = np.asarray(series.starts, np.int64)
            self.clock[slot] = starts.min()
            steps = (starts - starts.min()) // row
            reached = np.unique(steps)
            skipped = np.maximum(np.diff(reached, prepend=reached[0]) - longest, 0)
            before = np.cumsum(skipped)
            self.places.append((steps - before[np.searchsorted(reached, steps)]).astype(np.intp))
            for at in np.flatnonzero(skipped):
                jump = (slot, int(skipped[at]) * row)
                self.jumps.setdefault(int(reached[at] - before[at]), []).append(jump)
        self.lengths = np.array([int(places.max()) + 1 for places in self.places])

    def _matrix(self, values: Sequence[Sequence[float]]) -> NDArray[np.float64]:
        out = np.zeros((int(self.lengths.max()), len(self.group)))
        for slot, (places, column) in enumerate(zip(self.places, values, strict=True)):
            np.add.at(out[:, slot], places, np.asarray(column))
        return out

    def run(self) -> None:
        """Step through time; afterwards the findings hold a verdict for every row."""
        negatives = self._matrix([series.negatives for series in self.group])
        totals = self._matrix([series.totals for series in self.group])
        scores, limits = np.zeros_like(negatives), np.full_like(negatives, self.threshold)
        told: dict[tuple[int, int], tuple[str, str]] = {}
        order = np.argsort(-self.lengths, kind="stable")
        for k in range(int(self.lengths.max())):
            for slot, seconds in self.jumps.get(k, ()):
                self.clock[slot] += seconds
            active = order[: int(np.searchsorted(-self.lengths[order], -k))]
            scores[k, active], limits[k, active] = self._step(k, active, negatives[k, active], totals[k, active], told)
        for slot, (series, places) in enumerate(zip(self.group, self.places, strict=True)):
            self.findings.score[series.lines] = scores[places, slot]
            self.findings.threshold[series.lines] = limits[places, slot]
            for line, place in zip(series.lines, places.tolist(), strict=True):
                if (place, slot) in told:
                    self.findings.state[line], self.findings.alert_id[line] = told[place, slot]

    def _step(
        self,
        k: int,
        active: NDArray[np.intp],
        y: NDArray[np.float64],
        n: NDArray[np.float64],
        told: dict[tuple[int, int], tuple[str, str]],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        row, clock = self.tuning.row_seconds, self.clock[active]
        cell = (clock // 3600 % 24 + 24 * ((clock // DAY_SECONDS + 3) % 7 >= 5)).astype(np.intp)
        verdicts = score(self.state, self.tuning, active, y, n, cell)
        bar = bars(self.state, self.tuning, active, self.threshold)
        # On its first day a series knows too little to say that anything is rare.
        shown = np.where(self.state.seen[active] < self.tuning.rows_per_day, 0.0, verdicts.score)
        held = np.zeros(len(active), dtype=bool)
        shifted: list[tuple[int, int]] = []
        open_places = [int(np.flatnonzero(active == slot)[0]) for slot in self.incidents if k < self.lengths[slot]]
        for at in sorted({*np.flatnonzero(shown >= self.threshold).tolist(), *open_places}):
            slot = int(active[at])
            reading = self._reading(verdicts, at, int(clock[at]), float(shown[at]), float(bar[at]))
            state, alert_id = self._move(slot, reading)
            if state == "shifted":
                shifted.append((slot, int(cell[at])))
                state = "resolved"
            if state != "inactive":
                told[k, slot] = state, alert_id
            held[at] = bool(alert_id)
        hour_ends = clock // 3600 != (clock + row) // 3600
        learn(self.state, self.tuning, active, y, n, verdicts, cell, hour_ends, held)
        for slot, hour in shifted:
            accept_level(self.state, self.tuning, slot, hour)
        self.clock[active] += row
        return shown, bar

    def _move(self, slot: int, reading: Reading) -> tuple[str, str]:
        """The state of the series after ``reading``, and its incident's id while people would be told."""
        incident = self.incidents.get(slot)
        if incident is None or incident.state == "resolved":
            if not may_begin(incident, reading):
                if incident is not None and reading.mark_ms >= incident.rearm_ms:
                    del self.incidents[slot]
                waits = reading.score >= self.threshold and incident is None
                return ("pending" if waits else "inactive"), ""
            incident, _ = begin("detect", self.version, self.group[slot].name, reading)
            self.incidents[slot] = incident
        else:
            moved = step(incident, reading, self.policy)
            if moved is not None and moved.reason == "level_shift":
                return "shifted", ""
        return incident.state, incident.alert_id if incident.ringing else ""

    def _reading(self, verdicts: Verdicts, at: int, start: int, shown: float, bar: float) -> Reading:
        end_ms = (start + self.tuning.row_seconds) * 1000
        return Reading(
            start_ms=start * 1000,
            end_ms=end_ms,
            mark_ms=end_ms,
            closed=True,
            score=shown,
            threshold=bar,
            observed=float(verdicts.observed[at]),
            loud=shown >= bar,
        )


def _write(table: CountTable, findings: Findings, output: Path) -> None:
    keep = [at for at, name in enumerate(table.columns) if name not in ADDED]
    try:
        with output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*(table.columns[at] for at in keep), *ADDED])
            writer.writerows(_output_rows(table, findings, keep))
    except OSError as exc:
        raise InputError(f"{output} cannot be written: {exc}") from exc


def _output_rows(table: CountTable, findings: Findings, keep: Sequence[int]) -> Iterator[list[str]]:
    whole = len(keep) == len(table.columns)
    scores = [f"{value:.4f}" for value in findings.score.tolist()]
    limits = [f"{value:.4f}" for value in findings.threshold.tolist()]
    for series in table.series:
        for _, line in sorted(zip(series.starts, series.lines, strict=True)):
            row = table.rows[line]
            if not whole or len(row) != len(keep):
                row = [row[at] if at < len(row) else "" for at in keep]
            yield [*row, scores[line], limits[line], findings.state[line], findings.alert_id[line]]
