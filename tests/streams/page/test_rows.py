"""The figures of the page are the detector's own."""

from __future__ import annotations

import numpy as np
import pytest

from streams.page.past import Past
from streams.page.rows import band, detail, find, rows, share_band
from streams.watch.alerts import usual_range
from streams.watch.watcher import ClosedWindow
from tests.streams.page.newsroom import HOUR, Newsroom


def closed(start_ms: int, names: list[str | None], negative: list[float]) -> ClosedWindow:
    counts = np.array(negative)
    return ClosedWindow(start_ms, len(names), names, counts, counts + 1, counts / 2, counts)


@pytest.fixture(scope="module")
def room() -> Newsroom:
    made = Newsroom()
    made.live_through(1.2, {"acme": 6, "bolt": 3})
    made.crisis("acme")
    return made


@pytest.mark.parametrize("spread", [0.02, 0.4, 5.0])
def test_the_band_is_the_range_that_an_alert_names(spread: float) -> None:
    means = np.array([0.001, 0.01, 0.3, 1.0, 3.0, 12.5, 60.0])
    low, high = band(means, spread)
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == [usual_range(mean, 1 / spread) for mean in means]


def test_the_band_of_a_share_narrows_with_its_stories_down_to_what_a_series_scatters() -> None:
    low, high = share_band(0.2, 0.02, np.array([1.0, 10.0, 1000.0]))
    assert (np.diff(high - low) < 0).all()
    assert low[-1] < 0.2 < high[-1]
    assert high[-1] - low[-1] > 0.2


def test_a_row_tells_what_was_counted_and_that_it_rings(room: Newsroom) -> None:
    watcher, past = room.watched.watcher, Past()
    found = {row.name: row for row in rows(watcher, past, 50)}
    acme, bolt = found["entity:acme"], found["entity:bolt"]
    assert (acme.state, bolt.state) == ("ringing", "quiet")
    assert acme.open_negative == watcher.table.open_y[watcher.table.slots.find("entity:acme")]
    assert bolt.threshold is not None
    assert bolt.score < bolt.threshold
    assert acme.kind == "entity"


def test_those_that_ring_are_never_left_out_for_busy_ones(room: Newsroom) -> None:
    kept = {row.name: row.state for row in rows(room.watched.watcher, None, 4)}
    assert set(kept.values()) == {"ringing"}


def test_the_detail_reaches_from_the_past_into_what_is_expected(room: Newsroom) -> None:
    past = room.page._pasts[0]
    found = detail(room.watched.watcher, past, "entity:acme")
    assert found is not None
    before, now, after = (
        found.windows[: found.open_at],
        found.windows[found.open_at],
        found.windows[found.open_at + 1 :],
    )
    assert sum(window.negative or 0 for window in before) >= 20
    assert max(window.share or 0 for window in before) > 2 * found.row.usual_share
    assert (now.start_ms, now.total) == (found.row.open_ms, found.row.open_total)
    assert {window.total for window in after} == {None}
    assert len(after) * found.row.size_ms == 3 * HOUR
    assert all(window.high > 0 for window in after), "a day has taught it what comes"


def test_of_a_series_that_is_not_watched_there_is_no_detail(room: Newsroom) -> None:
    assert detail(room.watched.watcher, None, "entity:nobody") is None


def test_series_are_found_by_a_part_of_their_name(room: Newsroom) -> None:
    assert find(room.watched.watcher, "ACM", 10)[0] == "entity:acme"
    assert find(room.watched.watcher, "", 1) == sorted(n for n in room.watched.watcher.table.slots.names if n)[:1]


def test_a_slot_that_got_another_series_has_none_of_its_past() -> None:
    past = Past()
    past.hear(closed(0, ["a", "b"], [1, 2]))
    past.hear(closed(900, ["a", "c"], [3, 4]))
    past.hear(closed(1800, ["a", "c", "d"], [5, 6, 7]))
    assert [each[1] for each in past.of(0)] == [1, 3, 5]
    assert [each[1] for each in past.of(1)] == [4, 6]
    assert [each[1] for each in past.of(2)] == [7]
    assert past.of(3) == []


def test_the_past_is_bounded() -> None:
    past = Past(windows=2, most_slots=1)
    for start in (0, 900, 1800):
        past.hear(closed(start, ["a", "b"], [start, 0]))
    assert [each[0] for each in past.of(0)] == [900, 1800]
    assert past.of(1) == []
