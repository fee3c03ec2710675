from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, nbinom

from streams.watch.baselines import accept_level, learn
from streams.watch.knowledge import SpikeState, Tuning
from streams.watch.spikes import COLD_BAR, Verdicts, bars, rescore, score
from streams.watch.tails import share_tail, volume_tail

TUNING = Tuning(900)
EVERYONE = slice(None)
MONDAY = 4 * 86_400
TEN = MONDAY + 15 * 86_400 + 10 * 3600
Counts = NDArray[np.float64]


def sweep(y: Counts, n: Counts, tuning: Tuning = TUNING, held: bool = False) -> tuple[SpikeState, list[Verdicts]]:
    """Step (rows, series) counts through the detector from a Monday on."""
    state = SpikeState.empty(y.shape[1], tuning)
    verdicts = []
    for k in range(len(y)):
        start = MONDAY + k * tuning.row_seconds
        verdict = score(state, tuning, EVERYONE, y[k], n[k], start)
        ends = start // 3600 != (start + tuning.row_seconds) // 3600
        keep = np.full(y.shape[1], held)
        learn(state, tuning, EVERYONE, y[k], n[k], verdict, start, ends, keep)
        verdicts.append(verdict)
    return state, verdicts


def calm(rows: int, series: int, rate: float = 8.0, seed: int = 1) -> tuple[Counts, Counts]:
    rng = np.random.default_rng(seed)
    n = rng.poisson(rate * rng.gamma(10, 0.1, (rows, series))).astype(float)
    return rng.binomial(n.astype(int), 0.25).astype(float), n


def test_the_volume_tail_is_the_negative_binomials() -> None:
    y, mu, r = np.array([3.0, 10.0, 40.0]), np.array([1.0, 4.0, 6.0]), np.array([2.0, 5.0, 30.0])
    expected = -np.log10(nbinom.sf(y - 1, r, r / (r + mu)))
    np.testing.assert_allclose(volume_tail(y, mu, 1 / r), expected, rtol=1e-9)


def test_the_share_tail_without_correlation_is_the_binomials() -> None:
    y, n, p = np.array([5.0, 9.0]), np.array([8.0, 10.0]), np.array([0.2, 0.4])
    expected = -np.log10(binom.sf(y - 1, n, p))
    np.testing.assert_allclose(share_tail(y, n, p, np.zeros(2)), expected, rtol=1e-9)


def test_at_or_below_what_is_expected_nothing_is_rare() -> None:
    assert volume_tail(np.array([0.0, 2.0]), np.array([0.01, 2.0]), np.ones(2)).tolist() == [0.0, 0.0]
    assert share_tail(np.zeros(2), np.array([0.0, 4.0]), np.full(2, 0.2), np.full(2, 0.1)).tolist() == [0.0, 0.0]


def test_impossibly_rare_counts_stay_finite_and_in_order() -> None:
    y = np.array([1e3, 1e4, 1e6, 1e7])
    tails = volume_tail(y, np.full(4, 0.01), np.full(4, 50.0))
    assert np.isfinite(tails).all()
    assert (np.diff(tails) > 0).all()
    assert np.isfinite(share_tail(y, y, np.full(4, 1e-3), np.full(4, 0.005))).all()


def test_a_series_of_which_nothing_is_known_is_read_against_the_tail_of_its_kind() -> None:
    state = SpikeState.empty(6, TUNING)
    state.kind[:] = [1, 1, 1, 2, 2, 0]
    state.tail_n[1:3], state.tail_sum[1:3], state.tail_rows[1:3] = 60.0, 80.0, 500.0
    before = score(state, TUNING, EVERYONE, np.full(6, 9.0), np.full(6, 9.0), TEN).score
    state.pool_tails()
    after = score(state, TUNING, EVERYONE, np.full(6, 9.0), np.full(6, 9.0), TEN).score
    assert after[0] < before[0] - 0.3
    assert after[3:].tolist() == before[3:].tolist()


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 2000), st.floats(0, 1e6)), min_size=2, max_size=30))
def test_a_pool_does_not_depend_on_the_order_in_which_series_were_met(tails: list[tuple[float, ...]]) -> None:
    pools = []
    for order in (tails, tails[::-1]):
        state = SpikeState.empty(len(tails), TUNING)
        state.kind[:] = 1
        state.tail_n[:], state.tail_sum[:], state.tail_rows[:] = np.array(order).T
        state.pool_tails()
        pools.append(state.pools)
    np.testing.assert_array_equal(*pools)


