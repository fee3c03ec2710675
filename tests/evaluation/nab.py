"""The Numenta score of alarms on labelled windows, written from its published formula.

Early rows (the first 15 %, at most 750) are never judged. A window earns by its earliest alarmed row, more the
earlier; alarmed rows outside windows cost, less the closer they follow one. Every alarmed row counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.evaluation.trials import Floats

PROFILES = {"standard": (1.0, 1.0, 0.11), "low_fp": (1.0, 1.0, 0.22), "low_fn": (1.0, 2.0, 0.11)}
"""(worth of a hit, cost of a missed window, cost of a false alarm)."""
GRID = 500
"""Candidate thresholds where nobody says otherwise."""
REST = 288
"""Rows after an alarm in which no other counts: a day of five-minute rows."""


@dataclass(frozen=True)
class Labelled:
    """A series' labelled windows as inclusive row ranges, and its number of rows."""

    rows: int
    windows: list[tuple[int, int]]

    @property
    def probation(self) -> int:
        return min(int(0.15 * self.rows), 750)


def worth(p: Floats) -> Floats:
    """What a row at relative position ``p`` is worth: positive inside a window, negative behind it."""
    return np.where(p > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(p, 3))) - 1)


def raw_score(series: Labelled, alarmed: np.ndarray, profile: str) -> float:
    """The unnormalised score of the alarmed rows (indices) of one series."""
    tp, fn, fp = PROFILES[profile]
    rows = np.unique(alarmed)
    rows = rows[rows >= series.probation]
    score, outside = 0.0, np.ones(len(rows), dtype=bool)
    best = float(worth(np.array([-1.0]))[0])
    for left, right in series.windows:
        inside = (rows >= left) & (rows <= right)
        outside &= ~inside
        if inside.any():
            at = (rows[inside] - right - 1) / (right - left + 1)
            score += tp * float(worth(at).max()) / best
        else:
            score -= fn
    for row in rows[outside]:
        before = [(left, right) for left, right in series.windows if right < row]
        if before:
            left, right = max(before, key=lambda window: window[1])
            score += fp * float(worth(np.array([(row - right) / (right - left)]))[0])
        else:
            score -= fp
    return score


def normalised(raw: float, windows: int, profile: str) -> float:
    """The score on the scale where silence is 0 and perfection 100."""
    tp, fn, _ = PROFILES[profile]
    null = -fn * windows
    return 100 * (raw - null) / (windows * tp - null)


def nab_score(series: Sequence[Labelled], alarmed: Sequence[np.ndarray], profile: str) -> float:
    """The normalised score over several series."""
    raw = sum(raw_score(one, rows, profile) for one, rows in zip(series, alarmed, strict=True))
    return normalised(raw, sum(len(one.windows) for one in series), profile)


def first_crossings(score: Floats, threshold: float, rest: int = REST, probation: int = 0) -> np.ndarray:
    """The rows at which ``score`` reaches ``threshold`` after being below it, each followed by a rest."""
    loud = score >= threshold
    edges = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]]))
    kept, free = [], probation
    for row in edges.tolist():
        if row >= free:
            kept.append(row)
            free = row + rest
    return np.array(kept, np.int64)


def fitted_scores(series: Sequence[Labelled], scores: Sequence[Floats], rest: int = REST) -> dict[str, float]:
    """Per profile, the score at the one threshold that suits these very series best."""
    table = _table(series, scores, _grid(scores), rest)
    windows = sum(len(one.windows) for one in series)
    return {name: normalised(float(raws.sum(axis=0).max()), windows, name) for name, raws in table.items()}


def left_out_scores(
    series: Sequence[Labelled], scores: Sequence[Floats], rest: int = REST, grid: int = GRID
) -> dict[str, float]:
    """Per profile, the score when each series is judged at the threshold that suits the others best."""
    table = _table(series, scores, _grid(scores, grid), rest)
    windows = sum(len(one.windows) for one in series)
    found = {}
    for name, raws in table.items():
        total = 0.0
        for at in range(len(series)):
            others = np.delete(raws, at, axis=0).sum(axis=0)
            total += raws[at, int(others.argmax())]
        found[name] = normalised(total, windows, name)
    return found


def _grid(scores: Sequence[Floats], size: int = GRID) -> Floats:
    """Candidate thresholds: ``size`` quantiles, most of them in the tail, of all positive scores."""
    together = np.concatenate([score[score > 0] for score in scores])
    return np.unique(np.quantile(together, 1 - np.geomspace(1e-6, 1, size)))


def _table(series: Sequence[Labelled], scores: Sequence[Floats], grid: Floats, rest: int) -> dict[str, Floats]:
    table = {name: np.zeros((len(series), len(grid))) for name in PROFILES}
    for at, (one, score) in enumerate(zip(series, scores, strict=True)):
        for g, threshold in enumerate(grid):
            rows = first_crossings(score, float(threshold), rest, one.probation)
            for name in PROFILES:
                table[name][at, g] = raw_score(one, rows, name)
    return table
