from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.records import ObservedDocument
from streams.watch.slots import Slots
from streams.watch.windows import MINUTE_MS, Item, Sources, Waiting, window_start

DOCUMENT = ObservedDocument(0, 0, "d", "t", "s", 1)


def item(event_ms: int, offset: int = 0) -> Item:
    return Item(event_ms, "news", 0, offset, "stream:news", 0.5, False, "r", DOCUMENT)


@given(st.integers(0, 10**13), st.sampled_from([60_000, 900_000, 3_600_000]))
def test_windows_are_half_open_and_cover_everything_once(event_ms: int, size: int) -> None:
    start = window_start(event_ms, size)
    assert start <= event_ms < start + size
    assert start % size == 0


def test_no_watermark_until_every_source_partition_was_heard_of() -> None:
    sources = Sources({"news": 2, "reviews": 1}, grace_ms=1000)
    sources.hear(("news", 0), 5, 10_000)
    sources.hear(("reviews", 0), 5, 20_000)
    assert sources.watermark() is None
    sources.hear(("news", 1), -1, None)
    assert sources.watermark() == 9_000


def test_the_watermark_follows_the_slowest_and_never_goes_back() -> None:
    sources = Sources({"news": 2}, grace_ms=0)
    sources.hear(("news", 0), 5, 10_000)
    sources.hear(("news", 1), 5, 7_000)
    assert sources.watermark() == 7_000
    sources.hear(("news", 1), 6, 3_000)
    assert sources.watermark() == 7_000
    assert sources.highest() == 10_000


def test_a_source_that_the_settings_no_longer_name_holds_nobody_up() -> None:
    sources = Sources({"news": 1}, grace_ms=0, highs={("gone", 0): 5})
    sources.hear(("news", 0), 5, 10_000)
    assert sources.watermark() == 10_000


def test_event_time_zero_is_a_time() -> None:
    sources = Sources({"news": 1}, grace_ms=0)
    sources.hear(("news", 0), 0, 0)
    assert sources.watermark() == 0


@given(st.lists(st.integers(0, 10 * MINUTE_MS), max_size=40), st.lists(st.integers(0, 12), max_size=6))
def test_items_leave_in_order_once_their_minute_has_closed(times: list[int], marks: list[int]) -> None:
    waiting = Waiting()
    waiting.add(item(event_ms, offset) for offset, event_ms in enumerate(times))
    left: list[Item] = []
    for mark in sorted(marks):
        out = waiting.release_before(mark * MINUTE_MS)
        assert all(entry.event_ms < mark * MINUTE_MS for entry in out)
        left += out
    assert left == sorted(left)
    assert len(left) + waiting.count == len(times)
    assert waiting.count == len(waiting.all())
    assert all(entry.event_ms >= max(marks, default=0) * MINUTE_MS for entry in waiting.all())


def test_freed_slots_are_used_again_lowest_first_and_the_bound_holds() -> None:
    slots = Slots(3)
    assert [slots.take(name) for name in "abc"] == [0, 1, 2]
    assert slots.take("d") is None
    slots.free([2, 0])
    assert slots.find("a") is None
    assert [slots.take(name) for name in "de"] == [0, 2]
    restored = Slots.restored(3, slots.names)
    assert [restored.find(name) for name in "deb"] == [0, 2, 1]