def test_scoring_changes_nothing() -> None:
    state, _ = sweep(*calm(50, 3))
    before = copy.deepcopy(state)
    score(state, TUNING, EVERYONE, np.array([50.0, 0, 1]), np.array([60.0, 0, 4]), TEN)
    rescore(state, TUNING, np.array([0, 2]), np.array([1, 3]), TEN)
    for name, array in state.arrays().items():
        np.testing.assert_array_equal(array, getattr(before, name))


def test_earlier_scores_do_not_know_what_comes_later() -> None:
    y, n = calm(400, 5)
    y[300:310] += 40
    n[300:310] += 40
    _, whole = sweep(y, n)
    for cut in (150, 300, 305):
        _, part = sweep(y[:cut], n[:cut])
        for left, right in zip(part, whole, strict=False):
            np.testing.assert_array_equal(left.score, right.score)
            np.testing.assert_array_equal(left.mu, right.mu)


def test_a_subset_of_slots_scores_as_the_whole_does() -> None:
    state, _ = sweep(*calm(200, 6))
    y, n = np.arange(6.0) * 4, np.arange(6.0) * 5
    whole = score(state, TUNING, EVERYONE, y, n, TEN)
    some = np.array([1, 4, 5])
    part = score(state, TUNING, some, y[some], n[some], np.full(3, TEN))
    np.testing.assert_array_equal(part.score, whole.score[some])
    np.testing.assert_array_equal(part.scale, whole.scale[some])


def test_negatives_that_come_in_company_are_expected() -> None:
    state, _ = sweep(*calm(800, 2))
    y, n = np.array([25.0, 25.0]), np.array([30.0, 100.0])
    verdict = score(state, TUNING, EVERYONE, y, n, TEN)
    limit = TUNING.threshold(0.01)
    assert verdict.score[0] > limit
    assert verdict.evidence[1] < 1


def test_an_hour_of_slow_swelling_is_heard_at_the_longer_scale() -> None:
    state, _ = sweep(*calm(800, 1))
    for _ in range(4):
        y, n = np.array([7.0]), np.array([13.0])
        verdict = score(state, TUNING, EVERYONE, y, n, TEN)
        learn(state, TUNING, EVERYONE, y, n, verdict, TEN, False, np.zeros(1, bool))
    assert verdict.scale[0] == 4
    assert verdict.observed[0] == 28
    assert verdict.total[0] == 52


def test_a_partial_count_never_claims_more_volume_than_the_whole() -> None:
    state, _ = sweep(*calm(400, 1))
    partial = [score(state, TUNING, EVERYONE, np.array([float(k)]), np.array([30.0]), TEN).volume[0] for k in range(30)]
    assert (np.diff(partial) >= 0).all()


def test_the_others_of_an_open_window_are_held_against_the_part_of_it_that_is_over() -> None:
    state, _ = sweep(*calm(800, 1))
    y, n = np.array([7.0]), np.array([8.0])
    early, late = (score(state, TUNING, EVERYONE, y, n, TEN, elapsed).evidence[0] for elapsed in (0.2, 1.0))
    assert 0 < early < late
    quiet = score(state, TUNING, EVERYONE, np.array([1.0]), np.array([2.0]), TEN, 0.2)
    assert quiet.score[0] == 0


def test_a_share_that_creeps_up_is_heard_by_the_slow_channel_alone() -> None:
    y, n = calm(18 * 96, 2)
    rng = np.random.default_rng(5)
    y[15 * 96 :, 0] = rng.binomial(n[15 * 96 :, 0].astype(int), 0.37)
    state, verdicts = sweep(y, n)
    limit = TUNING.threshold(0.01)
    assert state.creep[0] > limit
    assert state.creep[1] < limit
    assert max(verdict.creep[1] for verdict in verdicts) < limit
    assert max(verdict.score[0] for verdict in verdicts[15 * 96 :]) < limit + 1


def test_the_budget_of_quiet_series_is_kept() -> None:
    y, n = calm(60 * 96, 40, seed=7)
    _, verdicts = sweep(y, n)
    scores = np.array([verdict.score for verdict in verdicts])[14 * 96 :]
    crossings = (scores[1:] >= TUNING.threshold(0.01)) & (scores[:-1] < TUNING.threshold(0.01))
    assert crossings.sum() / (46 * 40) <= 0.02


