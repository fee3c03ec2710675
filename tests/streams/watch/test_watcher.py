"""What rings depends on the documents alone: not on slabs, repeats, restarts or the order of sources."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alerting import Rule
from streams.errors import SnapshotError
from streams.records import Alert, Observations, encode
from streams.settings import WatchSettings
from streams.watch.priming import prime
from streams.watch.watcher import Watcher
from tests.streams.watch.newsroom import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    RULES,
    Voice,
    crisis,
    play,
    quiet_days,
    scored,
    slab,
    slabs,
    watcher,
)

NOW = MONDAY + 3 * DAY


@pytest.fixture(scope="module")
def three_quiet_days() -> bytes:
    """A watcher of two source partitions that has three quiet days behind it."""
    watch = watcher(partitions=2)
    voices = [Voice(MONDAY + i * 3 * MINUTE, negative=i % 5 == 0, partition=i % 2) for i in range(3 * 480)]
    for partition in (0, 1):
        documents = [scored(voice, at) for at, voice in enumerate(v for v in voices if v.partition == partition)]
        assert play(watch, [slab(documents, partition)], flush=False) == []
    return watch.snapshot()


@st.composite
def busy_hours(draw: st.DrawFn) -> list[list[Voice]]:
    """Three hours on two source partitions, a crisis and copies among them, out of order within the grace."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    start = NOW + rng.randrange(HOUR)
    partitions: list[list[Voice]] = [[], []]
    times = sorted(rng.randrange(NOW, NOW + 3 * HOUR) for _ in range(60))
    times = sorted([*times, *(start + rng.randrange(20 * MINUTE) for _ in range(draw(st.integers(0, 50))))])
    for at in times:
        partition = rng.randrange(2)
        voice = Voice(
            event_ms=at - rng.randrange(60_000),
            negative=start <= at < start + 20 * MINUTE or rng.random() < 0.2,
            entity=rng.choice(["acme", "contoso"]),
            partition=partition,
            signature=rng.choice([None, None, None, 99]),
            source=rng.choice(["wire", "blog", ""]),
        )
        partitions[partition].append(voice)
    return partitions


def messages(hours: list[list[Voice]], rng: random.Random, first: int = 720) -> list[Observations]:
    """The same documents cut and interleaved at random; every partition keeps its own order."""
    queues: list[list[Observations]] = []
    for partition, voices in enumerate(hours):
        documents = [scored(voice, first + at) for at, voice in enumerate(voices)]
        queue = []
        while documents:
            size = rng.choice([1, 2, 5, 40])
            queue.append(slab(documents[:size], partition))
            documents = documents[size:]
        queues.append(queue)
    out: list[Observations] = []
    while any(queues):
        out.append(rng.choice([queue for queue in queues if queue]).pop(0))
    return out


def revived(data: bytes, partitions: int = 2, rules: tuple[Rule, ...] = RULES) -> Watcher:
    return Watcher.restore(data, 0, WatchSettings(), rules, {"news": partitions})


def told(alerts: list[Alert]) -> list[bytes]:
    return [encode(alert) for alert in alerts]


@settings(max_examples=25, deadline=None)
@given(busy_hours(), st.integers(0, 2**32), st.integers(0, 2**32))
def test_slab_cuts_and_the_order_of_sources_change_nothing(
    three_quiet_days: bytes, hours: list[list[Voice]], one: int, other: int
) -> None:
    left, right = revived(three_quiet_days), revived(three_quiet_days)
    heard = told(play(left, messages(hours, random.Random(one))))
    assert heard == told(play(right, messages(hours, random.Random(other))))
    assert left.snapshot() == right.snapshot()
    assert left.late == 0


@settings(max_examples=6, deadline=None)
@given(busy_hours(), st.integers(0, 2**32))
def test_a_restart_after_every_message_changes_nothing(
    three_quiet_days: bytes, hours: list[list[Voice]], seed: int
) -> None:
    parts = messages(hours, random.Random(seed))
    steady, shaken = revived(three_quiet_days), revived(three_quiet_days)
    alerts: list[Alert] = []
    for message in parts:
        alerts += shaken.apply(message)
        data = shaken.snapshot()
        shaken = revived(data)
        assert shaken.snapshot() == data
    assert told(alerts + shaken.flush()) == told(play(steady, parts))
    assert shaken.snapshot() == steady.snapshot()


