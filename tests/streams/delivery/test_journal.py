"""The journal counts deaths of the process, whoever comes after, and convicts one record."""

from __future__ import annotations

import contextlib
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from streams.delivery.journal import GUILTY_AFTER, SUSPECT_AFTER, Journal, probe_each
from streams.delivery.slabs import Place, Slab

NEWS = Place("news", 0)


class Death(BaseException):
    """Stands for a signal: nothing of the process runs after it."""


def _slab(start: int, end: int) -> Slab:
    return Slab(NEWS, start, end, [])


def _restarted(directory: Path) -> Journal:
    journal = Journal(directory, "score")
    journal.taken(NEWS)
    return journal


def test_a_slab_that_ends_leaves_nothing(tmp_path: Path) -> None:
    journal = _restarted(tmp_path)
    assert journal.begin(_slab(0, 10)) == 1
    journal.end(_slab(0, 10))
    assert _restarted(tmp_path).begin(_slab(0, 10)) == 1


def test_each_death_with_a_slab_in_hand_is_an_attempt_more(tmp_path: Path) -> None:
    assert [_restarted(tmp_path).begin(_slab(0, 10)) for _ in range(4)] == [1, 2, 3, 4]


def test_a_slab_that_is_cut_anew_inherits_the_attempts_of_what_it_overlaps(tmp_path: Path) -> None:
    for _ in range(3):
        _restarted(tmp_path).begin(_slab(0, 10))
    journal = _restarted(tmp_path)
    assert journal.begin(_slab(0, 4)) == 4
    journal.end(_slab(0, 4))
    assert journal.begin(_slab(20, 30)) == 1


def test_two_slabs_in_hand_are_both_counted(tmp_path: Path) -> None:
    journal = _restarted(tmp_path)
    journal.begin(_slab(0, 10))
    journal.begin(_slab(10, 20))
    after = _restarted(tmp_path)
    assert after.begin(_slab(0, 10)) == 2
    assert after.begin(_slab(10, 20)) == 2


def test_a_partition_does_not_answer_for_another(tmp_path: Path) -> None:
    _restarted(tmp_path).begin(_slab(0, 10))
    other = Slab(Place("news", 1), 0, 10, [])
    journal = _restarted(tmp_path)
    journal.taken(other.place)
    assert journal.begin(other) == 1


def test_an_unreadable_file_starts_the_count_anew(tmp_path: Path) -> None:
    _restarted(tmp_path).begin(_slab(0, 10))
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(b'{"entries": [')
    assert _restarted(tmp_path).begin(_slab(0, 10)) == 1


def test_a_topics_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state", "../../score")
    journal.begin(Slab(Place("../../../news", 0), 0, 1, []))
    assert all((tmp_path / "state") in file.parents for file in tmp_path.rglob("*.json"))


@given(poison=st.sets(st.integers(0, 15), max_size=3))
@settings(max_examples=30, deadline=None)
def test_records_that_kill_the_process_are_given_up_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, poison: set[int]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    slab, deaths, given_up, done = _slab(0, 16), 0, set[int](), set[int]()

    def work(offset: int) -> None:
        if offset in poison:
            raise Death
        done.add(offset)

    def process() -> None:
        journal = _restarted(directory)
        if journal.begin(slab) > SUSPECT_AFTER:
            probe_each(journal, slab, list(range(16)), work, lambda offset, n: given_up.add(offset))
        else:
            for offset in range(16):
                work(offset)
        journal.end(slab)

    for _ in range(SUSPECT_AFTER + GUILTY_AFTER * len(poison) + 1):
        try:
            process()
            break
        except Death:
            deaths += 1
    else:
        pytest.fail("the slab never came through")
    assert given_up == poison
    assert done == set(range(16)) - poison
    assert deaths == (SUSPECT_AFTER + GUILTY_AFTER * len(poison) if poison else 0)


def test_a_probe_that_is_dropped_is_no_death(tmp_path: Path) -> None:
    journal = _restarted(tmp_path)
    for _ in range(5):
        journal.probe(NEWS, 3)
        journal.acquit(NEWS)
        with contextlib.suppress(AssertionError):
            journal = _restarted(tmp_path)
    assert journal.probe(NEWS, 3) == 0
