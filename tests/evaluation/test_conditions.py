from __future__ import annotations

import numpy as np

from tests.evaluation.conditions import (
    CLOCK_WINDOWS,
    OUTAGE_WINDOWS,
    five_minute_scores,
    one_story_more,
    with_clock_put_forward,
    with_misread_labels,
    with_outage,
)
from tests.evaluation.simulator import parametric
from tests.evaluation.trials import DAY

TRIAL = parametric(1, keys=20, days=20)
DAY_OF_IT = 16


def test_an_outage_takes_two_hours_and_nothing_else() -> None:
    away = with_outage(TRIAL, DAY_OF_IT)
    silent = (away.total.sum(axis=1) == 0) & (TRIAL.total.sum(axis=1) > 0)
    assert silent.sum() == OUTAGE_WINDOWS
    np.testing.assert_array_equal(away.total[~silent], TRIAL.total[~silent])


def test_a_clock_put_forward_skips_an_hour_and_takes_what_was_hidden_along() -> None:
    moved, first = with_clock_put_forward(TRIAL, DAY_OF_IT), DAY_OF_IT * DAY + 8
    assert moved.windows == TRIAL.windows - CLOCK_WINDOWS
    np.testing.assert_array_equal(moved.total[first:], TRIAL.total[first + CLOCK_WINDOWS :])
    later = TRIAL.spikes.start >= first + CLOCK_WINDOWS
    assert set((TRIAL.spikes.start[later] - CLOCK_WINDOWS).tolist()) <= set(moved.spikes.start.tolist())
    assert (moved.spikes.start + moved.spikes.length <= moved.windows).all()


def test_misread_labels_move_documents_and_lose_none() -> None:
    read = with_misread_labels(TRIAL, 1, 0.2, 0.1)
    np.testing.assert_array_equal(read.total, TRIAL.total)
    assert (read.negative <= read.total).all()
    others = TRIAL.total.sum() - TRIAL.negative.sum()
    assert abs(read.negative.sum() / (0.8 * TRIAL.negative.sum() + 0.1 * others) - 1) < 0.02


def test_in_rows_of_five_minutes_the_same_spikes_are_heard() -> None:
    strong = TRIAL.spikes.strength >= 15
    score, threshold = five_minute_scores(TRIAL, 0.01, 1)
    assert score.shape == TRIAL.total.shape
    heard = [
        (score[start : start + length + 2, key] >= threshold[start : start + length + 2, key]).any()
        for key, start, length in zip(
            TRIAL.spikes.key[strong], TRIAL.spikes.start[strong], TRIAL.spikes.length[strong], strict=True
        )
    ]
    assert heard
    assert all(heard)


def test_who_knows_the_truth_still_rings_more_often_for_one_story_more() -> None:
    rows = one_story_more(1, (3.0, 4.0), keys=4000)
    assert rows[0] > rows[1], "the higher the threshold, the rarer"
    assert all(with_it > without for _, without, with_it in rows)
    assert one_story_more(1, (3.0, 4.0), keys=4000) == rows
