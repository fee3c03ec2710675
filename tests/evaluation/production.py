"""The detector itself, as `tocsin detect` runs it, over the counts of a trial or of a background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.offline.sweep import Counts, Heard, Sweep
from streams.watch.knowledge import Tuning
from tests.evaluation.backgrounds import Background
from tests.evaluation.trials import WINDOW_SECONDS, Floats, Trial


@dataclass(frozen=True)
class Sounded:
    """Scores and alerts of one run: ``onset`` marks the first row of each alert."""

    score: Floats
    threshold: Floats
    ringing: np.ndarray
    onset: np.ndarray


def sounded(trial: Trial, budget: float, *, raw: bool = False, share: bool = True, pooled: bool = False) -> Sounded:
    """What the detector says of ``trial``; ``raw`` leaves the copies in, without ``share`` volume alone decides,
    ``pooled`` takes all for series of one kind, as the watcher would."""
    total = trial.raw_total if raw else trial.total
    negative = trial.raw_negative if raw else trial.negative
    counts = Counts(
        names=[f"key{at}" for at in range(trial.keys)],
        clock=trial.starts,
        totals=total,
        negatives=negative,
        lengths=np.full(trial.keys, trial.windows, np.intp),
    )
    return _of(Sweep(counts, Tuning(WINDOW_SECONDS), budget, with_share=share, pooled=pooled).run())


def sounded_backgrounds(backgrounds: Sequence[Background], budget: float) -> list[Sounded]:
    """What the detector says of five-minute counts without a column of negatives."""
    ordered = sorted(range(len(backgrounds)), key=lambda at: -len(backgrounds[at].counts))
    lengths = np.array([len(backgrounds[at].counts) for at in ordered], np.intp)
    totals = np.zeros((int(lengths[0]), len(ordered)))
    for slot, at in enumerate(ordered):
        totals[: lengths[slot], slot] = backgrounds[at].counts
    clock = np.array([backgrounds[at].starts[0] for at in ordered], np.int64)
    names = [backgrounds[at].name for at in ordered]
    heard = _of(Sweep(Counts(names, clock, totals, totals, lengths), Tuning(300), budget, with_share=False).run())
    found: dict[int, Sounded] = {}
    for slot, at in enumerate(ordered):
        rows = slice(0, int(lengths[slot]))
        found[at] = Sounded(
            heard.score[rows, slot], heard.threshold[rows, slot], heard.ringing[rows, slot], heard.onset[rows, slot]
        )
    return [found[at] for at in range(len(backgrounds))]


def _of(heard: Heard) -> Sounded:
    ringing = heard.alert >= 0
    before = np.vstack([np.full((1, heard.alert.shape[1]), -1, heard.alert.dtype), heard.alert[:-1]])
    return Sounded(heard.score, heard.threshold, ringing, ringing & (heard.alert != before))
