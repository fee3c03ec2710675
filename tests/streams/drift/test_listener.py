"""The detectors of a stream together: silent at home, quick to hear what is new, told once, deaf to how it was cut."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.drift.listener import WINDOWED, Home, Listener, Step
from streams.drift.senses import DETECTORS, Senses
from streams.drift.signals import signal_of
from tests.streams.drift.hearing import World, part


@pytest.fixture(scope="module")
def home() -> Home:
    return Home.of(Senses.of(World(1).reference()))


def alarms(steps: list[Step]) -> list[tuple[int, str]]:
    return [(step.row, step.detector) for step in steps if step.look.alarm]


def first(steps: list[Step], after: int, *detectors: str) -> int:
    """Documents after ``after`` until one of ``detectors`` alarmed."""
    return next(row - after for row, detector in alarms(steps) if row > after and detector in detectors)


def test_a_stream_like_home_rings_about_as_often_as_was_asked(home: Home) -> None:
    found = 0
    for seed in range(4):
        world, listener = World(seed + 10), Listener(home, "finance")
        found += len(alarms(listener.hear(world.hear(world.domains(25_000)))))
    assert 3 <= found <= 18  # 100,000 documents, one alarm in 10,000


def test_a_known_domain_that_grows_is_heard_within_tens_of_documents(home: Home) -> None:
    delays = []
    for seed in range(9):
        world, listener = World(seed), Listener(home, "finance")
        domains = np.concatenate([world.domains(2_048), world.domains(1_024, strange=0.1, domain=2)])
        delays.append(first(listener.hear(world.hear(domains)), 2_048, "domain"))
    assert sorted(delays)[4] <= 150
    assert max(delays) <= 400


def test_what_nobody_knows_is_heard_too(home: Home) -> None:
    delays = []
    for seed in range(5):
        world, listener = World(seed), Listener(home, "finance")
        domains = np.concatenate([world.domains(2_048), world.domains(2_048, strange=0.2)])
        delays.append(first(listener.hear(world.hear(domains)), 2_048, *DETECTORS))
    assert sorted(delays)[2] <= 400


def test_a_change_that_stays_is_told_once_by_each_detector(home: Home) -> None:
    world, listener = World(3), Listener(home, "finance")
    counted = Counter(name for _, name in alarms(listener.hear(world.hear(world.domains(12_000, strange=0.5)))))
    assert counted["domain"] + counted["novelty"] >= 1
    assert max(counted.values()) <= 2
    assert any(windows.own for name, windows in listener.windows.items() if name != "quality")


def test_an_alarm_names_the_classes_that_moved(home: Home) -> None:
    world, listener = World(4), Listener(home, "finance")
    for _ in range(200):
        steps = listener.hear(world.hear(world.domains(16, strange=0.5, domain=2)))
        told = [step for step in steps if step.look.alarm and step.detector == "domain"]
        if told:
            break
    signal = signal_of(told[0], listener, {}, "r-1", "news", 7)
    assert (signal.calls, signal.release, signal.stream, signal.event_ms) == ("collect", "r-1", "news", 7)
    grown = next(shift for shift in signal.shifts if shift.name == "forum")
    assert grown.now > grown.usual + 0.1
    assert signal.statistic > signal.threshold
    assert signal.window in (64, 128, 256, 1_024)
    assert not signal.own


def test_a_broken_feed_calls_for_a_look_and_names_what_is_wrong(home: Home) -> None:
    world, listener = World(5), Listener(home, "finance")
    listener.hear(world.hear(world.domains(3_072)))
    whole = world.hear(world.domains(256))
    empty = whole._replace(delivered=[one._replace(length=0, story=0) for one in whole.delivered])
    told = [step for step in listener.hear(empty) if step.look.alarm and step.detector == "quality"]
    signal = signal_of(told[0], listener, {}, "r-1", "news", 7)
    assert signal.calls == "look"
    assert {shift.name for shift in signal.shifts[:2]} == {"short", "copied"}


def test_errors_that_come_more_often_are_heard(home: Home) -> None:
    world, listener = World(6), Listener(home, "finance")
    listener.hear(world.hear(world.domains(3_000), errors=0.12))
    steps = listener.hear(world.hear(world.domains(2_000), errors=0.24))
    assert first(steps, 3_000, "error") <= 400


@settings(max_examples=15)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_how_the_stream_was_cut_makes_no_difference(sizes: list[int]) -> None:
    home = _home()
    world = World(7)
    heard = world.hear(world.domains(1_500, strange=0.3), errors=0.2)
    whole = Listener(home, "finance").hear(heard)
    cuts = [0, *np.cumsum(sizes).clip(max=1_500).tolist(), 1_500]
    listener = Listener(home, "finance")
    pieces = [step for at, end in itertools.pairwise(cuts) for step in listener.hear(part(heard, at, end))]
    assert [step[:2] for step in pieces] == [step[:2] for step in whole]
    for one, other in zip(pieces, whole, strict=True):
        assert one.look.alarm == other.look.alarm
        assert one.look.statistic == pytest.approx(other.look.statistic, abs=1e-3)


_HOMES: list[Home] = []


def _home() -> Home:
    if not _HOMES:
        _HOMES.append(Home.of(Senses.of(World(1).reference())))
    return _HOMES[0]


def test_there_is_a_line_for_every_detector_at_every_step(home: Home) -> None:
    world, listener = World(8), Listener(home, "finance")
    steps = listener.hear(world.hear(world.domains(100)))
    assert [step.row for step in steps] == sorted(step.row for step in steps)
    assert Counter(step.detector for step in steps) == dict.fromkeys(WINDOWED, 6)


def test_too_small_a_reference_arms_nothing_but_the_feed() -> None:
    listener = Listener(Home.of(Senses.of(World(1).reference(600))), "finance")
    assert set(listener.windows) == {"quality"}
