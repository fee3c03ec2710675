"""The agents' contract, with fakes at the Kafka edge: the order of alerts, snapshots and offsets; ticks; ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from streams.agents import Scoring, Watch, Watching
from streams.delivery.clock import SourceClock
from streams.delivery.ledger import Ledger
from streams.delivery.outputs import Output
from streams.delivery.slabs import Place, Slab
from streams.delivery.snapshots import Snapshot
from streams.delivery.watchdog import Progress
from streams.errors import DeliveryError, TopicsError
from streams.metrics import Metrics
from streams.records import Alert, Observations, Window, encode
from streams.scoring.slab import Work
from streams.settings import Settings, WatchSettings
from streams.watch.observations import tick
from streams.watch.watcher import Watcher

NEWS = Place("news", 0)
HOME = Place("tocsin.observations.v1", 1)
COUNTS = {"news": 1, "reviews": 1, "tocsin.observations.v1": 2, "tocsin.alerts.v1": 3}


class Raw(NamedTuple):
    offset: int
    value: bytes | None
    timestamp: int | None = 1_000
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


class Broker:
    """Takes outputs; ``log`` tells everything that happened in order, beside the other fakes."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.outputs: list[Output] = []
        self.refusing = False

    async def deliver(self, outputs: Iterable[Output]) -> None:
        sent = list(outputs)
        await asyncio.sleep(0)
        if self.refusing:
            raise DeliveryError("no")
        self.outputs += sent
        self.log += [f"sent to {output.topic}" for output in sent]


class Store:
    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.kept: dict[int, Snapshot] = {}

    async def save(self, snapshot: Snapshot) -> str:
        self.kept[snapshot.partition] = snapshot
        self.log.append(f"snapshot at {snapshot.offset}")
        return f"note at {snapshot.offset}"

    async def newest(self, partition: int, note: str) -> Snapshot | None:
        return self.kept.get(partition)


class LoggingLedger(Ledger):
    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log

    def finish_through(self, place: Place, offset: int) -> None:
        self.log.append(f"finished through {offset}")
        super().finish_through(place, offset)


class Consumer:
    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.ledger = LoggingLedger(log)
        self.idle_places: set[Place] = set()

    def finish(self, slab: Slab) -> None:
        self.log.append(f"finished {slab!r}")
        self.ledger.finish(slab.place, slab.end)

    def release(self, slab: Slab) -> None:
        self.log.append(f"released {slab!r}")

    def idle(self, place: Place, freshness: float) -> bool:
        return place in self.idle_places

    def lags(self) -> dict[Place, int]:
        return {}


class Stream:
    """What an agent iterates over."""

    def __init__(self, slabs: Sequence[Slab]) -> None:
        self._slabs = slabs

    def noack(self) -> Stream:
        return self

    async def __aiter__(self) -> AsyncIterator[Slab]:
        for slab in self._slabs:
            yield slab


class Scorer:
    """In place of SlabScorer: one scored record and one message per home for each slab."""

    def compute(self, slab: Slab) -> Work:
        messages = [
            Observations(slab.place.topic, slab.place.partition, slab.start, slab.end - 1, slab.start * 100, "r")
            for _ in range(2)
        ]
        work = Work([Output("scored", 0, b"k", b"v")], messages, scored=len(slab), event_ms=slab.start * 100)
        work.broker_ms = 5_000
        return work


class Ringing(Watcher):
    """A watcher that rings once for every message, so that alerts can be followed."""

    def apply(self, observations: Observations) -> list[Alert]:
        super().apply(observations)
        return [_alert(f"{observations.topic}-{observations.last}")]


def _alert(name: str) -> Alert:
    return Alert(
        name, name, 1, "r", "1", "entity:a", "firing", "warning", "s", None, Window("s", "e", 900),
        9.0, 1.0, 9.0, 1.0, 0.1, 5.0, 3.0, (),
    )  # fmt: skip


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the thing awaited is a log
            await asyncio.sleep(0.001)


class Bench:
    """Both roles around one log."""

    def __init__(self, **watch: Any) -> None:
        self.log: list[str] = []
        self.errors: list[BaseException] = []
        self.broker, self.store, self.consumer = Broker(self.log), Store(self.log), Consumer(self.log)
        self.settings = Settings(watch=WatchSettings(**watch))
        self.executor = ThreadPoolExecutor(2)
        self.metrics = Metrics.bind(CollectorRegistry())
        self.taken: list[Place] = []

    def scoring(self) -> Scoring:
        role = Scoring(
            self.settings, Scorer(), self.broker, self.executor, self.metrics, Progress("score"), COUNTS,  # type: ignore[arg-type]
            self.taken.append, self.errors.append,
        )  # fmt: skip
        role.consumer = self.consumer
        return role

    def watching(self) -> Watching:
        role = Watching(
            self.settings, self.store, self.broker, self.executor, self.metrics, Progress("watch"), COUNTS, {},  # type: ignore[arg-type]
            self.errors.append,
        )  # fmt: skip
        role.consumer = self.consumer
        return role

    async def assigned(self, role: Watching, ringing: bool = True) -> None:
        starts = await role.start_at({HOME: None})
        self.consumer.ledger.begin(HOME, starts[HOME] or 0)
        if ringing:
            watch = role._watches[HOME]
            watch.watcher = Ringing(HOME.partition, self.settings.watch, self.settings.rules, {"news": 1})


