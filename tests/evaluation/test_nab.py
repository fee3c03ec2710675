from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.backgrounds import FOLDER, read_backgrounds
from tests.evaluation.nab import PROFILES, Labelled, first_crossings, fitted_scores, left_out_scores, nab_score

TEN = Labelled(1000, [(200, 299), (600, 699)])


def test_silence_is_worth_nothing_and_the_first_row_of_every_window_everything() -> None:
    for profile in PROFILES:
        assert nab_score([TEN], [np.array([], int)], profile) == pytest.approx(0)
        assert nab_score([TEN], [np.array([200, 600])], profile) == pytest.approx(100)


def test_a_late_hit_earns_less_and_a_false_alarm_costs() -> None:
    late = nab_score([TEN], [np.array([290, 600])], "standard")
    assert 50 < late < 100
    assert nab_score([TEN], [np.array([200, 600, 950])], "standard") < 100
    assert nab_score([TEN], [np.array([160])], "standard") == pytest.approx(-0.11 * 100 / 4)


def test_early_rows_are_never_judged() -> None:
    assert nab_score([TEN], [np.array([5, 149])], "standard") == pytest.approx(0)


def test_a_crossing_is_followed_by_rest() -> None:
    score = np.zeros(1000)
    score[[100, 101, 200, 500]] = 5
    assert first_crossings(score, 4, rest=288).tolist() == [100, 500]
    assert first_crossings(score, 4, rest=1).tolist() == [100, 200, 500]


def test_thresholds_fitted_on_the_others_are_never_better_than_those_fitted_on_all() -> None:
    rng = np.random.default_rng(1)
    scores = [rng.exponential(1, 1000) for _ in range(3)]
    for at, score in enumerate(scores):
        score[200 + at] += 8
    fitted, left_out = fitted_scores([TEN] * 3, scores), left_out_scores([TEN] * 3, scores)
    assert all(left_out[profile] <= fitted[profile] for profile in PROFILES)
    assert fitted["standard"] > 40


@pytest.mark.shared
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the labelled tweet counts are not here")
@pytest.mark.parametrize(
    ("first", "every", "expected"),
    [(0, 288, (21.49, -49.18, 47.66)), (999, 1000, (33.98, 14.51, 43.02))],
)
def test_alarms_at_fixed_rows_score_as_the_formula_says(
    first: int, every: int, expected: tuple[float, float, float]
) -> None:
    backgrounds = read_backgrounds()
    series = [Labelled(len(b.counts), b.windows) for b in backgrounds]
    alarms = [np.arange(first, one.rows, every) for one in series]
    found = tuple(round(nab_score(series, alarms, profile), 2) for profile in PROFILES)
    assert found == expected
