"""What may befall a stream: the same benchmark with documents that never come, an outage, a clock that is put forward,
rows of five minutes, and people's labels misread.

Each takes a trial and gives another with the same spikes, so that figures stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streams.offline.sweep import Counts, Sweep
from streams.watch.knowledge import Tuning
from streams.watch.tails import volume_tail
from tests.evaluation.trials import DAY, WINDOW_SECONDS, Floats, Injections, Trial, drawn_p0

OUTAGE_WINDOWS, CLOCK_WINDOWS = 8, 4
"""Two hours in which nothing comes, and the hour that is skipped in spring."""


def with_outage(trial: Trial, day: int) -> Trial:
    """Nothing comes for two hours from noon of ``day``, and what was said then is lost."""
    away = slice(day * DAY + DAY // 2, day * DAY + DAY // 2 + OUTAGE_WINDOWS)
    negative, total = trial.negative.copy(), trial.total.copy()
    negative[away], total[away] = 0.0, 0.0
    return replace(trial, negative=negative, total=total)


def with_clock_put_forward(trial: Trial, day: int) -> Trial:
    """From 02:00 of ``day`` on, people do everything an hour earlier than the profile has learned."""
    first = day * DAY + 2 * CLOCK_WINDOWS
    kept = np.ones(trial.windows, dtype=bool)
    kept[first : first + CLOCK_WINDOWS] = False
    return replace(
        trial,
        negative=trial.negative[kept],
        total=trial.total[kept],
        raw_negative=trial.raw_negative[kept],
        raw_total=trial.raw_total[kept],
        spikes=_moved(trial.spikes, first),
        bursts=_moved(trial.bursts, first),
        cascades=_moved(trial.cascades, first),
        shift=np.where(trial.shift >= first, trial.shift - CLOCK_WINDOWS, trial.shift),
        late=None,
    )


def _moved(some: Injections, first: int) -> Injections:
    """Injections after ``first`` begin an hour sooner; those that the missing hour cuts through are left out."""
    clear = (some.start + some.length <= first) | (some.start >= first + CLOCK_WINDOWS)
    start = np.where(some.start >= first, some.start - CLOCK_WINDOWS, some.start)
    return Injections(some.key[clear], start[clear], some.length[clear], some.strength[clear])


def with_misread_labels(trial: Trial, seed: int, missed: float, invented: float) -> Trial:
    """Of the negatives a part of ``missed`` is taken for others, of the others a part of ``invented`` for negatives."""
    rng = np.random.default_rng(seed)
    negative, total = trial.negative.astype(np.int64), trial.total.astype(np.int64)
    read = rng.binomial(negative, 1 - missed) + rng.binomial(total - negative, invented)
    return replace(trial, negative=read.astype(float))


def five_minute_scores(trial: Trial, budget: float, seed: int) -> tuple[Floats, Floats]:
    """Scores and thresholds by (window, key) when the same documents come in rows of five minutes.

    A window has the score of the loudest of its three rows: an alarm in it is an alarm.
    """
    rng = np.random.default_rng(seed)
    parts = 3
    negative, others = trial.negative.astype(np.int64), (trial.total - trial.negative).astype(np.int64)
    split = [rng.multinomial(counts, np.full(parts, 1 / parts)) for counts in (negative, others)]
    rows = [np.moveaxis(one, 2, 1).reshape(parts * trial.windows, trial.keys).astype(float) for one in split]
    counts = Counts(
        names=[f"key{at}" for at in range(trial.keys)],
        clock=trial.starts,
        totals=rows[0] + rows[1],
        negatives=rows[0],
        lengths=np.full(trial.keys, parts * trial.windows, np.intp),
    )
    heard = Sweep(counts, Tuning(WINDOW_SECONDS // parts), budget).run()
    shape = (trial.windows, parts, trial.keys)
    return heard.score.reshape(shape).max(axis=1), heard.threshold.reshape(shape).min(axis=1)


def one_story_more(seed: int, thresholds: Sequence[float], keys: int = 40_000) -> list[tuple[float, float, float]]:
    """What one negative document does to a detector that knows the truth: how rarely copies can ring, at best.

    Keys as in b1, their mean and spread known, nothing else to estimate. For each threshold: loud windows per key and
    day; and per thousand, how often one of the six windows from the document on is loud, without it and with it.
    """
    rng, tuning = np.random.default_rng(seed), Tuning(WINDOW_SECONDS)
    level, share = np.exp(rng.uniform(np.log(0.1), np.log(60), keys)), drawn_p0(rng, keys)
    swing = 1 / rng.uniform(3, 30, keys) + 1 / ((rng.uniform(20, 200, keys) + 1) * share * (1 - share))
    mean = level * share
    longest, judged = max(tuning.scales), 6
    quiet = rng.poisson(mean * rng.gamma(1 / swing, swing, (longest + judged, keys))).astype(float)
    more = quiet.copy()
    more[longest] += 1

    def loudest(counts: Floats) -> Floats:
        sums = np.vstack([np.zeros((1, keys)), np.cumsum(counts, axis=0)])
        best = np.zeros((judged, keys))
        for rows, extra in zip(tuning.scales, tuning.surcharge(np.array(tuning.scales)), strict=True):
            y = sums[longest + 1 :] - sums[longest + 1 - rows : len(sums) - rows]
            tail = volume_tail(y, np.broadcast_to(mean * rows, y.shape), np.broadcast_to(swing / rows, y.shape))
            best = np.maximum(best, tail - extra)
        return best

    without, with_it = loudest(quiet), loudest(more)
    return [
        (
            DAY * float((without >= threshold).mean()),
            1000 * float((without >= threshold).any(axis=0).mean()),
            1000 * float((with_it >= threshold).any(axis=0).mean()),
        )
        for threshold in thresholds
    ]
