from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from tests.evaluation.backgrounds import FOLDER, read_backgrounds, real
from tests.evaluation.comparators import COMPARATORS
from tests.evaluation.simulator import parametric
from tests.evaluation.trials import DAY, REPORTING_SEEDS, TUNING_SEEDS, Injections

SMALL = parametric(1, keys=60, days=21)


def test_a_seed_draws_the_same_trial_again_and_another_one_does_not() -> None:
    again, other = parametric(1, keys=60, days=21), parametric(2, keys=60, days=21)
    np.testing.assert_array_equal(SMALL.total, again.total)
    np.testing.assert_array_equal(SMALL.negative, again.negative)
    assert (SMALL.total != other.total).any()
    assert not set(TUNING_SEEDS) & set(REPORTING_SEEDS)


def test_counts_are_possible_counts() -> None:
    assert (SMALL.negative >= 0).all()
    assert (SMALL.negative <= SMALL.total).all()
    assert (SMALL.raw_total >= SMALL.total).all()
    assert (SMALL.negative == np.round(SMALL.negative)).all()


def test_injections_keep_apart_and_clear_of_both_ends() -> None:
    for key in range(SMALL.keys):
        spans = sorted(
            (int(start), int(start + length))
            for kind in (SMALL.spikes, SMALL.bursts, SMALL.cascades)
            for start, length in zip(kind.start[kind.key == key], kind.length[kind.key == key], strict=True)
        )
        assert all(later[0] - earlier[1] >= 16 for earlier, later in itertools.pairwise(spans))
        assert all(start >= SMALL.burn and end + 8 <= SMALL.windows for start, end in spans)


def test_there_are_as_many_of_each_kind_as_the_model_says() -> None:
    drawn = parametric(3, keys=400, days=21)
    for kind, rate in ((drawn.spikes, 0.7), (drawn.bursts, 1.0), (drawn.cascades, 0.5)):
        assert len(kind) == pytest.approx(400 * rate, rel=0.2)
    assert (drawn.shift >= 0).sum() == 40
    assert (drawn.raw_total - drawn.total).sum() == sum(drawn.cascades.strength)


def test_spikes_add_negatives_and_bursts_add_documents() -> None:
    def mean(values: np.ndarray, kind: Injections) -> float:
        return float(
            np.mean([values[s : s + n, k].mean() for k, s, n in zip(kind.key, kind.start, kind.length, strict=True)])
        )

    usual = SMALL.negative.mean() / SMALL.total.mean()
    assert mean(SMALL.negative, SMALL.spikes) / mean(SMALL.total, SMALL.spikes) > 1.5 * usual
    assert mean(SMALL.negative, SMALL.bursts) / mean(SMALL.total, SMALL.bursts) < usual
    assert mean(SMALL.total, SMALL.bursts) > 1.5 * SMALL.total.mean()


@pytest.mark.parametrize("name", sorted(COMPARATORS))
def test_comparators_do_not_know_what_comes_later(name: str) -> None:
    score = COMPARATORS[name](SMALL)
    cut = 15 * DAY
    begun = dataclasses.replace(SMALL, negative=SMALL.negative[:cut], total=SMALL.total[:cut])
    np.testing.assert_array_equal(COMPARATORS[name](begun), score[:cut])
    assert np.isfinite(score).all()


@pytest.mark.shared
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the labelled tweet counts are not here")
def test_real_backgrounds_hold_their_surges_and_the_spikes_keep_clear_of_them() -> None:
    backgrounds, drawn = read_backgrounds(), real(1, keys=20)
    assert [b.name for b in backgrounds] == ["AAPL", "CRM", "CVS", "KO", "UPS"]
    assert sum(len(b.windows) for b in backgrounds) == 18
    assert len(drawn.spikes) == pytest.approx(40, rel=0.5)
    for key, start, length in zip(drawn.spikes.key, drawn.spikes.start, drawn.spikes.length, strict=True):
        for first, last in backgrounds[key % 5].windows:
            assert start + length <= first // 3 or start > last // 3
