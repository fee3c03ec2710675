"""The drift benchmark itself: its streams are what they are called, its delays are counted from the change."""

from __future__ import annotations

import numpy as np
import pytest

from streams.drift.listener import Home
from streams.drift.senses import Senses
from tests.evaluation.drift import KINDS, Pool, bursty, delay, label_delays, run_lengths, seasonal, steady
from tests.streams.drift.hearing import World


@pytest.fixture(scope="module")
def home() -> Home:
    return Home.of(Senses.of(World(1).reference()))


@pytest.fixture(scope="module")
def pool(home: Home) -> Pool:
    world = World(2)
    domains = np.repeat(np.arange(4), [900, 900, 300, 300])
    heard = world.hear(domains)
    features = home.senses.hear(heard.embedding, heard.heads)
    topics = heard.heads["sentiment"].argmax(1)
    return Pool(features, domains, topics, np.array([0.55, 0.43, 0.02, 0.0]))


@pytest.mark.parametrize("kind", KINDS)
def test_domains_come_as_often_as_at_home_over_a_long_time(pool: Pool, kind: str) -> None:
    rows = KINDS[kind](pool, np.random.default_rng(1), 40_000)
    assert len(rows) == 40_000
    shares = np.bincount(pool.domains[rows], minlength=4) / len(rows)
    assert np.allclose(shares, pool.weights, atol=0.05)
    assert shares[3] == 0


def correlation(pool: Pool, rows: np.ndarray, lag: int) -> float:
    topic = (pool.topics[rows] == 0).reshape(-1, 50).mean(1)
    return float(np.corrcoef(topic[: -lag // 50], topic[lag // 50 :])[0, 1])


def test_bursts_last_and_steady_streams_have_none(pool: Pool) -> None:
    draw = np.random.default_rng(2)
    assert correlation(pool, bursty(pool, draw, 40_000), 100) > 0.3
    assert abs(correlation(pool, steady(pool, draw, 40_000), 100)) < 0.1


def test_seasons_turn(pool: Pool) -> None:
    rows = seasonal(pool, np.random.default_rng(3), 20_000)
    first = (pool.domains[rows] == 0).reshape(20, -1).mean(1)
    assert first.max() - first.min() > 0.2
    assert np.allclose(first[:10], first[10:], atol=0.1)


def test_a_change_is_counted_from_its_beginning(home: Home, pool: Pool) -> None:
    draw = np.random.default_rng(4)
    usual = steady(pool, draw, 2_048 + 1_024)
    soon, _ = delay(home, pool.features, usual, pool.of([2]), 0.5, draw, 1_024)
    assert 16 <= soon <= 128
    never, _ = delay(home, pool.features, usual, pool.of([2]), 0.0, draw, 1_024)
    assert never > 4 * soon


def test_run_lengths_count_alarms_and_the_time_they_cost(home: Home, pool: Pool) -> None:
    draw = np.random.default_rng(5)
    quiet = run_lengths(home, pool.features, steady(pool, draw, 8_000))
    strange = run_lengths(home, pool.features, draw.choice(pool.of([2]), 8_000))
    assert strange["alarms"] >= 2 > quiet["alarms"]
    assert strange["run_length"] == 8_000 / strange["alarms"]
    assert strange["armed"] < quiet["armed"] <= 1


def test_a_larger_rise_of_the_error_is_heard_sooner() -> None:
    small, large = (np.median(label_delays(0.12, after, 9, 1, labels=600)) for after in (0.18, 0.36))
    assert large < small
