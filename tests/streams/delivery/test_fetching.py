"""Slabs are cut from real record batches: bounded, in order, one after the other, offsets without records included."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.delivery.fetching import Fetching, SlabThread
from streams.delivery.slabs import Place
from streams.errors import BrokerError

NEWS = TopicPartition("news", 0)


class State:
    """What aiokafka keeps of one partition."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.paused = False
        self.has_valid_position = True
        self.highwater: int | None = 100
        self.lso: int | None = 100
        self.timestamp = int(time.time() * 1000)

    def consumed_to(self, position: int) -> None:
        self.position = position


class Fetcher:
    """aiokafka's fetcher as far as the cutting touches it."""

    def __init__(self) -> None:
        self._records: dict[Any, Any] = {}
        self._closed = False
        self._wait_consume_future = None
        self.asked_for_more = 0
        self._subscriptions = SimpleNamespace(
            is_assigned=lambda place: place == NEWS, reassignment_in_progress=False, fetch_context=_Context
        )
        self.arrival: asyncio.Future[None] | None = None

    def _notify(self, future: Any) -> None:
        self.asked_for_more += 1

    def _create_fetch_waiter(self) -> asyncio.Future[None]:
        self.arrival = asyncio.get_running_loop().create_future()
        return self.arrival


class _Context:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _batch(start: int, count: int, size: int = 10) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=10_000_000,
    )  # fmt: skip
    for n in range(count):
        builder.append(n, timestamp=1_000 + n, key=b"k%d" % n, value=b"v" * size, headers=[("h", b"1")])
    data = bytearray(builder.build())
    data[0:8] = start.to_bytes(8, "big")  # the broker writes the base offset
    return bytes(data)


def _fetched(fetcher: Fetcher, position: int, *batches: bytes) -> State:
    state = State(position)
    assignment = SimpleNamespace(active=True, state_value=lambda place: state, tps={NEWS})
    records = PartitionRecords(NEWS, MemoryRecords(b"".join(batches)), [], position, None, None, True, 1)
    fetcher._records[NEWS] = FetchResult(NEWS, assignment=assignment, partition_records=records, backoff=0.1)
    return state


def _thread(**bounds: int) -> SlabThread:
    thread = SlabThread.__new__(SlabThread)
    thread.consumer = SimpleNamespace(fetching=Fetching({}, **bounds), flow_active=True)
    thread.app = SimpleNamespace(consumer_generation_id=1, conf=SimpleNamespace(id="tocsin-score"))
    thread._more = asyncio.Event()
    return thread


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher()


async def _fetch(thread: SlabThread, fetcher: Fetcher, seconds: float = 0.0) -> dict[Place, Any]:
    consumer = SimpleNamespace(_fetcher=fetcher, _closed=False)
    return await thread._fetch_records(consumer, {TP("news", 0)}, timeout=seconds)


async def test_cuts_follow_one_another_without_a_gap(fetcher: Fetcher) -> None:
    _fetched(fetcher, 0, _batch(0, 10), _batch(10, 5))
    thread = _thread(slab_records=4)
    cuts = []
    while fetcher._records:
        cuts += (await _fetch(thread, fetcher)).values()
    assert [(cut.start, cut.end) for cut in cuts if cut.records] == [(0, 4), (4, 8), (8, 12), (12, 15)]
    assert [record.offset for cut in cuts for record in cut.records] == list(range(15))
    assert fetcher.asked_for_more == 1


async def test_records_come_as_they_were_parsed(fetcher: Fetcher) -> None:
    _fetched(fetcher, 0, _batch(0, 1))
    ((record,),) = [cut.records for cut in (await _fetch(_thread(), fetcher)).values()]
    assert (record.offset, record.timestamp, record.key, record.value) == (0, 1_000, b"k0", b"v" * 10)
    assert list(record.headers) == [("h", b"1")]


async def test_a_cut_is_bounded_by_bytes(fetcher: Fetcher) -> None:
    _fetched(fetcher, 0, _batch(0, 10, size=1_000))
    (cut,) = (await _fetch(_thread(slab_bytes=3_000), fetcher)).values()
    assert len(cut.records) == 3


async def test_a_record_larger_than_the_bound_still_comes(fetcher: Fetcher) -> None:
    _fetched(fetcher, 0, _batch(0, 2, size=5_000))
    (cut,) = (await _fetch(_thread(slab_bytes=1_024), fetcher)).values()
    assert len(cut.records) == 1


