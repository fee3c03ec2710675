"""The slab consumer as Faust drives it, with a hand-written thread in place of the one that talks to Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from streams import app as app_module
from streams.app import TocsinApp, create_app, slab_topic
from streams.delivery import transport
from streams.delivery.fetching import Cut
from streams.delivery.slabs import Place, Slab
from streams.delivery.transport import SlabConsumer
from streams.errors import BrokerError
from streams.settings import Settings

NEWS = Place("news", 0)
REVIEWS = Place("reviews", 1)


class Raw(NamedTuple):
    offset: int
    timestamp: int | None = 0
    key: bytes | None = None
    value: bytes | None = b""
    headers: Sequence[tuple[str, bytes | None]] = ()


class Role:
    def __init__(self) -> None:
        self.starts: dict[Place, int | None] = {}
        self.remembered: dict[Place, str] = {}
        self.committed_offsets: list[dict[Place, int]] = []
        self.drained = 0

    async def start_at(self, committed: Mapping[Place, int | None]) -> Mapping[Place, int | None]:
        return {**committed, **{place: at for place, at in self.starts.items() if place in committed}}

    def remember(self, place: Place, note: str) -> None:
        self.remembered[place] = note

    def note(self, place: Place) -> str:
        return f"note of {place.topic}"

    async def drain(self) -> None:
        self.drained += 1

    def committed(self, offsets: Mapping[Place, int]) -> None:
        self.committed_offsets.append(dict(offsets))


class Thread:
    """What the consumer asks of its thread: cuts to hand out, an assignment, commits that may be refused."""

    def __init__(self) -> None:
        self.cuts: list[dict[Place, Cut]] = []
        self.assigned = {TP(*NEWS), TP(*REVIEWS)}
        self.commits: dict[Place, OffsetAndMetadata] = {}
        self.placed: list[dict[Place, int | None]] = []
        self.earliest = 0
        self.refusing = False
        self.asked: list[set[TP]] = []
        self.before_answer: Any = lambda: None
        self.woken = 0
        self.ends: dict[Place, tuple[int, float]] = {}

    def end(self, place: Place) -> tuple[int, float] | None:
        return self.ends.get(place)

    async def getmany(self, active: set[TP], timeout: float) -> dict[Place, Cut]:  # noqa: ASYNC109
        self.asked.append(set(active))
        self.before_answer()
        return self.cuts.pop(0) if self.cuts else {}

    async def commit_with(self, offsets: Mapping[Place, int], notes: Mapping[Place, str]) -> bool:
        if not self.refusing:
            self.commits.update({place: OffsetAndMetadata(at, notes[place]) for place, at in offsets.items()})
        return not self.refusing

    async def committed(self, places: Sequence[Place]) -> dict[Place, OffsetAndMetadata]:
        return {place: self.commits[place] for place in places if place in self.commits}

    async def place_at(self, starts: Mapping[Place, int | None]) -> dict[Place, int]:
        self.placed.append(dict(starts))
        return {place: self.earliest if at is None else max(at, self.earliest) for place, at in starts.items()}

    def assignment(self) -> set[TP]:
        return self.assigned

    def look_again(self) -> None:
        self.woken += 1


@pytest.fixture
async def app() -> TocsinApp:
    role = Role()
    made = create_app(Settings(), "score", role, ["news", "reviews"], slabs_ahead=2)
    made.consumer_generation_id = 1
    consumer = made.consumer
    consumer._thread = Thread()
    consumer._set_active_tps({TP(*NEWS), TP(*REVIEWS)})
    return made


@pytest.fixture
async def consumer(app: TocsinApp) -> SlabConsumer:
    await app.consumer.perform_seek()
    return app.consumer  # type: ignore[no-any-return]


def _cut(start: int, end: int, generation: int = 1) -> Cut:
    return Cut(start, generation, end, [Raw(offset) for offset in range(start, end)])


async def _slabs(consumer: SlabConsumer) -> list[Slab]:
    return [message.value async for _, message in consumer.getmany(timeout=0.1)]


async def test_a_fetch_is_delivered_as_one_slab_per_partition(consumer: SlabConsumer) -> None:
    consumer._thread.cuts.append({NEWS: _cut(0, 10), REVIEWS: _cut(0, 3)})
    slabs = await _slabs(consumer)
    assert [(slab.place, slab.start, slab.end, len(slab)) for slab in slabs] == [(NEWS, 0, 10, 10), (REVIEWS, 0, 3, 3)]


async def test_only_finished_slabs_are_committed_with_the_roles_note(consumer: SlabConsumer) -> None:
    consumer._thread.cuts += [{NEWS: _cut(0, 10)}, {NEWS: _cut(10, 20)}]
    first, second = [*await _slabs(consumer), *await _slabs(consumer)]
    consumer.finish(second)
    assert not await consumer.commit()
    consumer.finish(first)
    assert await consumer.commit()
    assert consumer._thread.commits == {NEWS: OffsetAndMetadata(20, "note of news")}
    assert consumer.role.committed_offsets == [{NEWS: 20}]  # type: ignore[attr-defined]


async def test_a_refused_commit_is_tried_again(consumer: SlabConsumer) -> None:
    consumer._thread.cuts.append({NEWS: _cut(0, 10)})
    (slab,) = await _slabs(consumer)
    consumer.finish(slab)
    consumer._thread.refusing = True
    assert not await consumer.commit()
    consumer._thread.refusing = False
    assert await consumer.commit()
    assert consumer._thread.commits[NEWS].offset == 10


async def test_a_partition_that_is_not_ours_any_more_is_not_committed(consumer: SlabConsumer) -> None:
    consumer._thread.cuts.append({NEWS: _cut(0, 10)})
    (slab,) = await _slabs(consumer)
    consumer.finish(slab)
    consumer._thread.assigned = {TP(*REVIEWS)}
    assert not await consumer.commit()


async def test_what_was_fetched_before_a_seek_is_refused_and_fetched_again(consumer: SlabConsumer) -> None:
    consumer._thread.cuts.append({NEWS: _cut(500, 510)})
    assert await _slabs(consumer) == []
    assert consumer._thread.placed[-1] == {NEWS: 0}
    consumer._thread.cuts.append({NEWS: _cut(0, 5)})
    assert [slab.start for slab in await _slabs(consumer)] == [0]


async def test_records_that_retention_took_are_stepped_over_once(consumer: SlabConsumer) -> None:
    consumer._thread.earliest = 500
    consumer._thread.cuts += [{NEWS: _cut(500, 510)}, {NEWS: _cut(500, 510)}]
    assert await _slabs(consumer) == []
    assert [slab.start for slab in await _slabs(consumer)] == [500]


async def test_a_fetch_that_ends_in_another_generation_is_dropped(app: TocsinApp, consumer: SlabConsumer) -> None:
    consumer._thread.cuts.append({NEWS: _cut(0, 10)})
    consumer._thread.before_answer = lambda: setattr(app, "consumer_generation_id", 2)
    assert await _slabs(consumer) == []
    assert consumer.ledger.expected(NEWS) == 0


async def test_one_who_waited_through_a_rebalance_gets_what_was_fetched_after_it(
    app: TocsinApp, consumer: SlabConsumer
) -> None:
    """Thrown away for the generation in which the waiting began, it would be missing until more records came."""
    consumer.stop_flow()
    waiting = asyncio.ensure_future(_slabs(consumer))
    await asyncio.sleep(0)
    app.consumer_generation_id = 2
    await consumer.perform_seek()
    consumer._thread.cuts.append({NEWS: _cut(0, 10, generation=2)})
    consumer.resume_flow()
    assert [(slab.start, slab.generation) for slab in await asyncio.wait_for(waiting, timeout=10)] == [(0, 2)]


async def test_a_fetch_that_ends_in_a_rebalance_is_dropped(consumer: SlabConsumer) -> None:
    consumer._thread.cuts.append({NEWS: _cut(0, 10)})
    consumer._thread.before_answer = consumer.stop_flow
    assert await _slabs(consumer) == []


async def test_offsets_without_records_are_finished_at_once(consumer: SlabConsumer) -> None:
    consumer._thread.cuts += [{NEWS: Cut(0, 1, 4)}, {NEWS: _cut(4, 6)}]
    assert await _slabs(consumer) == []
    assert await consumer.commit()
    assert consumer._thread.commits[NEWS].offset == 4
    assert [slab.start for slab in await _slabs(consumer)] == [4]


async def test_a_partition_with_its_share_in_hand_is_not_fetched_from(consumer: SlabConsumer) -> None:
    consumer._thread.cuts += [{NEWS: _cut(0, 1)}, {NEWS: _cut(1, 2)}, {}, {}]
    slabs = [*await _slabs(consumer), *await _slabs(consumer)]
    await _slabs(consumer)
    assert TP(*NEWS) not in consumer._thread.asked[-1]
    assert TP(*REVIEWS) in consumer._thread.asked[-1]
    consumer.release(slabs[0])
    await _slabs(consumer)
    assert TP(*NEWS) in consumer._thread.asked[-1]
    assert consumer._thread.woken == 1


async def test_with_every_share_in_hand_it_waits_for_room_not_for_a_second(consumer: SlabConsumer) -> None:
    consumer._thread.cuts += [{NEWS: _cut(0, 1), REVIEWS: _cut(0, 1)}, {NEWS: _cut(1, 2), REVIEWS: _cut(1, 2)}]
    slabs = [*await _slabs(consumer), *await _slabs(consumer)]
    asked = len(consumer._thread.asked)
    waiting = asyncio.ensure_future(anext(aiter(consumer.getmany(timeout=60.0)), None))
    await asyncio.sleep(0)
    consumer.release(slabs[0])
    assert await asyncio.wait_for(waiting, timeout=10) is None
    assert len(consumer._thread.asked) == asked


async def test_a_slab_of_an_older_generation_releases_and_finishes_nothing(
    app: TocsinApp, consumer: SlabConsumer
) -> None:
    consumer._thread.cuts.append({NEWS: _cut(0, 10)})
    (slab,) = await _slabs(consumer)
    app.consumer_generation_id = 2
    await consumer.perform_seek()
    consumer.finish(slab)
    assert not await consumer.commit()


async def test_reading_starts_where_the_role_says_and_remembers_the_note(app: TocsinApp) -> None:
    app.consumer._thread.commits[NEWS] = OffsetAndMetadata(40, "a note")
    app.role.starts[REVIEWS] = 7  # type: ignore[attr-defined]
    await app.consumer.perform_seek()
    assert app.consumer.ledger.expected(NEWS) == 40
    assert app.consumer.ledger.expected(REVIEWS) == 7
    assert app.role.remembered == {NEWS: "a note", REVIEWS: ""}  # type: ignore[attr-defined]


async def test_a_partition_that_was_never_committed_is_read_from_its_earliest_offset(app: TocsinApp) -> None:
    """Stock Faust leaves the position where the last fetch had moved it: what was fetched would be lost."""
    app.consumer._thread.earliest = 3
    await app.consumer.perform_seek()
    assert app.consumer._thread.placed[-1] == {NEWS: None, REVIEWS: None}
    assert app.consumer.ledger.expected(NEWS) == 3


async def test_waiting_for_the_end_drains_commits_and_never_waits_for_a_dead_broker(
    consumer: SlabConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer._thread.cuts.append({NEWS: _cut(0, 10)})
    (slab,) = await _slabs(consumer)
    consumer.finish(slab)
    monkeypatch.setattr(transport, "COMMIT_SECONDS", 0.01)
    never = asyncio.Event()

    async def hang(*_: Any) -> bool:
        return await never.wait()

    consumer._thread.commit_with = hang  # type: ignore[method-assign]
    await consumer.wait_empty()
    assert consumer.role.drained == 1  # type: ignore[attr-defined]


async def test_what_was_fetched_and_never_delivered_is_lag_and_not_idle(consumer: SlabConsumer) -> None:
    consumer.resume_flow()
    consumer._thread.ends = {NEWS: (10, 0.0), REVIEWS: (0, 0.0)}
    assert consumer.lags() == {NEWS: 10, REVIEWS: 0}
    assert not consumer.idle(NEWS, 3.0)
    assert consumer.idle(REVIEWS, 3.0)


async def test_gaps_between_the_last_offsets_of_slabs_are_no_gaps(consumer: SlabConsumer) -> None:
    await consumer._add_gap(TP(*NEWS), 1, 9)
    assert not consumer._gap[TP(*NEWS)]


def test_without_the_compiled_stream_iterator_it_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faust.streams._CStreamIterator", None)
    with pytest.raises(BrokerError, match="compiled stream iterator"):
        create_app(Settings(), "score", Role(), ["news"], slabs_ahead=2)


def test_the_environment_cannot_change_what_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_ENABLED", "true")
    monkeypatch.setenv("BROKER_URL", "kafka://elsewhere:9092")
    made = create_app(Settings(), "score", Role(), ["news"], slabs_ahead=2)
    assert not made.conf.web_enabled
    assert [url.host for url in made.conf.broker_consumer] == ["localhost"]


def test_the_queue_of_a_topic_is_bounded_by_what_is_delivered() -> None:
    made = create_app(Settings(), "score", Role(), ["news"], slabs_ahead=2)
    assert slab_topic(made, ["news"], 12).maxsize == 48
    assert Settings().kafka.request_timeout_seconds > app_module.REBALANCE_SECONDS
