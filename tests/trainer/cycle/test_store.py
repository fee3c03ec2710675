"""The store: records and offsets go in together or not at all, and each record once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.lessons import DocumentFeedback
from tests.trainer.cycle.school import sample, shifted, signal_of, word
from trainer.cycle.store import Arrivals, Cycle, Store
from trainer.data import Example
from trainer.learning.replay import Remembered

ROWS = shifted(30, 1)
CYCLE = Cycle(1, 5, "labels", "told", "t-1", "update-1", 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "deep" / "lessons.sqlite")
    yield found
    found.close()


def arrivals(*numbers: int, offset: int = 0) -> Arrivals:
    return Arrivals([sample(at, ROWS[at]) for at in numbers], next_offsets={"samples": {0: offset + len(numbers)}})


@given(st.lists(st.lists(st.integers(0, 29), max_size=8), max_size=8))
def test_whatever_is_read_again_is_held_once(batches: list[list[int]]) -> None:
    store = Store(Path(":memory:"))
    for offset, batch in enumerate(batches):
        store.take(arrivals(*batch, offset=offset), 1, 1_000)
    assert sorted(one.id for one in store.samples()) == sorted({f"d{number}" for batch in batches for number in batch})
    store.close()


def test_offsets_and_records_are_one_transaction(store: Store, tmp_path: Path) -> None:
    store.take(arrivals(0, 1), 1, 1_000)
    broken = Arrivals([sample(2, ROWS[2])], next_offsets={"samples": {0: object()}})  # type: ignore[dict-item]
    with pytest.raises(sqlite3.Error):
        store.take(broken, 1, 1_000)
    store.close()
    again = Store(tmp_path / "deep" / "lessons.sqlite")
    assert (len(again.samples()), again.offsets("samples")) == (2, {0: 2})
    again.close()


def test_of_a_person_s_words_on_a_document_the_last_counts_in_whatever_order_they_come(store: Store) -> None:
    late, early = word(0, ROWS[0], at_ms=9), DocumentFeedback("d0", "ann", 3, "neutral")
    store.take(Arrivals(words=[late, word(0, ROWS[0], by="bob", at_ms=1)]), 1, 1_000)
    store.take(Arrivals(words=[early]), 1, 1_000)
    assert store.words() == [late, word(0, ROWS[0], by="bob", at_ms=1)]


def test_what_goes_first_are_old_documents_that_nobody_has_labelled(store: Store) -> None:
    store.take(Arrivals(words=[word(0, ROWS[0])]), 1, 1_000)
    store.take(arrivals(*range(10)), 1, 4)
    assert [one.id for one in store.samples()] == ["d0", "d7", "d8", "d9"]


def test_a_signal_is_answered_by_the_cycle_that_begins_after_it(store: Store) -> None:
    store.take(Arrivals(signals=[signal_of(event_ms=1), signal_of(event_ms=1)]), 1, 1_000)
    assert len(store.signals()) == 1
    store.begin(CYCLE, ["d1"])
    store.take(Arrivals(signals=[signal_of(event_ms=1), signal_of(event_ms=2)]), 1, 1_000)
    assert [one.event_ms for one in store.signals()] == [2]
    assert store.seen() == {"d1"}


def test_a_cycle_is_concluded_with_what_it_learnt_and_remembers(store: Store) -> None:
    store.begin(CYCLE, ["d1", "d2"])
    assert store.attempt(1) == 1
    assert store.attempt(1) == 2
    kept = [Remembered(Example("a text", "shop", sentiment=2), {"sentiment": (0.1, 0.2, 3.0)}, 0.4)]
    store.conclude(1, "promoted", {"told": "x"}, 77, learnt=["d1"], memory=kept)
    (cycle,) = store.cycles()
    assert (cycle.outcome, cycle.concluded_ms, cycle.attempts, cycle.detail) == ("promoted", 77, 2, {"told": "x"})
    assert (store.learnt(), store.memory(), store.next_cycle()) == ({"d1"}, kept, 2)


def test_another_cluster_s_offsets_mean_nothing(store: Store) -> None:
    assert store.belongs_to("one")
    store.take(arrivals(0), 1, 1_000)
    assert not store.belongs_to("other")
    assert (store.offsets("samples"), len(store.samples())) == ({}, 1)


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello" * 1_000)
    with pytest.raises(SettingsError, match=r"trainer\.database"):
        Store(tmp_path / "x")
