"""The paired tests: right about as often as they say, and with the sample sizes that they ask for."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from trainer.gate import statistics
from trainer.gate.statistics import holm, mcnemar, needed, paired, worse_than_chance


def test_examples_hold() -> None:
    found = doctest.testmod(statistics)
    assert found.attempted >= 4
    assert found.failed == 0


def draw(rng: np.random.Generator, n: int, better: float, worse: float) -> np.ndarray:
    return rng.choice([1.0, -1.0, 0.0], size=n, p=[better, worse, 1 - better - worse])


@pytest.mark.parametrize("discordance", [0.03, 0.06])
def test_an_equal_model_passes_nine_times_in_ten_on_the_documents_that_are_asked_for(discordance: float) -> None:
    rng, n = np.random.default_rng(5), needed(discordance, 0.015)
    passed = [paired(draw(rng, n, discordance / 2, discordance / 2), seed=s).lower > -0.015 for s in range(400)]
    assert 0.85 < np.mean(passed) < 0.95


def test_a_model_at_the_margin_passes_one_time_in_twenty() -> None:
    rng, n = np.random.default_rng(6), 2_000
    passed = [paired(draw(rng, n, 0.025, 0.040), seed=s).lower > -0.015 for s in range(600)]
    assert np.mean(passed) == pytest.approx(0.05, abs=0.025)


def test_nothing_measured_is_nothing_known() -> None:
    nothing = paired(np.zeros(0))
    assert (nothing.n, nothing.lower, nothing.upper) == (0, -1.0, 1.0)
    assert mcnemar(0, 0) == worse_than_chance(0, 0) == 1.0


def test_losing_more_than_winning_is_unlikely_by_chance() -> None:
    assert worse_than_chance(2, 20) < 0.001 < worse_than_chance(9, 11)
    assert worse_than_chance(20, 2) > 0.99


def test_many_tests_need_more_each() -> None:
    p_values = {str(number): 0.02 for number in range(10)}
    assert all(p > 0.05 for p in holm(p_values).values())
    assert holm({**p_values, "worst": 0.001})["worst"] == pytest.approx(0.011)
