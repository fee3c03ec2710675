"""Records on which scoring raises are found; the others of their slab are not given up with them."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis.strategies as st
import pytest
from hypothesis import given

from streams.scoring.bisect import score_or_reject


class Broken(Exception):
    pass


class Leaving(Exception):
    pass


def _scoring(poison: set[int]) -> tuple[list[int], object]:
    calls: list[int] = []

    def score(items: Sequence[int]) -> list[str]:
        calls.append(len(items))
        if poison.intersection(items):
            raise ValueError("cannot")
        return [f"scored {item}" for item in items]

    return calls, score


def _reject(item: int, error: Exception) -> str:
    return f"rejected {item} {type(error).__name__}"


def _healthy() -> None:
    return None


@given(poison=st.sets(st.integers(0, 39), max_size=6), count=st.integers(0, 40))
def test_exactly_the_poisonous_items_are_rejected_in_order(poison: set[int], count: int) -> None:
    _, score = _scoring(poison)
    found = score_or_reject(list(range(count)), score, _reject, _healthy)  # type: ignore[arg-type]
    assert found == [f"rejected {n} ValueError" if n in poison else f"scored {n}" for n in range(count)]


def test_a_slab_without_poison_is_scored_once() -> None:
    calls, score = _scoring(set())
    score_or_reject(list(range(512)), score, _reject, _healthy)  # type: ignore[arg-type]
    assert calls == [512]


def test_one_poisonous_item_costs_a_logarithm_of_calls() -> None:
    calls, score = _scoring({137})
    score_or_reject(list(range(512)), score, _reject, _healthy)  # type: ignore[arg-type]
    assert len(calls) <= 2 * 9 + 2


def test_a_broken_scorer_rejects_nobody() -> None:
    _, score = _scoring(set(range(10)))

    def broken() -> None:
        raise Broken

    with pytest.raises(Broken):
        score_or_reject(list(range(10)), score, _reject, broken)  # type: ignore[arg-type]


def test_an_error_that_does_not_come_again_rejects_nobody() -> None:
    failing = [True, True]

    def score(items: Sequence[int]) -> list[str]:
        if failing:
            failing.pop()
            raise ValueError
        return [str(item) for item in items]

    assert score_or_reject([1, 2], score, _reject, _healthy) == ["1", "2"]


@pytest.mark.parametrize("error", [MemoryError, OSError, Leaving])
def test_what_no_record_is_to_blame_for_is_raised(error: type[Exception]) -> None:
    def score(items: Sequence[int]) -> list[str]:
        raise error

    with pytest.raises(error):
        score_or_reject([1, 2], score, _reject, _healthy, passing=(Leaving,))
