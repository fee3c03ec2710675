"""How much of an update is taken: the part of least loss, none without a gain, nothing that spoils what is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.release import Temperatures
from trainer.data import EntityLabel, Example
from trainer.learning.taking import ALPHAS, loss_of, refitted, taken
from trainer.measure import Answer

AS_IT_IS = Temperatures()


def said(source: str, *chances: float, polar: bool = True) -> list[Answer]:
    """An answer for each chance that was given to the label, about texts of ``source``.

    No temperature is fitted to those of two classes, so that each loss follows from its chance alone.
    """
    row = Example("as ever", source, sentiment=2, polar=polar)
    return [Answer(row, {}, np.log([(1 - right), 1e-9, right]), ()) for right in chances]


def loss(*chances: float) -> float:
    return -float(np.mean(np.log(chances)))


def test_what_is_new_counts_as_much_as_all_that_was_known() -> None:
    new = said("new", *[0.5] * 20)
    known = [answer for source in ("one", "two", "three") for answer in said(source, *[0.9] * 20)]
    assert loss_of(new, known, AS_IT_IS) == pytest.approx((loss(0.5) + loss(0.9)) / 2)
    assert loss_of(new, [], AS_IT_IS) == pytest.approx(loss(0.5))
    assert loss_of([], known, AS_IT_IS) == pytest.approx(loss(0.9))


def test_a_small_source_counts_as_much_as_a_large_one() -> None:
    known = [*said("small", *[0.9] * 20), *said("large", *[0.5] * 200)]
    assert loss_of([], known, AS_IT_IS) == pytest.approx((loss(0.9) + loss(0.5)) / 2)


def test_one_row_of_a_source_is_not_worth_twenty_of_another() -> None:
    known = [*said("single", 0.1), *said("large", *[0.5] * 100)]
    assert loss_of([], known, AS_IT_IS) == pytest.approx((loss(0.1) + 20 * loss(0.5)) / 21)


def test_being_sure_and_wrong_costs_more_than_it_is_worth_to_be_sure_and_right() -> None:
    bold, fair = said("new", *[0.99] * 9, 0.005), said("new", *[0.9] * 9, 0.05)
    assert loss_of(bold, [], AS_IT_IS) > loss_of(fair, [], AS_IT_IS)


def test_what_a_temperature_mends_does_not_count() -> None:
    row = Example("as ever", "new", sentiment=2)
    fair = [Answer(row, {}, np.log(chances), ()) for chances in [[0.1, 0.1, 0.8]] * 400 + [[0.1, 0.8, 0.1]] * 100]
    bold = [replace(answer, sentiment=1.5 * answer.sentiment) for answer in fair]
    assert refitted(bold, AS_IT_IS).sentiment == pytest.approx(1.5, rel=0.05)
    assert loss_of(bold, [], AS_IT_IS) == pytest.approx(loss_of(fair, [], AS_IT_IS), abs=0.01)


def test_few_answers_move_a_temperature_little() -> None:
    row = Example("as ever", "new", sentiment=0)
    assert 1.0 < refitted([Answer(row, {}, np.array([0.0, 0.0, 9.0]), ())], AS_IT_IS).sentiment < 1.3


def test_nothing_held_back_tells_nothing() -> None:
    assert loss_of([], [], AS_IT_IS) == 0.0


def test_every_head_is_read_at_a_temperature_of_its_own() -> None:
    spans = (EntityLabel(0, 4, 2), EntityLabel(9, 13, 0))
    row = Example("Acme up, Bolt down", "news", topics=(("mine", 0),), sentiment=2, entities=spans)
    first, last, mine = np.log([0.9, 0.05, 0.05]), np.log([0.05, 0.05, 0.9]), np.log([0.9, 0.1])
    before = Temperatures(2.0, 3.0, {"mine": 4.0})
    answer = Answer(row, {"mine": 4 * mine}, 2 * last, (3 * last, 3 * first))
    found = refitted([answer], before, {"mine": ("a", "b")})
    assert found.sentiment == pytest.approx(2.0, rel=0.05)
    assert found.entities == pytest.approx(3.0, rel=0.05)
    assert found.topics == pytest.approx({"mine": 4.0}, rel=0.05)
    assert loss_of([answer], [], before, {"mine": ("a", "b")}) == pytest.approx(loss(0.9), rel=0.1)


FALLING = {0.0: 0.70, 0.25: 0.64, 0.5: 0.60, 0.75: 0.58, 1.0: 0.57}


def harmless(_alpha: float) -> Sequence[str]:
    return ()


def test_the_part_of_least_loss_is_taken_and_the_smaller_of_two_alike() -> None:
    assert taken(FALLING, 0.002, harmless).alpha == 1.0
    assert taken({**FALLING, 0.5: 0.57}, 0.002, harmless).alpha == 0.5


def test_a_gain_too_small_is_no_update() -> None:
    assert taken({0.0: 0.80, 0.5: 0.799, 1.0: 0.9}, 0.002, harmless).alpha == 0.0


def test_of_parts_that_gain_the_best_that_spoils_nothing_is_taken() -> None:
    found = taken(FALLING, 0.002, lambda alpha: ["orders to the reader"] if alpha > 0.5 else [])
    assert found.alpha == 0.5
    assert found.as_row()["spoilt"] == {"1": ["orders to the reader"], "0.75": ["orders to the reader"]}


def test_where_every_part_spoils_something_there_is_no_update() -> None:
    found = taken(FALLING, 0.002, lambda _: ["negation"])
    assert found.alpha == 0.0
    assert set(found.spoilt) == set(FALLING) - {0.0}


@given(st.lists(st.floats(0, 1), min_size=len(ALPHAS), max_size=len(ALPHAS)), st.sets(st.sampled_from(ALPHAS)))
def test_nothing_better_was_free_of_harm(losses: list[float], harmful: set[float]) -> None:
    table = dict(zip(ALPHAS, losses, strict=True))
    found = taken(table, 0.0, lambda alpha: ["typos"] if alpha in harmful else [])
    assert found.alpha == 0.0 or found.alpha not in harmful
    assert all(table[found.alpha] <= table[alpha] for alpha in ALPHAS if alpha not in harmful)
