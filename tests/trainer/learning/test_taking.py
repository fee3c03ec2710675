"""How much of an update is taken: what scores best, no more than gains, and nothing that spoils what is written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data import Example
from trainer.learning.taking import ALPHAS, score_of, taken
from trainer.measure import Answer


def said(source: str, right: int, wrong: int) -> list[Answer]:
    """So many answers about texts of ``source`` that were right, and so many that were not."""
    row, calls = Example("as ever", source, sentiment=2), [2] * right + [0] * wrong
    return [Answer(row, {}, np.eye(3)[call], ()) for call in calls]


def test_what_is_new_counts_as_much_as_all_that_was_known() -> None:
    known = [*said("one", 9, 1), *said("two", 9, 1), *said("three", 90, 10)]
    assert score_of(said("new", 5, 5), known) == pytest.approx((0.5 + 0.9) / 2)
    assert score_of(said("new", 5, 5), []) == pytest.approx(0.5)
    assert score_of([], known) == pytest.approx(0.9)


def test_a_small_source_counts_as_much_as_a_large_one() -> None:
    assert score_of([], [*said("small", 20, 0), *said("large", 50, 50)]) == pytest.approx(0.75)


def test_one_row_of_a_source_is_not_worth_twenty_of_another() -> None:
    assert score_of([], [*said("single", 0, 1), *said("large", 50, 50)]) == pytest.approx(0.5 * 20 / 21)


RISING = {0.0: 0.70, 0.25: 0.74, 0.5: 0.78, 0.75: 0.80, 1.0: 0.81}


def harmless(_alpha: float) -> Sequence[str]:
    return ()


def test_the_best_part_is_taken_and_the_smaller_of_two_alike() -> None:
    assert taken(RISING, 0.002, harmless).alpha == 1.0
    assert taken({**RISING, 0.5: 0.81}, 0.002, harmless).alpha == 0.5


def test_a_gain_too_small_is_no_update() -> None:
    assert taken({0.0: 0.80, 0.5: 0.801, 1.0: 0.7}, 0.002, harmless).alpha == 0.0


def test_of_parts_that_gain_the_best_that_spoils_nothing_is_taken() -> None:
    found = taken(RISING, 0.002, lambda alpha: ["orders to the reader"] if alpha > 0.5 else [])
    assert found.alpha == 0.5
    assert found.as_row()["spoilt"] == {"1": ["orders to the reader"], "0.75": ["orders to the reader"]}


def test_where_every_part_spoils_something_there_is_no_update() -> None:
    found = taken(RISING, 0.002, lambda _: ["negation"])
    assert found.alpha == 0.0
    assert set(found.spoilt) == set(RISING) - {0.0}


@given(st.lists(st.floats(0, 1), min_size=len(ALPHAS), max_size=len(ALPHAS)), st.sets(st.sampled_from(ALPHAS)))
def test_nothing_better_was_free_of_harm(scores: list[float], harmful: set[float]) -> None:
    table = dict(zip(ALPHAS, scores, strict=True))
    found = taken(table, 0.0, lambda alpha: ["typos"] if alpha in harmful else [])
    assert found.alpha == 0.0 or found.alpha not in harmful
    assert all(table[found.alpha] >= table[alpha] for alpha in ALPHAS if alpha not in harmful)
