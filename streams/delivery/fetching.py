"""The thread in which aiokafka fetches, commits and heartbeats, cutting what it fetched into slabs.

Private methods of faust-streaming 0.15.3 and aiokafka 0.14.0 are overridden here: both are pinned.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiokafka
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    IllegalStateError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams import logs
from streams.delivery.slabs import Place, Record
from streams.errors import BrokerError

log = logs.get(__name__)


@dataclass(frozen=True)
class Fetching:
    """How slabs are cut and how the group behaves. Times in seconds; ``connection`` are aiokafka's options."""

    connection: Mapping[str, Any]
    slab_records: int = 512
    slab_bytes: int = 1_048_576
    slabs_ahead: int = 2
    session_seconds: float = 20.0
    heartbeat_seconds: float = 3.0
    rebalance_seconds: float = 30.0
    instance: str | None = None
    """Static membership: a restart within the session keeps its partitions."""


@dataclass
class Cut:
    """What the consumer's thread took of one partition, before it becomes a slab.

    ``generation`` is the group's when it was taken: that of whoever asked may be older, if partitions moved while
    it waited, and then the cut would be thrown away although it belongs to the new one.
    """

    start: int
    generation: int
    end: int = 0
    records: list[Record] = field(default_factory=list)


class Fetcher(Protocol):
    """What of the consumer its thread asks."""

    fetching: Fetching
    flow_active: bool


class WholeAssignor(RoundRobinPartitionAssignor):  # type: ignore[misc]
    """Round robin that refuses to leave a topic out.

    After a broker was killed its metadata can lack a topic for a moment. aiokafka's assignor then assigns nothing
    of it, and the group stays stable, with nothing to read, for ever. Raising ends the process instead: it joins
    again with whole metadata.
    """

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> Any:
        """The assignment of every member.

        Raises:
            UnknownTopicOrPartitionError: the metadata lack a topic that a member subscribes to.
        """
        topics = {topic for member in members.values() for topic in member.subscription}
        unknown = sorted(topic for topic in topics if not cluster.partitions_for_topic(topic))
        if unknown:
            raise UnknownTopicOrPartitionError(f"no metadata for {', '.join(unknown)} while partitions are assigned")
        return super().assign(cluster, members)


class SlabThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread in which aiokafka fetches, commits and heartbeats."""

    logger = logging.getLogger("mode.tocsin")

    consumer: Fetcher

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        fetching = self.consumer.fetching
        self._assignor = WholeAssignor
        self._more = asyncio.Event()
        return aiokafka.AIOKafkaConsumer(
            **fetching.connection,
            group_id=self.app.conf.id,
            group_instance_id=fetching.instance,
            partition_assignment_strategy=[WholeAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=500,
            max_partition_fetch_bytes=max(1_048_576, fetching.slab_bytes),
            max_poll_interval_ms=300_000,
            session_timeout_ms=int(fetching.session_seconds * 1000),
            heartbeat_interval_ms=int(fetching.heartbeat_seconds * 1000),
            rebalance_timeout_ms=int(fetching.rebalance_seconds * 1000),
        )

    def look_again(self) -> None:
        """From any thread: a partition that was left out of the running fetch has room again."""
        self.thread_loop.call_soon_threadsafe(self._more.set)

    async def _fetch_records(
        self,
        consumer: Any,
        active: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> dict[Place, Cut]:
        """At most one cut of each active partition; waits up to ``timeout`` seconds for the first.

        A fetch ends with the generation it began in: where partitions moved, nobody may be waiting for it any more,
        and a cut that it took of the next generation's partitions would be missing there, unnoticed until more
        records came.
        """
        fetcher = consumer._fetcher
        deadline = time.monotonic() + (timeout or 0.0)
        generation = self.app.consumer_generation_id
        with fetcher._subscriptions.fetch_context():
            while self.consumer.flow_active and generation == self.app.consumer_generation_id:
                if consumer._closed or fetcher._closed:
                    raise ConsumerStoppedError
                if fetcher._subscriptions.reassignment_in_progress:
                    await fetcher._subscriptions.wait_for_assignment()
                self._more.clear()
                cuts = {place: cut for place in self._waiting(fetcher, active) if (cut := self._cut(fetcher, place))}
                if cuts or time.monotonic() >= deadline:
                    return cuts
                await self._wait_for_records(fetcher, deadline - time.monotonic())
        return {}

    def _waiting(self, fetcher: Any, active: set[TP]) -> list[Any]:
        for place in [place for place in fetcher._records if not fetcher._subscriptions.is_assigned(place)]:
            del fetcher._records[place]
        return [place for place in fetcher._records if place in active]

    async def _wait_for_records(self, fetcher: Any, seconds: float) -> None:
        arrival = fetcher._create_fetch_waiter()
        room = asyncio.ensure_future(self._more.wait())
        done, pending = await asyncio.wait({arrival, room}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiter in pending:
            waiter.cancel()
        if arrival in done:
            arrival.result()  # an authorisation error shows here

    def _cut(self, fetcher: Any, place: Any) -> Cut | None:
        result = fetcher._records[place]
        if not isinstance(result, FetchResult):
            del fetcher._records[place]
            fetcher._notify(fetcher._wait_consume_future)
            result.check_raise()
            return None
        if not (result.has_more() and result.check_assignment(place)):
            del fetcher._records[place]
            fetcher._notify(fetcher._wait_consume_future)
            return None
        batch = result._partition_records
        batch._consumer_record = _as_parsed
        # The cut starts where the previous one ended, even where the next record is further on.
        cut = Cut(result._assignment.state_value(place).position, self.app.consumer_generation_id)
        if self._take(batch, cut, place):
            result._partition_records = None
            del fetcher._records[place]
            fetcher._notify(fetcher._wait_consume_future)
        cut.end = batch.next_fetch_offset
        result._assignment.state_value(place).consumed_to(cut.end)
        return cut

    def _take(self, batch: Any, cut: Cut, place: Any) -> bool:
        """Fill ``cut`` from ``batch`` up to its bounds; whether nothing more is to be had of the batch.

        Raises:
            BrokerError: the next record is one that the client cannot read.
        """
        size, fetching = 0, self.consumer.fetching
        try:
            for record in batch:
                cut.records.append(record)
                size += len(record.value or b"") + len(record.key or b"")
                if len(cut.records) >= fetching.slab_records or size >= fetching.slab_bytes:
                    return False
        except (UnicodeDecodeError, CorruptRecordException) as exc:
            if cut.records:
                return True  # what could be read goes first; the next fetch begins with the one that cannot
            at = batch.next_fetch_offset
            raise BrokerError(
                f"{place.topic}-{place.partition} offset {at} cannot be read by a Kafka client, so it can be neither "
                f"scored nor dead-lettered: {exc!r}. Look at it with kafka-dump-log.sh, then step over it while no "
                f"worker runs: kafka-consumer-groups.sh --group {self.app.conf.id} --topic "
                f"{place.topic}:{place.partition} --reset-offsets --to-offset {at + 1} --execute"
            ) from exc
        return True

    async def commit_with(self, offsets: Mapping[Place, int], notes: Mapping[Place, str]) -> bool:
        """Commit ``offsets`` with their metadata; False where the group has rebalanced meanwhile."""
        return bool(await self.call_thread(self._commit, {p: (o, notes.get(p, "")) for p, o in offsets.items()}))

    async def _commit(self, offsets: Mapping[Any, Any]) -> bool:
        assigned = self.assignment()
        try:
            await self._ensure_consumer().commit(
                {TopicPartition(*p): OffsetAndMetadata(*pair) for p, pair in offsets.items() if p in assigned}
            )
        except (driver.CommitFailedError, IllegalStateError) as exc:
            log.info("commit refused, the group has rebalanced", reason=str(exc)[:120])
            return False
        return True

    async def committed(self, places: Iterable[Place]) -> dict[Place, OffsetAndMetadata]:
        """What the group has committed for ``places``; those without a commit are left out."""
        found = await self.call_thread(
            self._ensure_consumer()._coordinator.fetch_committed_offsets, [TopicPartition(*p) for p in places]
        )
        return {Place(*p): commit for p, commit in found.items() if commit.offset >= 0}

    async def place_at(self, starts: Mapping[Place, int | None]) -> dict[Place, int]:
        """Seek each partition to its start (``None``: the earliest) and say where it stands now.

        A start that the broker no longer has, or does not have yet, becomes the earliest: both are logged.
        """
        return dict(await self.call_thread(self._place_at, starts))

    async def _place_at(self, starts: Mapping[Place, int | None]) -> dict[Place, int]:
        consumer = self._ensure_consumer()
        partitions = [TopicPartition(*place) for place in starts]
        beginnings = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        placed = {}
        for place, start in starts.items():
            first, end = beginnings[TopicPartition(*place)], ends[TopicPartition(*place)]
            at = first if start is None or not first <= start <= end else start
            if start is not None and at != start:
                log.error(
                    "the offset to read on from is gone, reading from the earliest",
                    topic=place.topic, partition=place.partition, wanted=start, earliest=first, end=end,
                )  # fmt: skip
            consumer.seek(TopicPartition(*place), at)
            placed[place] = at
        return placed

    def end(self, place: Place) -> tuple[int, float] | None:
        """The offset at which ``place`` ends for its readers, and the age in seconds of that knowledge."""
        consumer = self._consumer
        assignment = consumer and consumer._subscription.subscription and consumer._subscription.subscription.assignment
        if not assignment or TopicPartition(*place) not in assignment.tps:
            return None
        state = assignment.state_value(TopicPartition(*place))
        if state.highwater is None or not state.has_valid_position or not state.timestamp:
            return None
        end = state.lso if state.lso is not None and state.lso >= 0 else state.highwater
        # aiokafka stamps with the wall clock; one that was set back tells nothing fresh.
        age = time.time() - state.timestamp / 1000
        return end, age if age >= -1.0 else float("inf")

    def rejoining(self) -> bool:
        """Whether the member waits to join its group again; False before it first joined."""
        coordinator = None if self._consumer is None else self._consumer._coordinator
        return coordinator is not None and bool(coordinator._rejoin_needed_fut.done())


def _as_parsed(_: Any, record: Record) -> Record:
    return record