def test_a_restart_changes_nothing_in_any_state_of_an_alert(three_quiet_days: bytes) -> None:
    """Pending, firing, recovering, resolved and cooling down: all of them are lived through, one message a minute."""
    loud = {*range(31, 45), *range(100, 110), *range(190, 200), *range(290, 320), *range(700, 715)}
    voices = [
        Voice(
            NOW + at * MINUTE,
            negative=at in loud,
            entity="acme",
            partition=at % 2,
            signature=7 if at % 9 == 0 else None,
        )
        for at in range(900)
    ]
    halves: list[list[Voice]] = [[v for v in voices if v.partition == partition] for partition in (0, 1)]
    parts = [
        slab([scored(voice, 720 + at)], partition)
        for at in range(450)
        for partition, voice in ((0, halves[0][at]), (1, halves[1][at]))
    ]
    steady, shaken = revived(three_quiet_days), revived(three_quiet_days)
    alerts: list[Alert] = []
    heard: list[Alert] = []
    for message in parts:
        heard += steady.apply(message)
        alerts += shaken.apply(message)
        shaken = revived(shaken.snapshot())
    assert told(alerts + shaken.flush()) == told(heard + steady.flush())
    assert {alert.state for alert in heard} == {"pending", "firing", "recovering", "resolved"}


@settings(max_examples=25, deadline=None)
@given(busy_hours(), st.integers(0, 2**32))
def test_repeated_and_newly_cut_slabs_are_counted_once(
    three_quiet_days: bytes, hours: list[list[Voice]], seed: int
) -> None:
    rng = random.Random(seed)
    steady, repeated = revived(three_quiet_days), revived(three_quiet_days)
    parts = messages(hours, rng)
    again: list[Observations] = []
    documents = {p: [scored(v, 720 + at) for at, v in enumerate(voices)] for p, voices in enumerate(hours)}
    for message in parts:
        again.append(message)
        if rng.random() < 0.3:
            done = message.last + 1 - 720
            back = rng.randrange(max(0, done - 30), done)
            ahead = min(len(documents[message.partition]), done + 1)
            again.append(slab(documents[message.partition][back:ahead], message.partition))
    assert told(play(repeated, again)) == told(play(steady, parts))


def test_a_crisis_rings_before_its_window_closes_and_lives_to_its_end() -> None:
    voices = quiet_days(3) + crisis(NOW + 2 * MINUTE) + quiet_days(0.3, start=NOW + 15 * MINUTE)
    alerts = [a for a in play(watcher(), slabs(voices)) if a.series == "entity:acme"]
    states = [alert.state for alert in alerts]
    assert states[0] in ("pending", "firing")
    assert states[-2:] == ["recovering", "resolved"]
    assert {a.alert_id for a in alerts} == {alerts[0].alert_id}
    assert [a.sequence for a in alerts] == list(range(len(alerts)))
    assert len({a.transition_id for a in alerts}) == len(alerts)
    fired = next(a for a in alerts if a.state == "firing")
    assert fired.evidence.window_open
    assert fired.starts_at == "2024-01-04T00:00:00Z"
    assert fired.observed >= 3
    assert fired.observed > fired.expected
    assert fired.score >= fired.threshold
    assert 3 <= len(fired.exemplars) <= 5
    assert all(e.p_negative == 0.9 for e in fired.exemplars)
    assert alerts[-1].ends_at is not None
    assert alerts[-1].exemplars, "who reads the end still sees the evidence"


