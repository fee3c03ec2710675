"""The ledger commits only what is finished from the front, whatever the schedule."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.delivery.ledger import Ledger
from streams.delivery.slabs import Place

NEWS = Place("news", 0)
REVIEWS = Place("reviews", 3)


def _begun(offset: int = 0) -> Ledger:
    ledger = Ledger()
    ledger.begin(NEWS, offset)
    return ledger


def test_nothing_is_committable_before_the_first_slab_is_finished() -> None:
    ledger = _begun()
    ledger.deliver(NEWS, 0, 10)
    assert ledger.committable() == {}


def test_a_finished_slab_behind_an_unfinished_one_is_not_committed() -> None:
    ledger = _begun()
    ledger.deliver(NEWS, 0, 10)
    ledger.deliver(NEWS, 10, 20)
    ledger.finish(NEWS, 20)
    assert ledger.committable() == {}
    ledger.finish(NEWS, 10)
    assert ledger.committable() == {NEWS: 20}


def test_a_commit_that_the_broker_refused_is_offered_again() -> None:
    ledger = _begun()
    ledger.deliver(NEWS, 0, 10)
    ledger.finish(NEWS, 10)
    assert ledger.committable() == ledger.committable() == {NEWS: 10}
    ledger.committed({NEWS: 10})
    assert ledger.committable() == {}


def test_a_slab_fetched_before_a_seek_is_refused() -> None:
    ledger = _begun(400)
    assert not ledger.deliver(NEWS, 500, 600)
    assert ledger.deliver(NEWS, 400, 500)


def test_a_slab_finished_after_its_partition_began_anew_counts_for_nothing() -> None:
    ledger = _begun()
    ledger.deliver(NEWS, 0, 10)
    ledger.begin(NEWS, 0)
    ledger.finish(NEWS, 10)
    assert ledger.committable() == {}
    assert ledger.deliver(NEWS, 0, 5)
    ledger.finish(NEWS, 5)
    assert ledger.committable() == {NEWS: 5}


def test_a_revoked_partition_leaves_the_others_alone() -> None:
    ledger = _begun()
    ledger.begin(REVIEWS, 7)
    ledger.deliver(NEWS, 0, 10)
    ledger.deliver(REVIEWS, 7, 9)
    ledger.finish(NEWS, 10)
    ledger.finish(REVIEWS, 9)
    ledger.forget([NEWS])
    assert ledger.committable() == {REVIEWS: 9}
    assert ledger.expected(NEWS) is None
    assert not ledger.deliver(NEWS, 10, 20)


def test_a_snapshot_finishes_every_slab_it_holds_and_no_other() -> None:
    ledger = _begun()
    for end in (10, 20, 30):
        ledger.deliver(NEWS, end - 10, end)
    ledger.finish_through(NEWS, 20)
    assert ledger.committable() == {NEWS: 20}
    assert ledger.unfinished(NEWS) == 1
    assert ledger.outstanding(NEWS) == 10


class Schedules(RuleBasedStateMachine):
    """Any order of deliveries, finishes, refused and taken commits, seeks and revocations of two partitions.

    The model is a set of processed offsets; what may never happen is a commit above an unprocessed one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.processed: dict[Place, set[int]] = {NEWS: set(), REVIEWS: set()}
        self.in_hand: dict[Place, list[tuple[int, int]]] = {NEWS: [], REVIEWS: []}
        self.position: dict[Place, int] = {}
        self.committed: dict[Place, int] = {NEWS: 0, REVIEWS: 0}

    places = st.sampled_from([NEWS, REVIEWS])

    @rule(place=places)
    def assign(self, place: Place) -> None:
        self.ledger.begin(place, self.committed[place])
        self.position[place] = self.committed[place]
        self.in_hand[place] = []

    @rule(place=places, length=st.integers(1, 5))
    def deliver(self, place: Place, length: int) -> None:
        start = self.position.get(place)
        taken = self.ledger.deliver(place, start or 0, (start or 0) + length)
        assert taken == (start is not None)
        if start is not None:
            self.in_hand[place].append((start, start + length))
            self.position[place] = start + length

    @rule(place=places, by=st.integers(1, 7), length=st.integers(1, 5))
    def deliver_stale(self, place: Place, by: int, length: int) -> None:
        start = self.position.get(place, 0) + by
        assert not self.ledger.deliver(place, start, start + length)

    @rule(place=places, which=st.integers(0, 10))
    def finish(self, place: Place, which: int) -> None:
        if self.in_hand[place]:
            start, end = self.in_hand[place].pop(which % len(self.in_hand[place]))
            self.processed[place].update(range(start, end))
            self.ledger.finish(place, end)

    @rule(taken=st.booleans())
    def commit(self, taken: bool) -> None:
        offsets = self.ledger.committable()
        for place, offset in offsets.items():
            assert set(range(offset)) <= self.processed[place], "committed past an unprocessed record"
            assert offset > self.committed[place]
        if taken:
            self.ledger.committed(offsets)
            self.committed.update(offsets)

    @precondition(lambda self: self.position)
    @rule(place=places)
    def revoke(self, place: Place) -> None:
        self.ledger.forget([place])
        self.position.pop(place, None)
        self.in_hand[place] = []

    @invariant()
    def everything_finished_is_committable(self) -> None:
        for place, position in self.position.items():
            if not self.in_hand[place] and position > self.committed[place]:
                assert self.ledger.committable()[place] == position


TestSchedules = Schedules.TestCase
TestSchedules.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.permutations(range(12)))
def test_all_slabs_finished_in_any_order_commit_everything(order: list[int]) -> None:
    ledger = _begun()
    for n in range(12):
        ledger.deliver(NEWS, n, n + 1)
    reached = 0
    for n in order:
        ledger.finish(NEWS, n + 1)
        offered = ledger.committable().get(NEWS, 0)
        assert offered >= reached
        reached = offered
    assert reached == 12
