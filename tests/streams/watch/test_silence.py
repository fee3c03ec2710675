"""A stream that falls silent rings once, through pending; what it usually does is no silence."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alerting import NO_DATA
from streams.records import Alert, encode
from streams.settings import WatchSettings
from streams.watch.silence import DAYS, Pulse, Silences
from streams.watch.watcher import Watcher
from tests.streams.watch.newsroom import DAY, HOUR, MINUTE, MONDAY, RULES, Voice, play, scored, slab, slabs, watcher

ROW = 900_000


def pulse_of(counts: list[int]) -> tuple[Silences, list[Alert]]:
    silences = Silences(ROW)
    alerts: list[Alert] = []
    import numpy as np

    for at, count in enumerate(counts):
        alerts += silences.close(["stream:news"], np.array([float(count)]), MONDAY + (at + 1) * ROW, "r")
    return silences, alerts


def day(night: int = 0, rate: int = 5) -> list[int]:
    """A day of windows of which the first ``night`` are empty."""
    return [0] * night + [rate] * (96 - night)


def told(alerts: list[Alert]) -> list[tuple[str, str]]:
    return [(alert.state, alert.reason) for alert in alerts]


def test_silence_rings_through_pending_and_ends_with_the_next_document() -> None:
    _, alerts = pulse_of(day() * 8 + [0] * 10 + [3])
    assert told(alerts) == [("pending", ""), ("firing", ""), ("resolved", "returned")]
    firing = alerts[1]
    assert (firing.rule, firing.series, firing.starts_at) == (NO_DATA, "stream:news", "2024-01-09T00:00:00Z")
    assert firing.window.seconds == 5 * 900
    assert firing.expected == 25
    assert "silent for 75 min: 25 documents were expected" in firing.summary
    assert alerts[2].ends_at == "2024-01-09T02:45:00Z"
    assert len({alert.alert_id for alert in alerts}) == 1
    assert [alert.sequence for alert in alerts] == [0, 1, 2]


def test_a_pause_that_ends_while_pending_lapses_and_is_learned() -> None:
    silences, alerts = pulse_of(day() * 8 + [0] * 4 + [3] + [0] * 11 + [3])
    assert told(alerts) == [("pending", ""), ("resolved", "lapsed")]
    assert max(silences.pulses["stream:news"].longest) == 11


def test_nights_are_no_silence_but_three_nights_in_a_row_are() -> None:
    _, alerts = pulse_of(day(night=32) * 10)
    assert alerts == []
    _, alerts = pulse_of(day(night=32) * 10 + [0] * (96 + 2))
    assert told(alerts) == [("pending", ""), ("firing", "")]


def test_the_first_week_and_a_stream_that_hardly_speaks_say_nothing() -> None:
    assert pulse_of(day() * 6 + [0] * 50)[1] == []
    assert pulse_of(([1] + [0] * 95) * 20 + [0] * 500)[1] == []


def test_an_outage_is_not_learned_as_a_pause() -> None:
    silences, alerts = pulse_of(day() * 8 + [0] * 200 + day() + [0] * 10)
    assert [state for state, _ in told(alerts)] == ["pending", "firing", "resolved", "pending", "firing"]
    assert max(silences.pulses["stream:news"].longest) == 0


def test_pauses_are_forgotten_after_four_weeks() -> None:
    pulse = Pulse(0)
    pulse.beat(1, ROW, ROW)
    pulse.learn(40)
    assert pulse.limit(ROW) == 120
    pulse.beat(1, (DAYS + 1) * DAY, ROW)
    assert pulse.limit(ROW) == 4


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 200)), max_size=30))
def test_each_silence_has_one_beginning_and_one_end(stretches: list[tuple[int, int]]) -> None:
    _, alerts = pulse_of(day() * 8 + [count for count, times in stretches for _ in range(times)])
    lives: dict[str, list[str]] = {}
    for alert in alerts:
        lives.setdefault(alert.alert_id, []).append(alert.state)
    for states in lives.values():
        assert states in (
            ["pending"],
            ["pending", "firing"],
            ["pending", "resolved"],
            ["pending", "firing", "resolved"],
        )
    assert len({alert.transition_id for alert in alerts}) == len(alerts)


# In the watcher


def steady(days: float, start: int = MONDAY) -> list[Voice]:
    return [Voice(start + i * 10 * MINUTE, negative=i % 5 == 0) for i in range(int(days * 144))]


def outage() -> Watcher:
    """Eight days of documents, then a day in which only the clock moves."""
    watch = watcher(partitions=2)
    voices = steady(8)
    play(watch, slabs(voices), flush=False)
    for hour in range(1, 25):
        for partition in (0, 1):
            moment = MONDAY + 8 * DAY + hour * HOUR
            message = slab([scored(Voice(moment, partition=partition), 10_000 + hour)], partition)
            ticks = [type(message)("news", partition, message.first, message.last, moment, "r1")]
            play(watch, ticks, flush=False)
    return watch


def test_nothing_is_learned_while_nothing_arrives() -> None:
    watch = outage()
    before = watcher(partitions=2)
    play(before, slabs(steady(8)), flush=False)
    assert watch.hushed
    slot = watch.table.slots.find("entity:acme")
    assert slot is not None
    known, then = float(watch.table.state.level[slot]), float(before.table.state.level[slot])
    assert known > 0.9 * then, "an hour of emptiness may be learned before the silence is known, not a day"
    seen = int(watch.table.state.seen[slot])
    assert seen < 8 * 96 + 10


def test_a_silence_survives_a_restart_to_the_byte() -> None:
    rng = random.Random(3)
    watch = outage()
    again = Watcher.restore(watch.snapshot(), 0, WatchSettings(), RULES, {"news": 2})
    assert again.snapshot() == watch.snapshot()
    later = [
        slab([scored(Voice(MONDAY + 9 * DAY + (hour + 1) * HOUR + rng.randrange(HOUR), partition=p), 20_000 + hour)], p)
        for hour in range(3)
        for p in (0, 1)
    ]
    heard = [[encode(alert) for alert in play(each, later)] for each in (watch, again)]
    assert heard[0] == heard[1]
    assert any(b'"reason":"returned"' in alert for alert in heard[0])
