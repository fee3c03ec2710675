"""What comes behind the watermark still teaches: a stream that is late does not look like a smaller one."""

from __future__ import annotations

import random

import pytest

from streams.records import Alert
from streams.watch.watcher import Watcher
from tests.streams.watch.newsroom import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    Voice,
    crisis,
    play,
    quiet_days,
    scored,
    slab,
    watcher,
)


def arriving(voices: list[Voice], late: float) -> list[Voice]:
    """``voices`` in the order they come: a part of ``late`` an hour after the others of its time."""
    rng = random.Random(1)
    order = [(v.event_ms + (HOUR if rng.random() < late else 0), at) for at, v in enumerate(voices)]
    return [voices[at] for _, at in sorted(order)]


def fed(voices: list[Voice], flush: bool = False) -> tuple[Watcher, list[Alert]]:
    watch = watcher()
    documents = [scored(voice, at) for at, voice in enumerate(voices)]
    return watch, play(watch, [slab(documents[at : at + 3]) for at in range(0, len(documents), 3)], flush=flush)


def learned(watch: Watcher) -> tuple[float, float, float]:
    """Documents per window, share of negatives and stories of the entity, as the watcher knows them."""
    state, slot = watch.table.state, watch.table.slot("entity:acme")
    return float(state.level[slot]), float(state.pn[slot] / state.pd[slot]), float(state.stories[slot])


@pytest.mark.parametrize("late", [0.05, 0.2])
def test_late_documents_count_in_the_level_and_in_the_share(late: float) -> None:
    voices = quiet_days(5)
    punctual, tardy = (fed(arriving(voices, part))[0] for part in (0.0, late))
    assert tardy.late == pytest.approx(2 * len(voices) * late, rel=0.25)
    assert tardy.too_late == 0
    level, share, stories = learned(tardy)
    usual, usual_share, usual_stories = learned(punctual)
    assert level == pytest.approx(usual, rel=0.03)
    assert share == pytest.approx(usual_share, rel=0.05)
    assert stories == pytest.approx(usual_stories, rel=0.01)


def test_what_belongs_to_an_incident_is_not_learned_when_it_comes_late() -> None:
    calm = quiet_days(4) + [Voice(MONDAY + 4 * DAY + at * MINUTE) for at in range(45)]
    watch, before = fed(calm)
    assert before == []
    level, share, _ = learned(watch)
    flood = [scored(voice, len(calm) + at) for at, voice in enumerate(crisis(MONDAY + 4 * DAY + 5 * MINUTE, 60, 5_000))]
    watch.apply(slab(flood))
    raised = watch.apply(slab([scored(Voice(MONDAY + 4 * DAY + 46 * MINUTE), len(calm) + len(flood))]))
    assert ("entity:acme", "firing") in {(alert.series, alert.state) for alert in raised}
    assert learned(watch)[0] == pytest.approx(level, rel=0.02)
    assert learned(watch)[1] == pytest.approx(share, rel=0.02)


def test_an_outage_with_a_backlog_rings_as_if_nothing_had_happened() -> None:
    """Two hours in which nothing is delivered, and then all of it at once: time is that of the documents."""
    voices = quiet_days(3) + crisis(MONDAY + 3 * DAY + HOUR) + quiet_days(0.2, start=MONDAY + 3 * DAY + 2 * HOUR)
    documents = [scored(voice, at) for at, voice in enumerate(sorted(voices, key=lambda voice: voice.event_ms))]
    steady, interrupted = watcher(), watcher()
    alerts = play(steady, [slab([document]) for document in documents])
    away = [d for d in documents if MONDAY + 3 * DAY <= d.event_ms < MONDAY + 3 * DAY + 2 * HOUR]
    before, after = documents[: documents.index(away[0])], documents[documents.index(away[-1]) + 1 :]
    assert play(interrupted, [slab(part) for part in (before, away, after)]) == alerts
    assert any(alert.state == "firing" for alert in alerts)
    assert interrupted.late == 0
