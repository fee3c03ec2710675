"""What the page says of the releases and of drift."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from playwright.async_api import Page, expect
from prometheus_client import CollectorRegistry

from streams.lessons import DriftSignal, Shift
from streams.metrics import Metrics
from streams.page.board import MOST_DRIFTS, Board
from streams.page.model import Gauged, Reading, alarmed, expected, gauged, heard, readings
from streams.page.reader import LONGEST_SIGNAL_BYTES, read_drift
from streams.records import encode
from streams.scoring.serving import Comparison, Live
from tests.streams.page.newsroom import HOUR, MONDAY, Newsroom
from tests.streams.page.test_browser import ATTACKS

SIGNAL = DriftSignal(
    release="r1", stream="news", detector="mix", calls="collect", documents=18_432, window=2_048, statistic=5.2,
    threshold=4.4, own=False, event_ms=MONDAY, shifts=(Shift("Earnings", 0.12, 0.31),),
)  # fmt: skip


def serving(release: str, reference: object = "a reference") -> Any:
    return SimpleNamespace(release=release, scorer=SimpleNamespace(precision="int8", reference=reference))


def test_the_releases_that_read_are_told_with_how_far_they_differ() -> None:
    live = Live(serving("r2"), percent=10)
    assert readings(live) == [Reading("serves", "r2", "int8")]
    assert not readings(Live(serving("r0", reference=None)))[0].armed
    live.keep("previous", serving("r1"))
    live.keep("candidate", serving("r3"))
    live.comparisons["previous"] = Comparison(200)
    live.comparisons["previous"].differ["sentiment"] = 13
    assert readings(live)[1:] == [
        Reading("previous", "r1", "int8", 200, 0.065),
        Reading("candidate", "r3", "int8", 0, None),
    ]


def test_what_the_detectors_say_is_read_from_the_metrics() -> None:
    metrics = Metrics.bind(CollectorRegistry())
    assert (gauged(metrics), heard(metrics), expected(metrics.expected_accuracy)) == ([], {}, {})
    metrics.drift_statistic.labels("news", "mix").set(1.23456)
    metrics.drift_threshold.labels("news", "mix").set(4.4)
    metrics.drift_alarms.labels("news", "mix").inc(2)
    metrics.drift_statistic.labels("news", "domain").set(0)
    metrics.drift_documents.labels("news").inc(640)
    metrics.expected_accuracy.labels("news", "sentiment").set(0.8312)
    assert gauged(metrics) == [Gauged("news", "domain", 0.0, 0.0, 0), Gauged("news", "mix", 1.235, 4.4, 2)]
    assert heard(metrics) == {"news": 640}
    assert expected(metrics.expected_accuracy) == {"news": {"sentiment": 0.831}}


def test_the_latest_alarms_are_kept_by_the_streams_time_and_told_once() -> None:
    board = Board()
    for hour in range(MOST_DRIFTS + 5):
        board.drift(alarmed(signal_at(MONDAY - hour * HOUR)))  # as partitions come: not in order
    told = board.since(-1)
    assert len(told.drifts) == MOST_DRIFTS
    assert {alarm.event_ms for alarm in told.drifts} == {MONDAY - hour * HOUR for hour in range(MOST_DRIFTS)}
    assert board.since(told.version).drifts == []
    board.drift(alarmed(signal_at(MONDAY + HOUR)))
    assert [alarm.event_ms for alarm in board.since(told.version).drifts] == [MONDAY + HOUR]


def signal_at(event_ms: int) -> DriftSignal:
    return DriftSignal(
        "r1",
        "news",
        "mix",
        "collect",
        100,
        64,
        5.0,
        4.0,
        own=False,
        event_ms=event_ms,
        shifts=(Shift("x" * 500, 0, 1),) * 9,
    )


def test_what_is_shown_of_an_alarm_is_bounded() -> None:
    shown = alarmed(signal_at(MONDAY))
    assert len(shown.shifts) == 3
    assert len(shown.shifts[0].name) == 80


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b'{"release": 1}', b" " * (LONGEST_SIGNAL_BYTES + 1)])
def test_what_is_no_alarm_is_passed_over(value: bytes) -> None:
    assert read_drift(value) is None
    assert read_drift(encode(SIGNAL)) == SIGNAL


async def test_drift_releases_and_throughput_are_shown_as_they_come(tab: Page) -> None:
    room = Newsroom()
    room.live_through(0.2, {"ovenna": 6})
    async with room.open() as url:
        await tab.goto(url)
        await expect(tab.locator("#drift")).to_contain_text("the detectors of others do")
        await expect(tab.locator("#releases")).to_contain_text("This worker does not score")
        await expect(tab.locator("#line-chart svg path.rate")).to_have_count(1)

        room.page.readings = lambda: [Reading("serves", "r0", "int8", armed=False)]
        await expect(tab.locator("#drift")).to_contain_text("Release r0 brings no reference")
        room.page.readings = lambda: [
            Reading("serves", "r2", "int8"),
            Reading("candidate", ATTACKS[0], "int8", 400, 0.12),
        ]
        await expect(tab.locator("#drift")).to_contain_text("Nothing heard yet")
        room.health.facts["refused releases"] = f"r9: {ATTACKS[1]}"
        for detector, statistic in (("mix", 5.2), ("domain", 1.0)):
            room.metrics.drift_statistic.labels("news", detector).set(statistic)
            room.metrics.drift_threshold.labels("news", detector).set(4.4)
        room.metrics.expected_accuracy.labels("news", "sentiment").set(0.83)
        shifts = (Shift("Earnings", 0.12, 0.31), Shift(ATTACKS[2], 0.5, 0.25))
        room.page.board.drift(
            alarmed(
                DriftSignal(
                    "r2", "news", "mix", "collect", 18_432, 64, 5.2, 4.4, own=False, event_ms=room.clock, shifts=shifts
                )
            )
        )
        await expect(tab.locator("#drift .over")).to_contain_text("mix")
        await expect(tab.locator("#drift .over .value")).to_have_text("5.2 / 4.4")
        await expect(tab.locator("#drift h4")).to_contain_text("drifting")
        await expect(tab.locator("#drift .alarms li")).to_contain_text(
            f"collect samples. Earnings 12% → 31%, {ATTACKS[2]} 50% → 25%"
        )
        await expect(tab.locator("#releases")).to_contain_text("judges 12% of 400 documents otherwise")
        await expect(tab.locator("#releases .refused")).to_contain_text(ATTACKS[1])
        await expect(tab.locator("#releases")).to_contain_text("news 83%")

        room.metrics.drift_statistic.labels("news", "mix").set(0.4)
        await expect(tab.locator("#drift .over")).to_have_count(0)
        await expect(tab.locator("#drift h4")).to_contain_text("alarmed today")
        assert await tab.evaluate("window.stolen ?? null") is None
        assert await tab.locator(".model img, .model script, .model [onload]").count() == 0
