"""Windows, thresholds and error rates, each by itself: what is promised of the numbers."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.drift.labels import DELAY, RUN_LENGTH, ErrorRate
from streams.drift.tails import Tail
from streams.drift.unrest import Unrest
from streams.drift.windows import BLOCK, STEP, Baseline, Windows, calibrate

QUIET = 1e9


def windows(draw: np.random.Generator, sizes: tuple[int, ...], mean: float = QUIET, width: int = 3) -> Windows:
    """Windows over normal features that alarm only above about ``mean``."""
    baseline = Baseline.of(draw.normal(0.0, 1.0, (4_000, width)).astype(np.float32))
    return Windows(sizes, width, baseline, Tail(mean, 1e-12, 30.0), settling=64)


@given(st.integers(4, 70), st.integers(0, 99))
def test_the_statistic_is_that_of_the_last_documents(groups: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    sizes = (32, 64, 256)
    heard = windows(draw, sizes)
    assert heard.baseline is not None
    sums = draw.normal(0.0, 4.0, (groups, 3))
    for group in sums:
        baseline = Baseline(**vars(heard.baseline))
        unrest = deepcopy(heard.unrest)
        look = heard.hear(group)
    # The baseline learns from what leaves the longest window, before the comparison; the stream's unrest after it.
    if groups > 16:
        baseline.learn(sums[groups - 17], STEP)
    unrest.hear(sums[-1], STEP)
    allowed = unrest.allowed(baseline.variance, baseline.documents)
    expected = [
        (np.square(sums[-size // STEP :].sum(0) / size - baseline.mean) / allowed[at]).sum() - 3
        for at, size in enumerate(sizes)
        if groups >= size // STEP
    ]
    assert look.documents == groups * STEP
    assert look.statistic == pytest.approx(max(expected) / baseline.spread, abs=1e-6)


def test_a_distance_under_the_null_is_about_none_of_its_standard_deviations() -> None:
    draw = np.random.default_rng(3)
    baseline = Baseline.of(draw.normal(0.0, 2.0, (20_000, 40)).astype(np.float32))
    means = draw.normal(0.0, 2.0 / np.sqrt(128), (4_000, 40))
    allowed = baseline.variance * (1 / 128 + 1 / baseline.documents)
    found = ((np.square(means - baseline.mean) / allowed).sum(1) - 40) / baseline.spread
    assert abs(float(found.mean())) < 0.1
    assert float(found.std()) == pytest.approx(1.0, abs=0.1)


def test_what_hardly_ever_moves_is_not_taken_to_be_fixed() -> None:
    features = np.tile(np.array([0.0, 1.0, 0.5], np.float32), (100, 1))
    features[::2, 1] = 0.0
    baseline = Baseline.of(features)
    assert baseline.variance[1] == pytest.approx(0.25)
    assert baseline.variance[0] == baseline.variance[2] == pytest.approx(0.05 * 0.25 / 3)


def test_a_baseline_that_settles_counts_what_comes_and_goes_slowly_as_no_variance() -> None:
    draw = np.random.default_rng(5)
    slow = 40.0 * np.sin(np.arange(400) / 40)[:, None]
    baseline = Baseline.settled(draw.normal(0.0, 4.0, (400, 2)) + slow, None)
    assert baseline.variance == pytest.approx([1.0, 1.0], rel=0.3)


def waves(draw: np.random.Generator, groups: int) -> np.ndarray:
    """Sums of three features: the first comes and goes within hundreds of documents, the others do not."""
    level, found = 0.0, draw.normal(0.0, 4.0, (groups, 3))
    for at in range(groups):
        level = 0.97 * level + draw.normal(0.0, 0.12)
        found[at, 0] += STEP * level
    return found


def heard_unrest(sums: np.ndarray) -> Unrest:
    unrest = Unrest((64, 256), 3, 3.0)
    for at in range(16, len(sums)):
        unrest.hear(sums[at], STEP)
        means = np.stack([sums[at - size // STEP + 1 : at + 1].sum(0) / size for size in unrest.sizes])
        unrest.learn(means, np.ones(2, np.bool_), np.ones(3), STEP)
    return unrest


def test_a_feature_that_comes_and_goes_may_stray_and_the_others_may_not() -> None:
    unrest = heard_unrest(waves(np.random.default_rng(1), 4_000))
    assert unrest.factors[1, 0] > 20
    assert unrest.factors[1, 0] > 2 * unrest.factors[0, 0]
    assert unrest.factors[:, 1:].max() < 4
    assert heard_unrest(np.random.default_rng(2).normal(0.0, 4.0, (4_000, 3))).factors == pytest.approx(1.0, abs=0.35)


def test_a_stream_that_is_elsewhere_for_good_is_not_restless() -> None:
    sums = np.random.default_rng(3).normal(0.0, 4.0, (4_000, 3)) + STEP * 5.0
    assert heard_unrest(sums).factors == pytest.approx(1.0, abs=0.35)


def test_restlessness_counts_more_while_little_is_known_of_it() -> None:
    some = waves(np.random.default_rng(4), 4_000)
    young, old = (heard_unrest(some[:groups]) for groups in (200, 4_000))
    beyond = [float(one.allowed(np.ones(3), 1e9)[0, 0] / (one.factors[0, 0] / 64)) for one in (young, old)]
    assert beyond[0] > 3 > 1.5 > beyond[1]


def test_after_an_alarm_the_next_documents_are_the_new_normal() -> None:
    draw = np.random.default_rng(4)
    heard = windows(draw, (32, 64), mean=8.0)
    looks = [heard.hear(draw.normal(STEP * 5.0, 4.0, 3)) for _ in range(40)]
    assert [look.alarm for look in looks].index(True) == 1
    assert heard.alarms == 1
    assert heard.own
    assert heard.moved is not None
    assert np.allclose(heard.moved.now, 5.0, atol=1.0)
    assert np.allclose(heard.moved.usual, 0.0, atol=0.1)
    assert heard.baseline is not None
    assert np.allclose(heard.baseline.mean, 5.0, atol=0.5)


@given(st.floats(-5, 5), st.floats(0.01, 20), st.floats(2, 200), st.floats(1.01, 10))
def test_a_longer_run_length_asks_for_more(mean: float, variance: float, run: float, times: float) -> None:
    assert Tail(mean, variance, run * times).threshold > Tail(mean, variance, run).threshold


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("-inf")), max_size=200))
def test_a_threshold_stays_a_number_whatever_is_learned(peaks: list[float]) -> None:
    tail = Tail(1.0, 1.0, 30.0)
    for peak in peaks:
        tail.learn(peak)
    assert np.isfinite(tail.threshold)
    assert tail.variance > 0


def test_a_stream_that_alarms_all_the_time_raises_its_threshold_until_it_does_not() -> None:
    tail = Tail(3.0, 1.0, 40.0)
    blocks = 0
    while tail.threshold < 12.0:
        tail.learn(12.0)
        blocks += 1
    assert 3 < blocks < 200


def test_alarms_are_as_rare_as_asked_whatever_the_statistic() -> None:
    """Blocks whose maxima have a far heavier tail than the one that the threshold is taken from."""
    draw, tail = np.random.default_rng(7), Tail(3.0, 1.0, 40.0)
    count = 0
    for peak in 3.0 + draw.pareto(1.5, 8_000):
        alarm = bool(peak > tail.threshold)
        tail.learn(float(peak))
        tail.count(1.0, alarm=alarm)
        count += alarm
    assert 8_000 / count == pytest.approx(40.0, rel=0.15)


def test_a_quiet_stream_does_not_make_it_easily_startled() -> None:
    tail = Tail(3.0, 1.0, 40.0)
    first = tail.threshold
    for _ in range(2_000):
        tail.learn(-2.0)
        tail.count(1.0, alarm=False)
    assert first - 2.5 < tail.threshold < first - 1.5


def test_the_calibrated_threshold_keeps_its_run_length_on_other_draws() -> None:
    draw = np.random.default_rng(6)
    home = draw.normal(0.0, 1.0, (4_000, 8)).astype(np.float32)
    baseline = Baseline.of(home)
    asked = 20_480.0
    threshold = calibrate(home, baseline, (64, 256), asked).threshold
    alarms = 0
    for _ in range(20):
        heard = Windows((64, 256), 8, Baseline(**vars(baseline)), Tail(threshold, 1e-12, 30.0), settling=1_024)
        for group in draw.normal(0.0, 4.0, (BLOCK * 10, 8)):
            heard.tail = Tail(threshold, 1e-12, 30.0)
            heard.hear(group)
        alarms += heard.alarms
    assert 4 <= alarms <= 20  # ten expected in 204,800 documents


def errors(draw: np.random.Generator, rate: float, count: int) -> list[float]:
    return (draw.random(count) < rate).astype(float).tolist()


def test_more_errors_are_heard_within_three_hundred_labels() -> None:
    delays = []
    for seed in range(41):
        draw = np.random.default_rng(seed)
        heard = ErrorRate(0.12)
        for error in errors(draw, 0.12, 2_000):
            heard.hear(error)
        before = heard.labels
        delays.append(next(at for at, error in enumerate(errors(draw, 0.18, 20_000), 1) if heard.hear(error).alarm))
        assert heard.labels == before + delays[-1]
    assert sorted(delays)[20] <= 300


def test_false_alarms_of_errors_are_as_rare_as_promised() -> None:
    draw = np.random.default_rng(8)
    heard = ErrorRate(0.12)
    for error in errors(draw, 0.12, 120_000):
        heard.hear(error)
    assert heard.alarms <= 120_000 / RUN_LENGTH * 1.25


def test_the_usual_error_is_learned_from_the_stream_but_not_from_the_last_labels() -> None:
    heard = ErrorRate(0.3)
    for error in errors(np.random.default_rng(9), 0.1, 3_000):
        heard.hear(error)
    assert heard.usual == pytest.approx(0.1, abs=0.02)
    usual = heard.usual
    for _ in range(20):
        heard.hear(0.0)
    assert heard.usual == pytest.approx(usual, abs=0.01)
    assert DELAY > 20


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=300), st.floats(0.0, 1.0))
def test_an_error_never_lowers_the_evidence_more_than_a_right_call(labels: list[float], usual: float) -> None:
    one, other = ErrorRate(usual), ErrorRate(usual)
    for label in labels:
        one.hear(label), other.hear(label)
    assert one.hear(1.0).statistic >= other.hear(0.0).statistic or one.alarms > other.alarms
