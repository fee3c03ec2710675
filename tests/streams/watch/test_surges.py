from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.watch.knowledge import Tuning
from streams.watch.surges import SurgeWatch

Counts = NDArray[np.float64]
EVERYONE = slice(None)


def sweep(n: Counts, tuning: Tuning) -> tuple[SurgeWatch, Counts]:
    """Step (rows, series) counts through the watch; returns it and the scores."""
    watch, scores = SurgeWatch(n.shape[1], tuning), np.zeros_like(n)
    for k, row in enumerate(n):
        scores[k] = watch.score(EVERYONE, row).score
        watch.learn(EVERYONE, row)
    return watch, scores


def calm(rows: int, series: int, seed: int = 1) -> Counts:
    rng = np.random.default_rng(seed)
    return rng.poisson(8 * rng.gamma(5, 0.2, (rows, series))).astype(float)


@pytest.mark.parametrize("seconds", [300, 900])
def test_a_surge_is_heard_and_calm_rows_are_not(seconds: int) -> None:
    tuning, n = Tuning(seconds), calm(5 * 86_400 // seconds, 3)
    at = 4 * 86_400 // seconds
    n[at : at + 3600 // seconds, 1] += 150
    _, scores = sweep(n, tuning)
    assert scores[at : at + 2, 1].max() > tuning.threshold(0.01)
    scores[at : at + 3 * 3600 // seconds, 1] = 0
    assert scores.max() < tuning.threshold(0.01)


def test_what_is_often_so_large_is_no_surge() -> None:
    tuning, n = Tuning(900), calm(20 * 96, 2)
    n[40::48, 0] += 80
    n[1900, :] += 80
    _, scores = sweep(n, tuning)
    assert scores[1900, 1] > scores[1900, 0] + 1


def test_a_day_old_series_says_nothing_yet() -> None:
    n = calm(96, 2)
    n[50] = 500
    _, scores = sweep(n, Tuning(900))
    assert not scores.any()


def test_earlier_scores_do_not_know_what_comes_later() -> None:
    n = calm(400, 2)
    n[300:310] += 100
    _, whole = sweep(n, Tuning(900))
    for cut in (120, 305):
        np.testing.assert_array_equal(sweep(n[:cut], Tuning(900))[1], whole[:cut])


def test_the_median_follows_a_new_level_within_days() -> None:
    n = np.vstack([calm(10 * 96, 1), calm(10 * 96, 1, seed=2) * 4])
    watch, _ = sweep(n, Tuning(900))
    assert 20 < watch.median[0] < 40