async def test_offsets_that_compaction_took_belong_to_the_cut_that_spans_them(fetcher: Fetcher) -> None:
    _fetched(fetcher, 3, _batch(7, 2), _batch(20, 1))
    (cut,) = (await _fetch(_thread(), fetcher)).values()
    assert (cut.start, cut.end) == (3, 21)
    assert [record.offset for record in cut.records] == [7, 8, 20]


async def test_what_was_fetched_for_another_position_is_thrown_away(fetcher: Fetcher) -> None:
    state = _fetched(fetcher, 0, _batch(0, 5))
    state.position = 50  # a seek came between
    assert await _fetch(_thread(), fetcher) == {}
    assert fetcher._records == {}


async def test_what_precedes_an_unreadable_record_comes_and_then_it_is_named(fetcher: Fetcher) -> None:
    """A header's name that is not UTF-8: no client for Python reads such a record, nor those behind it."""
    nameless = bytearray(_batch(11, 3).replace(b"h", b"\xff"))
    nameless[17:21] = calc_crc32c(nameless[21:]).to_bytes(4, "big")
    damaged = _batch(10, 1) + bytes(nameless)
    _fetched(fetcher, 10, damaged)
    thread = _thread()
    cut = (await _fetch(thread, fetcher))[Place("news", 0)]
    assert (cut.start, cut.end, len(cut.records)) == (10, 11, 1)
    _fetched(fetcher, cut.end, damaged)
    with pytest.raises(BrokerError, match=r"news-0 offset 11 cannot be read.*Unicode.*--to-offset 12"):
        await _fetch(thread, fetcher)


async def test_a_partition_without_room_keeps_its_records(fetcher: Fetcher) -> None:
    _fetched(fetcher, 0, _batch(0, 5))
    consumer = SimpleNamespace(_fetcher=fetcher, _closed=False)
    assert await _thread()._fetch_records(consumer, set(), timeout=0.0) == {}
    assert NEWS in fetcher._records


async def test_room_ends_the_wait_for_other_partitions(fetcher: Fetcher) -> None:
    thread, active = _thread(), set[TP]()
    consumer = SimpleNamespace(_fetcher=fetcher, _closed=False)
    _fetched(fetcher, 0, _batch(0, 5))
    waiting = asyncio.ensure_future(thread._fetch_records(consumer, active, timeout=60.0))
    await asyncio.sleep(0)
    active.add(TP("news", 0))
    thread._more.set()
    cuts = await asyncio.wait_for(waiting, timeout=10)
    assert [len(cut.records) for cut in cuts.values()] == [5]


async def test_a_rebalance_ends_the_fetch(fetcher: Fetcher) -> None:
    _fetched(fetcher, 0, _batch(0, 5))
    thread = _thread()
    thread.consumer.flow_active = False
    assert await _fetch(thread, fetcher) == {}


async def test_a_fetch_that_outlives_its_generation_takes_nothing_of_the_next(fetcher: Fetcher) -> None:
    """The flow is stopped and resumed while it waits: its reader is gone, and what it took would be missing."""
    thread = _thread()
    waiting = asyncio.ensure_future(_fetch(thread, fetcher, seconds=60.0))
    await asyncio.sleep(0)
    assert fetcher.arrival is not None
    thread.app.consumer_generation_id = 2
    state = _fetched(fetcher, 0, _batch(0, 5))
    fetcher.arrival.set_result(None)
    assert await asyncio.wait_for(waiting, timeout=10) == {}
    assert state.position == 0
    assert [len(cut.records) for cut in (await _fetch(thread, fetcher)).values()] == [5]


def _end_of(state: State) -> tuple[int, float] | None:
    thread = SlabThread.__new__(SlabThread)
    assignment = SimpleNamespace(tps={NEWS}, state_value=lambda place: state)
    subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
    thread._consumer = SimpleNamespace(_subscription=subscription)
    return thread.end(Place("news", 0))


def test_the_end_is_that_of_the_last_committed_transaction() -> None:
    state = State(90)
    state.highwater, state.lso = 100, 95
    found = _end_of(state)
    assert found is not None
    assert found[0] == 95
    assert found[1] < 60


def test_a_clock_that_was_set_back_knows_nothing_fresh() -> None:
    state = State(100)
    state.timestamp = int(time.time() * 1000) + 3_600_000
    found = _end_of(state)
    assert found is not None
    assert found[1] == float("inf")


def test_a_partition_that_was_never_fetched_has_no_end_to_speak_of() -> None:
    state = State(100)
    state.highwater = None
    assert _end_of(state) is None