def _observations(start: int, end: int) -> Slab:
    records = [Raw(n, encode(Observations("news", 0, n, n, 1_000 * n, "r"))) for n in range(start, end)]
    return Slab(HOME, start, end, records)


def _news(start: int, end: int) -> Slab:
    return Slab(NEWS, start, end, [Raw(n, b"{}") for n in range(start, end)])


async def test_a_slab_is_finished_only_after_all_its_outputs_are_acknowledged() -> None:
    bench = Bench()
    await bench.scoring().score_documents(Stream([_news(0, 5)]))
    await _until(lambda: len(bench.log) == 4)
    assert bench.log == [
        "sent to scored", "sent to tocsin.observations.v1", "sent to tocsin.observations.v1", "finished <news-0 0..4>",
    ]  # fmt: skip


async def test_each_home_gets_its_own_message_on_its_own_partition() -> None:
    bench = Bench()
    await bench.scoring().score_documents(Stream([_news(0, 5)]))
    await _until(lambda: "finished <news-0 0..4>" in bench.log)
    assert [output.partition for output in bench.broker.outputs if "observations" in output.topic] == [0, 1]


async def test_the_event_time_of_a_source_never_goes_back() -> None:
    bench = Bench()
    role = bench.scoring()
    role.remember(NEWS, SourceClock(900, 1).note())
    await role.score_documents(Stream([_news(5, 8), _news(20, 22)]))
    await _until(lambda: "finished <news-0 20..21>" in bench.log)
    told = [
        msgspec.json.decode(output.value or b"", type=Observations).event_ms
        for output in bench.broker.outputs
        if output.partition == 0 and "observations" in output.topic
    ]
    assert told == [900, 2_000]
    assert role.note(NEWS) == SourceClock(2_000, 5_000).note()


async def test_a_refused_output_finishes_nothing_and_ends_the_process() -> None:
    bench = Bench()
    bench.broker.refusing = True
    await bench.scoring().score_documents(Stream([_news(0, 5), _news(5, 9)]))
    await _until(lambda: bool(bench.errors))
    await asyncio.sleep(0)
    assert bench.log == []
    assert [type(error) for error in bench.errors] == [DeliveryError]


async def test_metrics_tell_of_a_watched_partition_only_while_it_is_here() -> None:
    bench = Bench()
    role = bench.watching()
    await bench.assigned(role)
    await role.watch_observations(Stream([_observations(0, 3)]))
    told = partial(bench.metrics.registry.get_sample_value, "tocsin_series", {"partition": str(HOME.partition)})
    await _until(lambda: told() is not None)
    await role.start_at({})
    assert told() is None


async def test_an_idle_partition_tells_every_home_the_time_and_covers_no_offset() -> None:
    bench = Bench(idle_seconds=0.01)
    role = bench.scoring()
    role.remember(NEWS, SourceClock(1_000, 1).note())
    bench.consumer.ledger.begin(NEWS, 40)
    bench.consumer.idle_places.add(NEWS)
    ticking = asyncio.ensure_future(role.tell_the_time())
    await _until(lambda: len(bench.broker.outputs) >= 2)
    ticking.cancel()
    messages = [msgspec.json.decode(output.value or b"", type=Observations) for output in bench.broker.outputs[:2]]
    assert [output.partition for output in bench.broker.outputs[:2]] == [0, 1]
    assert {(m.first, m.last, m.items) for m in messages} == {(40, 39, ())}
    assert all(m.event_ms is not None and m.event_ms > 1_000 for m in messages)


async def test_a_partition_that_gets_work_before_its_tick_has_its_turn_sends_none() -> None:
    bench = Bench()
    role = bench.scoring()
    bench.consumer.ledger.begin(NEWS, 40)
    await role._tick(NEWS)
    assert bench.broker.outputs == []


async def test_an_assigned_partition_is_looked_up_in_the_journal() -> None:
    bench = Bench()
    bench.scoring().remember(NEWS, "")
    assert bench.taken == [NEWS]


