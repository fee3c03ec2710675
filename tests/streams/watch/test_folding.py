"""The index of stories: what folds, what is forgotten, and that neither depends on how it is stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.watch.folding import HORIZON_MS, NO_SIGNATURE, Stories

HOUR_MS = 3_600_000
TELLINGS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(0, 5 * 24)), max_size=60)
"""(slot, signature, hour) of stories told and told again."""


def test_a_copy_within_a_day_folds_and_a_later_one_is_news_again() -> None:
    stories = Stories()
    assert stories.is_new(0, 7, 0)
    assert not stories.is_new(0, 7, HORIZON_MS - 1)
    assert stories.is_new(1, 7, 10), "each series has stories of its own"
    assert stories.copies(0, 7) == 1
    assert stories.is_new(0, 7, HORIZON_MS)
    assert stories.copies(0, 7) == 0


def test_stories_are_forgotten_by_age_and_by_number() -> None:
    stories = Stories(most=3)
    for signature in range(1, 6):
        stories.is_new(0, signature, signature)
    stories.forget_before(10)
    assert len(stories) == 3
    assert stories.forgotten == 2
    stories.forget_before(HORIZON_MS + 10)
    assert len(stories) == 0
    assert stories.forgotten == 2


@given(TELLINGS, st.integers(1, 8))
def test_what_is_new_does_not_depend_on_how_the_index_is_stored(
    tellings: list[tuple[int, int, int]], tail: int
) -> None:
    stories, first, copies = Stories(tail=tail), dict[tuple[int, int], int](), dict[tuple[int, int], int]()
    for slot, signature, hour in tellings:
        ms, known = hour * HOUR_MS, first.get((slot, signature))
        new = known is None or abs(ms - known) >= HORIZON_MS
        assert stories.is_new(slot, signature, ms) == new
        if new:
            first[slot, signature], copies[slot, signature] = ms, 0
        else:
            copies[slot, signature] += 1
        assert stories.copies(slot, signature) == copies[slot, signature]
    assert len(stories) == len(first)


@given(TELLINGS, TELLINGS, st.integers(1, 8))
def test_a_restored_index_folds_and_forgets_as_the_first_one_does(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], tail: int
) -> None:
    first = Stories(most=5, tail=tail)
    told(first, before)
    again = Stories(most=5)
    again.put_back(first.entries())
    forgotten = first.forgotten
    assert told(first, after) == told(again, after)
    assert first.forgotten - forgotten == again.forgotten
    for name, column in first.entries().items():
        assert np.array_equal(column, again.entries()[name])


def test_a_flood_within_one_window_is_bounded() -> None:
    stories = Stories(most=100, tail=16)
    for signature in range(1, 1001):
        assert stories.is_new(0, signature, signature)
        assert len(stories) < 200
    assert stories.forgotten == 900
    assert not stories.is_new(0, 1000, 1000), "the newest are kept"
    assert stories.is_new(0, 1, 1001), "the oldest are not"


def test_stories_too_old_are_thrown_out_together() -> None:
    stories = Stories()
    for signature in range(1, 101):
        stories.is_new(0, signature, signature * HOUR_MS // 10)
    stories.forget_before(HORIZON_MS + HOUR_MS // 10 * 5)
    assert len(stories) == 100, "five of a hundred are too old: not worth a walk yet"
    stories.forget_before(HORIZON_MS + HOUR_MS // 10 * 10)
    assert len(stories) == 90


def test_texts_too_short_to_compare_never_fold() -> None:
    stories = Stories()
    assert stories.is_new(0, NO_SIGNATURE, 0)
    assert stories.is_new(0, NO_SIGNATURE, 1)
    assert len(stories) == 0


def test_an_index_out_of_order_is_refused() -> None:
    stories = Stories()
    told(stories, [(0, 1, 0), (0, 2, 0)])
    entries = stories.entries()
    with pytest.raises(ValueError, match="not in order"):
        Stories().put_back(entries | {"keys": entries["keys"][::-1]})
    with pytest.raises(ValueError, match="not in order"):
        Stories().put_back(entries | {"copies": entries["copies"][:1]})


def told(stories: Stories, tellings: list[tuple[int, int, int]]) -> list[bool]:
    """Tell ``tellings`` and let a window end after each."""
    found = []
    for slot, signature, hour in tellings:
        found.append(stories.is_new(slot, signature, hour * HOUR_MS))
        stories.forget_before(hour * HOUR_MS)
    return found
