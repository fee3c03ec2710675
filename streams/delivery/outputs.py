"""Acknowledged sends: nothing counts as sent before the broker has said so for every record of it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import aiokafka
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from streams import logs
from streams.errors import DeliveryError

log = logs.get(__name__)

BATCH_BYTES = 900_000
"""Below the 1 MB that a broker takes unless told otherwise; a larger single record goes alone."""
LARGEST_RECORD_BYTES = 16 * 1024 * 1024


class Output(NamedTuple):
    """One record to be sent. ``partition`` is explicit: order per partition is part of the promise."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def partition_by_key(key: bytes, count: int) -> int:
    """The partition of ``count`` that Kafka's own clients give a record with ``key``: murmur2, sign bit off."""
    return int((murmur2(key) & 0x7FFFFFFF) % count)


class Outputs:
    """An idempotent producer that waits for every acknowledgement.

    ``connection`` are aiokafka's options. Used from one event loop.
    """

    def __init__(self, connection: Mapping[str, Any], *, delivery_seconds: float = 120.0) -> None:
        # aiokafka uses one time-out for a request and for the life of a batch, so the longer one is given.
        self._options = {**connection, "request_timeout_ms": int(delivery_seconds * 1000)}
        self._seconds = delivery_seconds
        self._producer: aiokafka.AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Connect.

        Raises:
            DeliveryError: no broker answers.
        """
        async with self._starting:
            if self._producer is None:
                self._producer = await self._connect()

    async def _connect(self) -> aiokafka.AIOKafkaProducer:
        producer = aiokafka.AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=LARGEST_RECORD_BYTES,
        )
        try:
            await producer.start()
        except KafkaError as exc:
            await producer.stop()
            raise DeliveryError(f"cannot connect to produce: {exc}; is the broker up?") from exc
        return producer

    async def stop(self) -> None:
        """Disconnect. What was not acknowledged is not waited for: its slab is read again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), timeout=5.0)
            except TimeoutError:
                log.warning("the producer did not stop in time")

    async def partitions(self, topic: str) -> int:
        """How many partitions ``topic`` has."""
        return len(await self._running().partitions_for(topic))

    async def deliver(self, outputs: Iterable[Output]) -> None:
        """Send ``outputs``, in order within each partition, and wait until all are acknowledged.

        Raises:
            DeliveryError: at least one was not, within ``delivery_seconds`` or for good. The others may be.
        """
        by_partition: dict[tuple[str, int], list[Output]] = defaultdict(list)
        topic, partition, group = "", -1, list[Output]()
        for output in outputs:
            if output.partition != partition or output.topic != topic:  # runs of one partition are the rule
                topic, partition = output.topic, output.partition
                group = by_partition[topic, partition]
            group.append(output)
        if not by_partition:
            return
        sends = [asyncio.ensure_future(self._send_all(*place, sent)) for place, sent in by_partition.items()]
        # wait, not wait_for or gather: those would cancel sends that are on their way.
        done, pending = await asyncio.wait(sends, timeout=self._seconds)
        failed = [send.exception() for send in done if send.exception() is not None]
        if failed:
            raise DeliveryError(f"{len(failed)} of {len(sends)} partitions refused their records: {failed[0]!r}")
        if pending:
            raise DeliveryError(
                f"{len(pending)} of {len(sends)} partitions did not acknowledge within {self._seconds:g} s"
            )

    async def deliver_one(self, output: Output) -> int:
        """Send one record, wait for its acknowledgement and say at which offset it lies.

        Raises:
            DeliveryError: it was not acknowledged.
        """
        producer = self._running()
        topic, partition, key, value, headers = output
        try:
            acknowledgement = await producer.send(topic, value, key, partition, headers=list(headers))
            done, _ = await asyncio.wait({acknowledgement}, timeout=self._seconds)
            if not done:
                raise DeliveryError(f"{topic}-{partition} did not acknowledge within {self._seconds:g} s")
            return int(acknowledgement.result().offset)
        except KafkaError as exc:
            raise DeliveryError(f"{topic}-{partition} refused a record: {exc!r}") from exc

    async def _send_all(self, topic: str, partition: int, outputs: list[Output]) -> None:
        producer = self._running()
        acknowledgements = []
        _, _, key, value, headers = outputs[0]
        if len(outputs) == 1 and not (key is None and value is None):
            # One record may share a batch with those of other slabs: fewer requests. (aiokafka's send refuses
            # a record with neither key nor value, which Kafka takes.)
            acknowledgements.append(await producer.send(topic, value, key, partition, headers=list(headers)))
        else:
            batch = producer.create_batch()
            for _, _, key, value, headers in outputs:
                if batch.append(key=key, value=value, timestamp=None, headers=list(headers)) is None:
                    acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None, headers=list(headers))
            acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
        for acknowledgement in acknowledgements:
            await acknowledgement

    def _running(self) -> aiokafka.AIOKafkaProducer:
        if self._producer is None:
            raise DeliveryError("the producer is not running")
        return self._producer
