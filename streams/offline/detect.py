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

from streams.errors import InputError
from streams.offline.counts import CountSeries, CountTable, read_counts, row_seconds
from streams.offline.sweep import STATES, Counts, Sweep
from streams.watch.knowledge import Tuning

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
        tuning = Tuning(length)
        group.sort(key=lambda series: max(series.starts) - min(series.starts), reverse=True)
        for first in range(0, len(group), TOGETHER):
            chunk = group[first : first + TOGETHER]
            _heard(chunk, tuning, budget, table.has_negative, findings)
            advance(sum(len(series.lines) for series in chunk))
    return findings


def _heard(group: Sequence[CountSeries], tuning: Tuning, budget: float, with_share: bool, findings: Findings) -> None:
    """Sweep over ``group``, which has the longest series first, and note what was heard on each line."""
    counts, places = _laid_out(group, tuning)
    heard = Sweep(counts, tuning, budget, with_share).run()
    for slot, (series, steps) in enumerate(zip(group, places, strict=True)):
        findings.score[series.lines] = heard.score[steps, slot]
        findings.threshold[series.lines] = heard.threshold[steps, slot]
        told = np.flatnonzero(heard.state[steps, slot])
        for at in told.tolist():
            line, step = series.lines[at], steps[at]
            findings.state[line] = STATES[heard.state[step, slot]]
            if heard.alert[step, slot] >= 0:
                findings.alert_id[line] = heard.ids[heard.alert[step, slot]]


def _laid_out(group: Sequence[CountSeries], tuning: Tuning) -> tuple[Counts, list[NDArray[np.intp]]]:
    """Every row at its step; long gaps are shortened, and the clock jumps over the rest of them."""
    row, longest = tuning.row_seconds, int(LONGEST_GAP_DAYS * tuning.rows_per_day)
    clock = np.zeros(len(group), np.int64)
    places: list[NDArray[np.intp]] = []
    jumps: dict[int, list[tuple[int, int]]] = {}
    for slot, series in enumerate(group):
        starts = np.asarray(series.starts, np.int64)
        clock[slot] = starts.min()
        steps = (starts - starts.min()) // row
        reached = np.unique(steps)
        skipped = np.maximum(np.diff(reached, prepend=reached[0]) - longest, 0)
        before = np.cumsum(skipped)
        places.append((steps - before[np.searchsorted(reached, steps)]).astype(np.intp))
        for at in np.flatnonzero(skipped):
            jumps.setdefault(int(reached[at] - before[at]), []).append((slot, int(skipped[at]) * row))
    lengths = np.array([int(steps.max()) + 1 for steps in places])
    totals, negatives = (np.zeros((int(lengths.max()), len(group))) for _ in range(2))
    for slot, (series, steps) in enumerate(zip(group, places, strict=True)):
        np.add.at(totals[:, slot], steps, np.asarray(series.totals))
        np.add.at(negatives[:, slot], steps, np.asarray(series.negatives))
    names = [series.name for series in group]
    return Counts(names, clock, totals, negatives, lengths, jumps), places


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
