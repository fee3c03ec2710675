"""How late it is on a source partition."""

from __future__ import annotations

from streams.delivery.clock import SourceClock, from_note


def test_a_partition_without_records_has_no_time() -> None:
    assert SourceClock().idle(now_ms=10_000) is None


def test_an_idle_partition_moves_with_the_wall_clock_from_its_last_event() -> None:
    clock = SourceClock().heard(event_ms=1_000, broker_ms=60_000)
    assert clock.idle(now_ms=65_000) == 6_000


def test_a_broker_clock_ahead_of_ours_moves_nothing_back() -> None:
    assert SourceClock(1_000, 60_000).idle(now_ms=59_000) == 1_000


def test_an_old_event_does_not_set_the_clock_back() -> None:
    assert SourceClock(5_000, 10).heard(3_000, 20) == SourceClock(5_000, 20)


def test_dead_letters_alone_leave_the_event_time_as_it_was() -> None:
    assert SourceClock(5_000, 10).heard(None, 20) == SourceClock(5_000, 20)


def test_the_clock_survives_as_a_commits_metadata() -> None:
    clock = SourceClock(1_700_000_000_000, 1_700_000_000_500)
    assert from_note(clock.note()) == clock


def test_metadata_of_another_hand_gives_an_unset_clock() -> None:
    for note in (None, "", "hello", '{"a": 1}', '["x", null]'):
        assert from_note(note) == SourceClock()
