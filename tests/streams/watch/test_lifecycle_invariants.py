"""Whatever the detector says, an incident's life keeps its rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.watch.lifecycle import (
    DAY_MS,
    FLAPPING_RINGS,
    HOUR_MS,
    REARM_FACTOR,
    REARM_MARGIN,
    Incident,
    Policy,
    Reading,
    Transition,
    begin,
    may_begin,
    resolve_below,
    step,
    transition_id_of,
)

ROW = 900_000
MINUTE = 60_000
POLICY = Policy()
FOLLOWS = {
    None: {"pending", "firing"},
    "pending": {"firing", "resolved"},
    "firing": {"firing", "recovering", "resolved"},
    "recovering": {"firing", "recovering", "resolved"},
    "resolved": set(),
}
"""What may follow a state. Recovering follows itself only as an annotation by late documents."""


@dataclass
class Life:
    """One incident as people were told of it."""

    incident: Incident
    told: list[tuple[Transition, Reading]] = field(default_factory=list)
    peak_before: float | None = None
    began_in_cooldown: bool = False

    @property
    def states(self) -> list[str]:
        return [transition.state for transition, _ in self.told]


@dataclass
class Series:
    """Follows one series as the watcher does."""

    lives: list[Life] = field(default_factory=list)
    last: Incident | None = None

    def hear(self, reading: Reading) -> None:
        last = self.last
        if last is None or last.state == "resolved":
            if not may_begin(last, reading):
                return
            self.last, transition = begin("r", "v", "entity:acme", reading, last)
            life = Life(self.last)
            if last is not None:
                life.peak_before, life.began_in_cooldown = last.peak_score, reading.mark_ms < last.rearm_ms
            self.lives.append(life)
            life.told.append((transition, reading))
            return
        moved = step(last, reading, POLICY)
        if moved is not None:
            self.lives[-1].told.append((moved, reading))

    def end_of_row(self, ms: int) -> None:
        if self.last is not None and self.last.forgotten_by(ms):
            self.last = None


@dataclass(frozen=True)
class Row:
    """A window: what is said at its minute marks, at its close, and later of a window so many rows back."""

    looks: list[tuple[float, int]]
    close: tuple[float, int]
    late: tuple[int, float, int] | None


scores = st.one_of(st.just(0.0), st.floats(0, 4.5), st.floats(3, 12), st.just(4.0), st.floats(12, 300))
seen = st.tuples(scores, st.integers(0, 60))
rows = st.builds(
    Row,
    looks=st.lists(seen, max_size=3),
    close=seen,
    late=st.none() | st.tuples(st.integers(1, 7), scores, st.integers(0, 60)),
)
stretches = st.lists(st.tuples(rows, st.integers(1, 8)), max_size=40)
"""Rows that repeat themselves, so that long loud and long quiet times come up."""


def readings(stretch: list[tuple[Row, int]], threshold: float) -> Iterator[Reading | None]:
    """The readings of a series in their order; ``None`` where a window ended."""
    window = 0
    for row, times in stretch:
        for _ in range(times):
            start, end = window * ROW, (window + 1) * ROW
            if row.late is not None and window >= row.late[0]:
                back, score, observed = row.late
                loud = score >= threshold and observed >= 3
                at = start - back * ROW
                yield Reading(at, at + ROW, start + MINUTE, False, score, threshold, observed, loud, late=True)
            for mark, (score, observed) in enumerate(row.looks, start=2):
                loud = score >= threshold and observed >= 3
                yield Reading(start, end, start + mark * MINUTE, False, score, threshold, observed, loud)
            score, observed = row.close
            yield Reading(start, end, end, True, score, threshold, observed, score >= threshold and observed >= 3)
            window += 1
            yield None


def lived(stretch: list[tuple[Row, int]], threshold: float = 4.0) -> Series:
    series, row = Series(), 0
    for reading in readings(stretch, threshold):
        if reading is None:
            row += 1
            series.end_of_row((row - 8) * ROW)
        else:
            series.hear(reading)
    return series


@settings(max_examples=120, deadline=None)
@given(stretches, st.sampled_from([1.3, 4.0, 7.0]))
def test_states_follow_each_other_as_drawn_and_sequences_count_up(
    stretch: list[tuple[Row, int]], threshold: float
) -> None:
    for life in lived(stretch, threshold).lives:
        before = None
        for number, (transition, _) in enumerate(life.told):
            assert transition.state in FOLLOWS[before]
            assert transition.sequence == number
            if transition.state == before == "recovering":
                assert transition.reason == "late_documents"
            before = transition.state


@settings(max_examples=120, deadline=None)
@given(stretches)
def test_no_two_incidents_and_no_two_transitions_share_an_id(stretch: list[tuple[Row, int]]) -> None:
    lives = lived(stretch).lives
    assert len({life.incident.alert_id for life in lives}) == len(lives)
    ids = [transition_id_of(life.incident.alert_id, t.sequence, t.state) for life in lives for t, _ in life.told]
    assert len(set(ids)) == len(ids)
    starts = [life.incident.start_ms for life in lives]
    assert starts == sorted(starts)


@settings(max_examples=120, deadline=None)
@given(stretches, st.sampled_from([1.3, 4.0]))
def test_only_closed_windows_take_anything_back(stretch: list[tuple[Row, int]], threshold: float) -> None:
    for life in lived(stretch, threshold).lives:
        before = None
        for transition, reading in life.told:
            calmer = transition.state == "resolved" or (transition.state, before) == ("recovering", "firing")
            assert not calmer or (reading.closed and not reading.late)
            if transition.state == "recovering" and before == "firing":
                assert reading.score < resolve_below(threshold)
            before = transition.state


@settings(max_examples=120, deadline=None)
@given(stretches)
def test_the_cooldown_is_broken_only_by_both_margins(stretch: list[tuple[Row, int]]) -> None:
    for life in lived(stretch).lives:
        if life.began_in_cooldown:
            assert life.peak_before is not None
            first = life.told[0][1]
            assert first.score >= life.peak_before * REARM_FACTOR
            assert first.score >= life.peak_before + REARM_MARGIN


@settings(max_examples=120, deadline=None)
@given(stretches)
def test_an_incident_ends_in_a_day_and_never_before_it_began(stretch: list[tuple[Row, int]]) -> None:
    for life in lived(stretch).lives:
        transition, reading = life.told[-1]
        assert life.incident.loud_end_ms > life.incident.start_ms
        if transition.state == "resolved":
            assert reading.mark_ms - life.incident.start_ms <= DAY_MS + HOUR_MS
        if transition.reason == "quiet":
            patience = HOUR_MS * (4 if life.incident.flapping else 1)
            assert reading.end_ms - life.incident.loud_end_ms >= patience


@settings(max_examples=120, deadline=None)
@given(stretches)
def test_people_are_told_of_few_ups_and_downs_a_day(stretch: list[tuple[Row, int]]) -> None:
    """Within one incident: at most three beginnings, each with its end, and revisions that grow by their factor."""
    for life in lived(stretch).lives:
        ups = [t for t, _ in life.told if t.state == "firing" and t.reason not in ("stronger", "late_documents")]
        assert len(ups) <= FLAPPING_RINGS + 1
        flapping = [at for at, (t, _) in enumerate(life.told) if t.reason == "flapping"]
        assert len(flapping) <= 1
        if flapping:
            after = {t.state for t, _ in life.told[flapping[0] :]}
            assert after <= {"firing", "resolved"}


@settings(max_examples=100, deadline=None)
@given(stretches, st.integers(0, 400))
def test_what_was_told_does_not_depend_on_what_comes_later(stretch: list[tuple[Row, int]], cut: int) -> None:
    told = [(life.incident.alert_id, t) for life in lived(stretch).lives for t, _ in life.told]
    earlier = [(life.incident.alert_id, t) for life in lived(stretch[:cut]).lives for t, _ in life.told]
    assert told[: len(earlier)] == earlier
