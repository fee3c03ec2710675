"""Outputs count as sent only when every record is acknowledged. A hand-written producer stands for the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import RecordMetadata, TopicPartition

from streams.delivery.outputs import BATCH_BYTES, Output, Outputs
from streams.errors import DeliveryError


class Batch:
    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.bytes = 0

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes, headers: Sequence[Any]) -> object:
        assert isinstance(headers, list), "aiokafka's compiled builder takes nothing else"
        if self.values and self.bytes + len(value) > BATCH_BYTES:
            return None
        self.values.append(value)
        self.bytes += len(value or b"")
        return object()


class Broker:
    """Acknowledges what it is told to; ``log`` holds the values of each partition in order of arrival."""

    def __init__(self) -> None:
        self.log: dict[tuple[str, int], list[bytes]] = {}
        self.batches: list[int] = []
        self.refusing: set[tuple[str, int]] = set()
        self.silent: set[tuple[str, int]] = set()

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[RecordMetadata]:
        self.batches.append(len(batch.values))
        return self._take(topic, partition, batch.values)

    async def send(
        self, topic: str, value: bytes, key: bytes | None, partition: int, headers: Sequence[Any] = ()
    ) -> asyncio.Future[RecordMetadata]:
        return self._take(topic, partition, [value])

    def _take(self, topic: str, partition: int, values: list[bytes]) -> asyncio.Future[RecordMetadata]:
        acknowledgement: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        if (topic, partition) in self.refusing:
            acknowledgement.set_exception(KafkaTimeoutError())
        elif (topic, partition) not in self.silent:
            log = self.log.setdefault((topic, partition), [])
            place = TopicPartition(topic, partition)
            acknowledgement.set_result(RecordMetadata(topic, partition, place, len(log), -1, 0, 0))
            log.extend(values)
        return acknowledgement


@pytest.fixture
def broker() -> Broker:
    return Broker()


async def _outputs(broker: Broker, delivery_seconds: float = 10.0) -> Outputs:
    outputs = Outputs({}, delivery_seconds=delivery_seconds)
    outputs._producer = broker
    return outputs


def _records(topic: str, partition: int, values: Sequence[bytes]) -> list[Output]:
    return [Output(topic, partition, None, value) for value in values]


async def test_records_keep_their_order_within_a_partition(broker: Broker) -> None:
    outputs = await _outputs(broker)
    values = [b"%d" % n for n in range(50)]
    mixed = [output for value in values for output in (*_records("a", 0, [value]), *_records("b", 3, [value]))]
    await outputs.deliver(mixed)
    assert broker.log == {("a", 0): values, ("b", 3): values}


async def test_a_partition_that_refuses_fails_the_delivery(broker: Broker) -> None:
    broker.refusing.add(("a", 1))
    outputs = await _outputs(broker)
    with pytest.raises(DeliveryError, match="1 of 2 partitions"):
        await outputs.deliver([*_records("a", 0, [b"x"]), *_records("a", 1, [b"y", b"z"])])
    assert broker.log == {("a", 0): [b"x"]}


async def test_silence_is_no_acknowledgement(broker: Broker) -> None:
    broker.silent.add(("a", 0))
    outputs = await _outputs(broker, delivery_seconds=0.01)
    with pytest.raises(DeliveryError, match="did not acknowledge"):
        await outputs.deliver(_records("a", 0, [b"x", b"y"]))


async def test_a_slab_larger_than_a_batch_goes_in_several_and_none_is_left_out(broker: Broker) -> None:
    outputs = await _outputs(broker)
    values = [bytes([n]) * 200_000 for n in range(10)]
    await outputs.deliver(_records("a", 0, values))
    assert broker.log["a", 0] == values
    assert sum(broker.batches) == 10
    assert len(broker.batches) == 3


async def test_one_refused_batch_of_several_fails_the_delivery(broker: Broker) -> None:
    outputs = await _outputs(broker)
    take, calls = broker._take, []

    def refuse_the_second(topic: str, partition: int, values: list[bytes]) -> asyncio.Future[RecordMetadata]:
        calls.append(1)
        broker.refusing = {("a", 0)} if len(calls) == 2 else set()
        return take(topic, partition, values)

    broker._take = refuse_the_second  # type: ignore[method-assign]
    with pytest.raises(DeliveryError):
        await outputs.deliver(_records("a", 0, [b"x" * 500_000, b"y" * 500_000, b"z" * 500_000]))


async def test_one_record_tells_where_it_lies(broker: Broker) -> None:
    outputs = await _outputs(broker)
    await outputs.deliver(_records("state", 2, [b"a", b"b"]))
    assert await outputs.deliver_one(Output("state", 2, b"k", b"c")) == 2


async def test_nothing_to_send_is_no_send(broker: Broker) -> None:
    await (await _outputs(broker)).deliver([])
    assert broker.log == {}


async def test_a_producer_that_is_not_running_is_an_error_not_a_loss() -> None:
    with pytest.raises(DeliveryError):
        await Outputs({}).deliver(_records("a", 0, [b"x"]))


async def test_a_record_with_neither_key_nor_value_is_sent_as_a_batch(broker: Broker) -> None:
    """aiokafka's ``send`` refuses what Kafka takes; a tombstone without a key must still be dead-lettered."""
    outputs = await _outputs(broker)
    await outputs.deliver([Output("dlq", 0, None, None, [("h", b"1")])])
    assert broker.batches == [1]