def test_a_held_series_learns_no_more_than_it_expected() -> None:
    y, n = calm(800, 1)
    state, _ = sweep(y, n)
    level, share = float(state.level[0]), float(state.pn[0] / state.pd[0])
    for _ in range(40):
        verdict = score(state, TUNING, EVERYONE, np.array([60.0]), np.array([70.0]), TEN)
        learn(state, TUNING, EVERYONE, np.array([60.0]), np.array([70.0]), verdict, TEN, False, np.ones(1, bool))
    assert state.level[0] <= level * 1.05
    assert state.pn[0] / state.pd[0] <= share * 1.05


def test_an_accepted_level_is_the_new_normal() -> None:
    y, n = calm(800, 1)
    state, _ = sweep(np.vstack([y, np.full((30, 1), 40.0)]), np.vstack([n, np.full((30, 1), 50.0)]), held=True)
    accept_level(state, TUNING, 0, 1.0)
    verdict = score(state, TUNING, EVERYONE, np.array([45.0]), np.array([55.0]), TEN)
    assert verdict.mu[0] > 25
    assert verdict.score[0] < TUNING.threshold(0.01)


def test_a_daily_rhythm_is_learned_and_expected() -> None:
    hours = np.arange(28 * 96) // 4 % 24
    rate = np.where((hours >= 8) & (hours < 20), 12.0, 1.0)[:, None]
    rng = np.random.default_rng(3)
    y = rng.poisson(rate).astype(float)
    state, _ = sweep(y, y * 3)
    noon = score(state, TUNING, EVERYONE, np.zeros(1), np.zeros(1), TEN + 2 * 3600).mu[0]
    night = score(state, TUNING, EVERYONE, np.zeros(1), np.zeros(1), TEN - 7 * 3600).mu[0]
    assert noon > 5 * night


def test_a_series_without_history_must_show_a_thousand_times_more() -> None:
    y, n = calm(15 * 96, 2)
    state, _ = sweep(y[: 15 * 96], n[: 15 * 96])
    fresh, _ = sweep(y[:90], n[:90])
    assert bars(state, TUNING, EVERYONE, 4.0).tolist() == [4.0, 4.0]
    assert bars(fresh, TUNING, EVERYONE, 4.0).tolist() == [4.0 + COLD_BAR] * 2


@pytest.mark.parametrize(("seconds", "expected"), [(900, 3.6323), (300, 4.1094), (60, 4.8084)])
def test_the_threshold_follows_the_length_of_the_row(seconds: int, expected: float) -> None:
    assert Tuning(seconds).threshold(0.01) == pytest.approx(expected, abs=1e-4)
    assert Tuning(seconds).scales[-1] == 7200 // seconds


def test_a_forgotten_slot_knows_nothing_and_growth_keeps_the_rest() -> None:
    state, _ = sweep(*calm(100, 3))
    old = copy.deepcopy(state)
    state.grow(10, TUNING)
    state.forget(np.array([1]))
    fresh = SpikeState.empty(1, TUNING)
    for name, array in state.arrays().items():
        was, new = getattr(old, name), getattr(fresh, name)
        np.testing.assert_array_equal(array[..., [0, 2]], was[..., [0, 2]])
        np.testing.assert_array_equal(array[..., 1], new[..., 0])
        np.testing.assert_array_equal(array[..., 9], new[..., 0])


def test_a_series_takes_less_than_a_kilobyte() -> None:
    state = SpikeState.empty(1000, TUNING)
    assert sum(array.nbytes for array in state.arrays().values()) / 1000 < 1024


def test_what_comes_within_less_than_an_hour_must_bring_more_evidence() -> None:
    state, _ = sweep(*calm(800, 1))
    y, n = np.array([9.0]), np.array([13.0])
    patient = dataclasses.replace(TUNING, haste=0.0)
    for scale, more in ((1, 0.6), (2, 0.3), (4, 0.0)):
        sudden, usual = (score(state, one, EVERYONE, y, n, TEN, scales=(scale,)) for one in (TUNING, patient))
        assert usual.evidence[0] - sudden.evidence[0] == pytest.approx(more)
    for seconds in (300, 900, 3600):
        rows = np.array([3600 // seconds, 7200 // seconds])
        assert Tuning(seconds).surcharge(rows).tolist() == [0.0, 0.0]
