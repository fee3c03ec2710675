"""Of which series Prometheus hears, and what."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from streams.page.gauges import SeriesGauges
from tests.streams.page.newsroom import Newsroom


def exposed(room: Newsroom) -> dict[tuple[str, str, str], float]:
    registry = CollectorRegistry()
    registry.register(SeriesGauges(room.page))
    return {
        (
            sample.name.removeprefix("tocsin_series_"),
            sample.labels["name"],
            sample.labels.get("sentiment", ""),
        ): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_listed_companies_topics_and_streams_are_told_and_nobody_else(tmp_path: Path) -> None:
    watchlist = tmp_path / "watchlist.toml"
    watchlist.write_text('[[entity]]\nid = "acme"\nname = "Acme"\n')
    room = Newsroom(watchlist)
    room.live_through(1.1, {"acme": 6, "passer-by": 6})
    room.crisis("acme")
    room.page.measured = room.page._measure()
    told = exposed(room)
    assert {name for _, name, _ in told} == {"acme", "Company / Product News", "news"}
    assert told["ringing", "acme", ""] == 1
    assert told["score_ratio", "acme", ""] >= 0
    assert told["usual_low", "acme", ""] <= told["usual_high", "acme", ""]
    mix = room.page.mix("entity:acme")
    assert [told["documents", "acme", mood] for mood in ("negative", "neutral", "positive")] == mix


async def test_they_are_kept_fresh_without_anybody_looking(tmp_path: Path) -> None:
    room = Newsroom()
    room.live_through(0.2, {"acme": 6})
    async with room.open():
        while not room.page.measured:
            await room.page.turned()
    assert {row.kind for row in room.page.measured} == {"topic", "stream"}


def test_before_anything_is_heard_there_is_nothing_to_tell() -> None:
    assert exposed(Newsroom()) == {}
