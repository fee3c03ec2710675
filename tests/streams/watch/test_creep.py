"""The slow channel as a rule: a share that creeps up over days rings once, says since when, and becomes usual."""

from __future__ import annotations

import pytest

from streams.alerting import Rule
from streams.records import Alert, encode
from streams.settings import WatchSettings
from streams.watch.watcher import Watcher
from tests.streams.watch.newsroom import DAY, HOUR, MINUTE, MONDAY, Voice, crisis, play, quiet_days, scored, slab, slabs

CREEPING = Rule(name="creeping", hears="creep", severity="info", series=("entity",))
BOTH = (Rule(name="negative-spike"), CREEPING)
NOW = MONDAY + 16 * DAY
RISE = [Voice(NOW + at * 5 * MINUTE, negative=at * 7 % 20 < 7) for at in range(4 * 288)]
"""Four days in which 35 % are negative, evenly spread, after 20 %."""


def listener(rules: tuple[Rule, ...] = BOTH) -> Watcher:
    return Watcher(0, WatchSettings(), rules, {"news": 1})


@pytest.fixture(scope="module")
def sixteen_quiet_days() -> bytes:
    watch = listener()
    assert play(watch, slabs(quiet_days(16), size=500), flush=False) == []
    return watch.snapshot()


def revived(data: bytes, rules: tuple[Rule, ...] = BOTH) -> Watcher:
    return Watcher.restore(data, 0, WatchSettings(), rules, {"news": 1})


def after(voices: list[Voice], size: int = 500) -> list:
    documents = [scored(voice, 5000 + at) for at, voice in enumerate(voices)]
    return [slab(documents[at : at + size]) for at in range(0, len(documents), size)]


def test_a_share_that_creeps_up_rings_once_and_is_then_the_usual_one(sixteen_quiet_days: bytes) -> None:
    watch = revived(sixteen_quiet_days)
    alerts = play(watch, after(RISE))
    assert [(a.rule, a.series, a.state, a.reason) for a in alerts] == [
        ("creeping", "entity:acme", "firing", ""),
        ("creeping", "entity:acme", "resolved", "level_shift"),
    ]
    told: Alert = alerts[0]
    began = told.window.start
    assert "2024-01-16T12:00:00Z" <= began <= "2024-01-17T12:00:00Z", "it says when the rise seems to have begun"
    assert told.window.seconds >= 12 * HOUR // 1000
    assert told.share == pytest.approx(0.35, abs=0.02)
    assert told.baseline_share == pytest.approx(0.21, abs=0.03)
    assert told.expected < told.evidence.expected_high < told.observed
    assert told.score >= told.threshold
    assert told.evidence.highest_in_days == 0, "the heights of spikes say nothing of it"
    assert 3 <= len(told.exemplars) <= 5
    slot = watch.table.slot("entity:acme")
    state = watch.table.state
    assert state.pn[slot] / state.pd[slot] == pytest.approx(0.35, abs=0.03)


def test_a_spike_is_no_creep(sixteen_quiet_days: bytes) -> None:
    voices = sorted(crisis(NOW) + quiet_days(2, start=NOW), key=lambda voice: voice.event_ms)
    rules = {alert.rule for alert in play(revived(sixteen_quiet_days), after(voices))}
    assert rules == {"negative-spike"}


def test_while_it_creeps_the_level_goes_on_learning(sixteen_quiet_days: bytes) -> None:
    watch = revived(sixteen_quiet_days)
    busier = [Voice(v.event_ms + shift, v.negative) for v in RISE[:600] for shift in (0, MINUTE)]
    slot = watch.table.slot("entity:acme")
    before = float(watch.table.state.level[slot])
    alerts = play(watch, after(sorted(busier, key=lambda voice: voice.event_ms)), flush=False)
    assert [a.state for a in alerts if a.rule == "creeping"] == ["firing"]
    assert watch.table.state.level[slot] > 1.15 * before


def test_a_restart_in_the_middle_of_a_creep_changes_nothing(sixteen_quiet_days: bytes) -> None:
    steady, shaken = revived(sixteen_quiet_days), revived(sixteen_quiet_days)
    parts = after(RISE, size=90)
    alerts: list[Alert] = []
    for message in parts:
        alerts += shaken.apply(message)
        shaken = revived(shaken.snapshot())
    alerts += shaken.flush()
    assert [encode(a) for a in alerts] == [encode(a) for a in play(steady, parts)]
    assert shaken.snapshot() == steady.snapshot()


def test_a_rule_hears_only_the_lengths_of_time_it_names(sixteen_quiet_days: bytes) -> None:
    swell = [Voice(NOW + at * 5 * MINUTE, negative=True) for at in range(18)]
    rules = (Rule(name="short", windows=(15,)), Rule(name="long", windows=(120, 60)), Rule(name="all"))
    alerts = play(revived(sixteen_quiet_days, rules), after(swell + quiet_days(0.2, start=NOW + 2 * HOUR)))
    fired = [a for a in alerts if a.state == "firing" and a.series == "entity:acme"]
    assert {a.rule for a in fired} == {"long", "all"}
    assert {a.window.seconds for a in fired if a.rule == "long"} <= {3600, 7200}
    sudden = play(revived(sixteen_quiet_days, rules), after(crisis(NOW)))
    assert {a.window.seconds for a in sudden if a.rule == "short"} == {900}