async def test_alerts_are_acknowledged_before_the_snapshot_and_offsets_finished_after_it() -> None:
    bench = Bench(snapshot_seconds=0.000_001)
    role = bench.watching()
    await bench.assigned(role)
    bench.consumer.ledger.deliver(HOME, 0, 2)
    await role.watch_observations(Stream([_observations(0, 2)]))
    await _until(lambda: any(line.startswith("released") for line in bench.log))
    assert bench.log == [
        "sent to tocsin.alerts.v1", "sent to tocsin.alerts.v1", "snapshot at 2", "finished through 2",
        "released <tocsin.observations.v1-1 0..1>",
    ]  # fmt: skip
    assert bench.consumer.ledger.committable() == {HOME: 2}
    assert role.note(HOME) == "note at 2"


async def test_between_snapshots_nothing_becomes_committable() -> None:
    bench = Bench(snapshot_seconds=3600.0)
    role = bench.watching()
    await bench.assigned(role)
    bench.consumer.ledger.deliver(HOME, 0, 2)
    await role.watch_observations(Stream([_observations(0, 2)]))
    await _until(lambda: any(line.startswith("released") for line in bench.log))
    assert bench.consumer.ledger.committable() == {}


async def test_alerts_that_nobody_acknowledged_are_in_no_snapshot() -> None:
    bench = Bench(snapshot_seconds=0.000_001)
    role = bench.watching()
    await bench.assigned(role)
    bench.broker.refusing = True
    bench.consumer.ledger.deliver(HOME, 0, 2)
    await role.watch_observations(Stream([_observations(0, 2)]))
    await _until(lambda: bool(bench.errors))
    await role.drain()
    assert bench.store.kept == {}
    assert bench.consumer.ledger.committable() == {}


async def test_leaving_keeps_what_was_counted_for_the_successor() -> None:
    bench = Bench(snapshot_seconds=3600.0)
    role = bench.watching()
    await bench.assigned(role, ringing=False)
    bench.consumer.ledger.deliver(HOME, 0, 3)
    await role.watch_observations(Stream([_observations(0, 3)]))
    await _until(lambda: any(line.startswith("released") for line in bench.log))
    await role.drain()
    assert bench.consumer.ledger.committable() == {HOME: 3}
    successor = bench.watching()
    assert await successor.start_at({HOME: 3}) == {HOME: 3}
    assert successor._watches[HOME].watcher.snapshot() == role._watches[HOME].watcher.snapshot()


async def test_the_two_slots_are_written_in_turn() -> None:
    bench = Bench(snapshot_seconds=0.000_001)
    role = bench.watching()
    await bench.assigned(role)
    slots = []
    for n in range(3):
        bench.consumer.ledger.deliver(HOME, n, n + 1)
        await role.watch_observations(Stream([_observations(n, n + 1)]))
        await _until(lambda n=n: HOME.partition in bench.store.kept and bench.store.kept[1].offset == n + 1)  # type: ignore[misc]
        slots.append(bench.store.kept[HOME.partition].slot)
        await _until(lambda: not role._lanes.busy(HOME))
    assert slots == [0, 1, 0]


async def test_without_a_snapshot_the_log_is_read_from_its_beginning() -> None:
    bench = Bench()
    assert await bench.watching().start_at({HOME: 77}) == {HOME: None}


async def test_a_damaged_snapshot_is_dropped_and_the_log_rebuilds_the_watcher() -> None:
    bench = Bench()
    bench.store.kept[HOME.partition] = Snapshot(HOME.partition, 50, 2, b"not a snapshot")
    assert await bench.watching().start_at({HOME: 50}) == {HOME: None}


async def test_snapshots_of_another_partition_count_are_refused_with_what_to_do() -> None:
    bench = Bench()
    bench.store.kept[HOME.partition] = Snapshot(HOME.partition, 50, 8, b"")
    with pytest.raises(TopicsError, match="new --prefix"):
        await bench.watching().start_at({HOME: 50})


async def test_a_message_that_is_no_observations_is_passed_over() -> None:
    bench = Bench(snapshot_seconds=3600.0)
    role = bench.watching()
    await bench.assigned(role)
    await role.watch_observations(Stream([Slab(HOME, 0, 2, [Raw(0, b"{"), Raw(1, encode(_tick_message()))])]))
    await _until(lambda: any(line.startswith("released") for line in bench.log))
    assert [output.key for output in bench.broker.outputs] == [b"news--1"]


def _tick_message() -> Observations:
    return tick(topic="news", partition=0, next_offset=0, event_ms=None, partitions=1)[0]


def test_a_watch_takes_no_snapshot_of_what_it_has_not_sent() -> None:
    watch = Watch(Watcher(1, WatchSettings(), (), {}), applied=5)
    assert watch.take() is None
    watch.applied = 6
    watch.unsent = True
    assert watch.take() is None
    watch.unsent = False
    taken = watch.take()
    assert taken is not None
    assert taken[0] == 6
