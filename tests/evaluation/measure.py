"""What an alarm is worth: recall, false alarms, precision and delay of scores, or of the alerts themselves.

A crossing is a window whose score reaches the threshold; an alarm is a crossing after more than eight windows
without one. A spike is detected by a crossing from its start to two windows after its end. False alarms are
the alarms outside [start, start + length + 8) of every spike; near a level shift a key has one alarm free.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tests.evaluation.trials import DAY, Floats, Injections, Ints, Trial

REST = 8
AFTER = 2
SHIFT_GRACE = 2 * DAY
WEAK_BELOW, STRONG_FROM = 6.0, 15.0
GRID = 120


@dataclass(frozen=True)
class Marks:
    """Crossings as (key, window), sorted by key, then window; ``alarm`` says which of them begin an alarm."""

    key: Ints
    window: Ints
    alarm: np.ndarray


@dataclass(frozen=True)
class Measured:
    """The figures at one threshold. Rates are per key and day, or per thousand injections; ``delay`` in windows."""

    threshold: float
    recall: float
    low: float
    high: float
    weak: float
    medium: float
    strong: float
    precision: float
    delay: float
    false_alarms: float
    per_burst: float
    per_cascade: float
    per_shift: float

    def as_dict(self) -> dict[str, Any]:
        return {name: round(value, 5) for name, value in asdict(self).items()}


class Judge:
    """Everything of a trial that does not depend on the detector, laid out once."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.masked = np.zeros((trial.windows, trial.keys), dtype=bool)
        for key, start, length in zip(trial.spikes.key, trial.spikes.start, trial.spikes.length, strict=True):
            self.masked[start : start + length + REST, key] = True
        judged = ~self.masked
        judged[: trial.burn] = False
        self.key_days = judged.sum() / DAY

    def at_threshold(self, score: Floats, threshold: float) -> Measured:
        """The figures of ``score`` (windows, keys), crossing at ``threshold``."""
        return self._measured(self._crossings(_Sparse(score, threshold, self.trial.burn), threshold), threshold)

    def at_own_thresholds(self, loud: np.ndarray) -> Measured:
        """The figures of a detector that says itself in which windows it is loud."""
        return self.at_threshold(loud.astype(float), 0.5)

    def of_alerts(self, ringing: np.ndarray, onset: np.ndarray) -> Measured:
        """The figures of alerts as raised: ``ringing`` windows detect, each ``onset`` is one alarm."""
        key, window = np.nonzero((ringing | onset)[self.trial.burn :].T)
        window = window + self.trial.burn
        return self._measured(Marks(key, window, onset[window, key]), float("nan"))

    def at_budget(self, score: Floats, budget: float) -> Measured:
        """The figures at the lowest threshold down to which false alarms stay within ``budget`` per key and day."""
        flat = score[self.trial.burn :]
        most = min(flat.size - 1, int(max(40 * budget, 0.02) * self.key_days * 30))
        floor = float(np.partition(flat, flat.size - most, axis=None)[flat.size - most])
        sparse = _Sparse(score, max(floor, 1e-9), self.trial.burn)
        values = np.unique(sparse.score[~self.masked[sparse.window, sparse.key]])
        # Come down from the highest score until the budget is overspent (far below, where every window crosses
        # and all is one alarm, it would be kept again), first in strides, then closer.
        near = np.arange(len(values))
        while True:
            tried = np.unique(near[np.linspace(0, len(near) - 1, GRID).astype(int)])
            over = [at for at in tried.tolist() if self._false_rate(sparse, float(values[at])) > budget]
            if not over:
                threshold = float(values[tried[0]])
                break
            if over[-1] == len(values) - 1:
                threshold = float(values[-1]) * (1 + 1e-9)
                break
            above = int(tried[np.searchsorted(tried, over[-1], side="right")])
            if above - over[-1] <= 1:
                threshold = float(values[above])
                break
            near = np.arange(over[-1], above + 1)
        return self._measured(self._crossings(sparse, threshold), threshold)

    def false_alarms(self, loud: Floats) -> tuple[Ints, Ints]:
        """The (key, window) of the false alarms of a detector that is ``loud`` where that is not zero."""
        return self._false(self._crossings(_Sparse(loud, 0.5, self.trial.burn), 0.5))

    def _crossings(self, sparse: _Sparse, threshold: float) -> Marks:
        kept = sparse.score >= threshold
        key, window = sparse.key[kept], sparse.window[kept]
        alarm = np.ones(len(key), dtype=bool)
        alarm[1:] = (key[1:] != key[:-1]) | (window[1:] - window[:-1] > REST)
        return Marks(key, window, alarm)

    def _false_rate(self, sparse: _Sparse, threshold: float) -> float:
        return len(self._false(self._crossings(sparse, threshold))[0]) / self.key_days

    def _false(self, marks: Marks) -> tuple[Ints, Ints]:
        """The (key, window) of the false alarms, the free one after a level shift left out."""
        alarmed = marks.alarm & ~self.masked[marks.window, marks.key]
        key, window = marks.key[alarmed], marks.window[alarmed]
        shift = self.trial.shift[key]
        excused = (shift >= 0) & (window >= shift) & (window < shift + SHIFT_GRACE)
        first = np.zeros(len(key), dtype=bool)
        first[np.unique(np.where(excused, key, -1), return_index=True)[1]] = True
        counted = ~(excused & first)
        return key[counted], window[counted]

    def _measured(self, marks: Marks, threshold: float) -> Measured:
        trial, spikes = self.trial, self.trial.spikes
        code = marks.key * trial.windows + marks.window
        begin = spikes.key * trial.windows + spikes.start
        ends = np.append(code, np.iinfo(np.int64).max)
        first = ends[np.searchsorted(code, begin)]
        delay = first - begin
        detected = delay < spikes.length + AFTER
        key, window = self._false(marks)
        low, high = _interval(spikes, detected, trial.keys)
        return Measured(
            threshold=threshold,
            recall=_share(detected),
            low=low,
            high=high,
            weak=_share(detected[spikes.strength < WEAK_BELOW]),
            medium=_share(detected[(spikes.strength >= WEAK_BELOW) & (spikes.strength < STRONG_FROM)]),
            strong=_share(detected[spikes.strength >= STRONG_FROM]),
            precision=float(detected.sum() / max(detected.sum() + len(key), 1)),
            delay=float(np.median(delay[detected])) if detected.any() else float("nan"),
            false_alarms=len(key) / self.key_days,
            per_burst=self._per_thousand(key, window, trial.bursts),
            per_cascade=self._per_thousand(key, window, trial.cascades),
            per_shift=self._per_shift(marks),
        )

    def _per_thousand(self, key: Ints, window: Ints, injections: Injections) -> float:
        if not len(injections):
            return 0.0
        inside = np.zeros((self.trial.windows, self.trial.keys), dtype=bool)
        for k, start, length in zip(injections.key, injections.start, injections.length, strict=True):
            inside[start : start + length + AFTER, k] = True
        return 1000 * float(inside[window, key].sum()) / len(injections)

    def _per_shift(self, marks: Marks) -> float:
        shifted = np.count_nonzero(self.trial.shift >= 0)
        shift = self.trial.shift[marks.key]
        near = marks.alarm & (shift >= 0) & (marks.window >= shift) & (marks.window < shift + SHIFT_GRACE)
        near &= ~self.masked[marks.window, marks.key]
        return float(near.sum() / shifted) if shifted else 0.0


class _Sparse:
    """The windows that score at least ``floor``, sorted by key, then window."""

    def __init__(self, score: Floats, floor: float, burn: int) -> None:
        self.key, self.window = np.nonzero((score[burn:] >= floor).T)
        self.window = self.window + burn
        self.score = score[self.window, self.key]


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def _interval(spikes: Injections, detected: np.ndarray, keys: int, rounds: int = 500) -> tuple[float, float]:
    """The 95 % interval of recall when whole keys are drawn again."""
    hits = np.bincount(spikes.key, detected, keys)
    count = np.bincount(spikes.key, minlength=keys).astype(float)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(keys, np.full(keys, 1 / keys), rounds).astype(float)
    recalls = (weights @ hits) / np.maximum(weights @ count, 1)
    low, high = np.quantile(recalls, [0.025, 0.975])
    return float(low), float(high)
