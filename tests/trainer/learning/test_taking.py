"""How much of an update is taken: the part of least loss, none without a gain, nothing that spoils what is written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.release import Temperatures
from trainer.data import EntityLabel, Example
from trainer.learning.taking import ALPHAS, loss_of, taken
from trainer.measure import Answer

AS_IT_IS = Temperatures()


def said(source: str, *chances: float) -> list[Answer]:
    """An answer for each chance that was given to the label, about texts of ``source``."""
    row = Example("as ever", source, sentiment=2)
    return [Answer(row, {}, np.log([(1 - right) / 2, (1 - right) / 2, right]), ()) for right in chances]


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
    assert loss_of(bold, [], Temperatures(sentiment=2.0)) < loss_of(bold, [], AS_IT_IS), "each head's is asked for"


def test_nothing_held_back_tells_nothing() -> None:
    assert loss_of([], [], AS_IT_IS) == 0.0


def test_every_question_is_read_at_the_temperature_of_its_head() -> None:
    given = Temperatures(2.0, 3.0, {"finance": 4.0})
    spans = (EntityLabel(0, 4, 2), EntityLabel(9, 13, 0))
    row = Example("Acme up, Bolt down", "news", topics=(("finance", 0),), sentiment=2, entities=spans)
    first, last = np.log([0.6, 0.2, 0.2]), np.log([0.2, 0.2, 0.6])
    finance = np.log([0.6, *[0.4 / 19] * 19])
    answer = Answer(row, {"finance": 4 * finance}, 2 * last, (3 * last, 3 * first))
    assert loss_of([answer], [], given) == pytest.approx(loss(0.6))


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