def test_the_first_day_of_everything_is_silent() -> None:
    assert play(watcher(), slabs(quiet_days(0.5) + crisis(MONDAY + DAY // 2))) == []


def test_a_positive_burst_does_not_ring() -> None:
    burst = [Voice(NOW + i * 10_000, negative=i % 8 == 0) for i in range(200)]
    assert play(watcher(), slabs(quiet_days(3) + burst)) == []


def test_copies_of_one_story_do_not_ring_and_are_told_of() -> None:
    copies = crisis(NOW, stories=200, every=5_000, signature=77)
    assert play(watcher(), slabs(quiet_days(3) + copies)) == []
    mixed = quiet_days(3) + sorted(copies + crisis(NOW + 1000), key=lambda v: v.event_ms)
    fired = [a for a in play(watcher(), slabs(mixed)) if a.state == "firing" and a.series == "entity:acme"]
    assert fired[-1].copies > 10
    assert fired[-1].observed < 40


def test_silence_after_a_crisis_resolves_it_when_time_is_told() -> None:
    watch = watcher()
    voices = quiet_days(3) + crisis(NOW)
    alerts = play(watch, slabs(voices), flush=False)
    tick = slab([scored(Voice(NOW + 6 * HOUR), len(voices))])
    assert [a.state for a in alerts if a.series == "entity:acme"][-1] == "firing"
    assert "resolved" in [a.state for a in watch.apply(tick) if a.series == "entity:acme"]


def test_late_documents_raise_but_never_retract() -> None:
    watch = watcher()
    calm = quiet_days(3) + [Voice(NOW + i * MINUTE) for i in range(45)]
    assert play(watch, slabs(calm), flush=False) == []
    late = [scored(voice, len(calm) + at) for at, voice in enumerate(crisis(NOW + 5 * MINUTE, every=5_000))]
    assert watch.apply(slab(late)) == []
    after = watch.apply(slab([scored(Voice(NOW + 46 * MINUTE), len(calm) + len(late))]))
    raised = [a for a in after if a.series == "entity:acme"]
    assert [(a.state, a.reason) for a in raised] == [("firing", "late_documents")]
    assert raised[0].starts_at == "2024-01-04T00:00:00Z"
    assert raised[0].exemplars
    assert watch.late == 2 * len(late)


def test_documents_behind_every_window_are_counted_as_such_and_change_nothing() -> None:
    watch = watcher()
    calm = quiet_days(2)
    play(watch, slabs(calm), flush=False)
    old = [scored(voice, len(calm) + at) for at, voice in enumerate(crisis(MONDAY))]
    end = scored(Voice(MONDAY + 2 * DAY), len(calm) + len(old))
    assert watch.apply(slab([*old, end])) == []
    assert (watch.late, watch.too_late) == (0, 2 * len(old))


def test_more_series_than_allowed_are_refused_and_counted() -> None:
    watch = watcher(max_series=3)
    voices = [Voice(MONDAY + i * MINUTE, entity=f"e{i % 50}") for i in range(500)]
    play(watch, slabs(voices))
    assert watch.series_count == 3
    assert watch.refused == 500 - 20


def test_series_that_fell_silent_give_their_slots_back() -> None:
    watch = watcher()
    play(watch, slabs([Voice(MONDAY + i * MINUTE, entity=f"e{i}") for i in range(200)] + quiet_days(4)))
    assert watch.series_count == 2
    assert len(watch.table.open_y) == 256


def test_a_long_silence_is_stepped_over() -> None:
    watch = watcher()
    voices = [*quiet_days(2), Voice(MONDAY + 4000 * DAY)]
    play(watch, slabs(voices))
    assert watch.rows < 96 * 40
    assert watch.watermark_ms == MONDAY + 4000 * DAY + 15 * MINUTE


def test_memory_of_what_waits_is_bounded_when_one_source_lags() -> None:
    watch = Watcher(0, WatchSettings(), RULES, {"news": 2}, most_waiting=100)
    ahead = [scored(Voice(MONDAY + i * MINUTE), i) for i in range(2000)]
    behind = scored(Voice(MONDAY, partition=1), 0)
    play(watch, [slab([behind], 1), *(slab(ahead[i : i + 50]) for i in range(0, 2000, 50))], flush=False)
    assert watch.waiting.count <= 100
    assert watch.forced > 0


def test_history_primes_without_alerts_and_the_stream_rings_at_once() -> None:
    # Line numbers need not rise with time: a history may be kept newest first.
    history = [scored(v, 10_000 - at) for at, v in enumerate(quiet_days(3) + crisis(NOW - HOUR))]
    watch = watcher()
    prime([watch], history, languages=("en",))
    later = NOW + 40 * DAY
    alerts = play(watch, slabs(quiet_days(0.1, start=later) + crisis(later + 3 * HOUR)))
    assert {a.state for a in alerts if a.series == "entity:acme"} >= {"firing"}
    assert all(a.starts_at > "2024-02-1" for a in alerts)
    assert play(watcher(), slabs(quiet_days(0.1, start=later) + crisis(later + 3 * HOUR))) == []


def test_a_changed_rule_ends_the_incidents_of_the_old_one() -> None:
    watch = watcher()
    alerts = play(watch, slabs(quiet_days(3) + crisis(NOW)), flush=False)
    firing = {a.alert_id for a in alerts if a.state == "firing"}
    stricter = (Rule(name="negative-spike", budget=0.001),)
    changed = revived(watch.snapshot(), partitions=1, rules=stricter)
    ends = changed.apply(slab([scored(Voice(NOW + 30 * MINUTE), 10_000)]))
    assert {(a.alert_id, a.reason) for a in ends if a.state == "resolved"} == {(i, "rule_changed") for i in firing}


def test_each_rule_rings_for_its_own_series_with_its_own_name_and_labels() -> None:
    rules = (
        Rule(name="anything", budget=0.1),
        Rule(name="acme-only", series=("entity:ac*",), severity="critical", labels={"team": "risk"}),
        Rule(name="loud-only", minimum_negative=1000),
    )
    watch = Watcher(0, WatchSettings(), rules, {"news": 1})
    alerts = play(watch, slabs(quiet_days(3) + crisis(NOW)))
    heard = {(a.rule, a.series, a.severity) for a in alerts}
    assert heard == {
        ("anything", "entity:acme", "warning"),
        ("anything", "stream:news", "warning"),
        ("acme-only", "entity:acme", "critical"),
    }
    assert {a.labels.get("team") for a in alerts if a.rule == "acme-only"} == {"risk"}
    assert len({a.alert_id for a in alerts}) == 3
    lower = {a.threshold for a in alerts if a.rule == "anything"}
    assert max(lower) < min(a.threshold for a in alerts if a.rule == "acme-only")


def test_a_level_shift_is_one_incident_and_then_the_new_normal() -> None:
    loud = [Voice(NOW + i * MINUTE, negative=i % 2 == 0) for i in range(3 * 1440)]
    alerts = [a for a in play(watcher(), slabs(quiet_days(3) + loud)) if a.series == "entity:acme"]
    assert len({a.alert_id for a in alerts}) == 1
    assert alerts[-1].state == "resolved"


def test_a_snapshot_of_another_shape_or_a_damaged_one_is_refused() -> None:
    watch = watcher()
    play(watch, slabs(quiet_days(0.2)))
    data = watch.snapshot()
    with pytest.raises(SnapshotError, match="partition"):
        Watcher.restore(data, 1, WatchSettings(), RULES, {"news": 1})
    with pytest.raises(SnapshotError, match="window_seconds"):
        Watcher.restore(data, 0, WatchSettings(window_seconds=300), RULES, {"news": 1})
    for broken in (b"", data[: len(data) // 2], b"PK\x03\x04" + b"\0" * 100):
        with pytest.raises(SnapshotError):
            Watcher.restore(broken, 0, WatchSettings(), RULES, {"news": 1})


def test_nothing_said_earlier_depends_on_what_comes_later() -> None:
    voices = quiet_days(3) + crisis(NOW) + quiet_days(0.5, start=NOW + HOUR) + crisis(NOW + 14 * HOUR)
    parts = slabs(voices, size=20)
    whole = told(play(watcher(), parts, flush=False))
    cut = told(play(watcher(), parts[:-4], flush=False))
    assert cut
    assert whole[: len(cut)] == cut
