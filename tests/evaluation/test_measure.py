from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.measure import Judge
from tests.evaluation.trials import DAY, Injections, Trial

NOTHING = Injections.of([])


def trial(spikes: Injections, bursts: Injections = NOTHING, shift: tuple[int, ...] = (-1, -1)) -> Trial:
    zeros = np.zeros((10 * DAY, 2))
    return Trial(
        "crafted", zeros, zeros, zeros, zeros, spikes, bursts, NOTHING, np.array(shift), DAY, np.zeros(2, np.int64)
    )


def crossings(*places: tuple[int, int]) -> np.ndarray:
    score = np.zeros((10 * DAY, 2))
    for window, key in places:
        score[window, key] = 5.0
    return score


SPIKES = Injections.of([(0, 300, 4, 20.0), (1, 500, 4, 3.0)])


def test_a_spike_counts_as_heard_until_two_windows_after_its_end() -> None:
    judge = Judge(trial(SPIKES))
    heard = judge.at_threshold(crossings((302, 0), (505, 1)), 4)
    assert (heard.recall, heard.strong, heard.weak, heard.delay) == (1.0, 1.0, 1.0, 3.5)
    assert judge.at_threshold(crossings((306, 0)), 4).recall == 0
    assert judge.at_threshold(crossings((299, 0)), 4).recall == 0


def test_crossings_close_together_are_one_alarm_and_those_behind_a_spike_are_none() -> None:
    judge = Judge(trial(SPIKES))
    days = 2 * 9 - 2 * 12 / DAY
    found = judge.at_threshold(crossings((311, 0), (400, 0), (408, 0), (417, 0), (700, 1), (50, 1)), 4)
    assert found.false_alarms == pytest.approx(3 / days)
    assert found.precision == 0


def test_the_lowest_threshold_within_the_budget_is_found() -> None:
    rng = np.random.default_rng(2)
    score = rng.exponential(1, (10 * DAY, 2))
    score[301, 0] = 20
    judge = Judge(trial(SPIKES))
    for budget in (0.2, 1.0):
        found = judge.at_budget(score, budget)
        assert found.false_alarms <= budget
        lower = np.sort(score[(score < found.threshold) & ~judge.masked])[-1]
        assert judge.at_threshold(score, float(lower)).false_alarms > budget
    assert judge.at_budget(score, 0.01).recall == 0.5


def test_one_alarm_after_a_shift_of_level_is_free_and_alarms_in_bursts_are_counted() -> None:
    shifted = Judge(trial(SPIKES, shift=(600, -1)))
    assert shifted.at_threshold(crossings((610, 0)), 4).false_alarms == 0
    twice = shifted.at_threshold(crossings((610, 0), (640, 0)), 4)
    assert twice.false_alarms == pytest.approx(1 / shifted.key_days)
    assert twice.per_shift == 2
    bursts = Injections.of([(0, 700, 4, 1.0), (1, 700, 4, 1.0)])
    assert Judge(trial(SPIKES, bursts)).at_threshold(crossings((702, 0)), 4).per_burst == 500


def test_alerts_are_judged_by_their_first_rows() -> None:
    judge = Judge(trial(SPIKES))
    ringing, onset = crossings((301, 0), (302, 0), (400, 1), (401, 1)) > 0, crossings((301, 0), (400, 1)) > 0
    found = judge.of_alerts(ringing, onset)
    assert found.recall == 0.5
    assert found.false_alarms == pytest.approx(1 / judge.key_days)
    assert found.precision == 0.5
