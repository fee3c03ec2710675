"""Reading whole topics with kafka-python: another client than the ones under test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

LARGEST_MESSAGE = 16 * 1024 * 1024
STUCK_SECONDS = 20.0
"""A client that knows of records and brings none for so long is not waited for any more."""
ATTEMPTS = 5
Place = tuple[str, int]
"""A topic and a partition of it."""


class Tail:
    """Every partition of some topics from their beginning; remembers how far it has read.

    A broker that is away is not an error here: the read ends early and the next one goes on. So does one whose
    client got stuck, as kafka-python's now and then does when a broker comes back: another takes its place.
    ``whole`` says whether the last read came to the end.
    """

    def __init__(self, servers: str, topics: Sequence[str]) -> None:
        self._servers = servers
        self._topics = tuple(topics)
        self._read_to: dict[TopicPartition, int] = {}
        self.whole = False
        self._consumer: Any = self._connect()

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def read(self) -> Iterator[Any]:
        """The records between the last read and the end of the topics as it is now, per partition in order."""
        self.whole = False
        try:
            if self._consumer is None:
                self._consumer = self._connect()
            if not self._read_to:
                self._assign()
            ends = self._consumer.end_offsets(list(self._read_to))
            heard = time.monotonic()
            while any(self._consumer.position(tp) < end for tp, end in ends.items()):
                polled = self._consumer.poll(timeout_ms=500)
                for tp, records in polled.items():
                    for record in records:
                        self._read_to[tp] = record.offset + 1
                        yield record
                if polled:
                    heard = time.monotonic()  # only now: who takes the records may take his time
                elif time.monotonic() - heard > STUCK_SECONDS:
                    raise kafka_errors.KafkaTimeoutError(f"nothing came for {STUCK_SECONDS:.0f} s")
            self.whole = bool(ends)
        except (kafka_errors.KafkaError, AssertionError):
            if self._consumer is not None:
                self._consumer.close()
            self._consumer = None

    def read_whole(self) -> Iterator[Any]:
        """As :meth:`read`, and goes on where a read ended early.

        Raises:
            AssertionError: several reads in a row did not come to the end.
        """
        for _ in range(ATTEMPTS):
            yield from self.read()
            if self.whole:
                return
        raise AssertionError(f"{', '.join(self._topics)} could not be read to the end")

    def _connect(self) -> Any:
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers,
            enable_auto_commit=False,
            group_id=None,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=LARGEST_MESSAGE,
            fetch_max_bytes=4 * LARGEST_MESSAGE,
            max_poll_records=5000,
            request_timeout_ms=15_000,
            check_crcs=False,
        )
        self._place(consumer)
        return consumer

    def _assign(self) -> None:
        found = [TopicPartition(t, p) for t in self._topics for p in self._consumer.partitions_for_topic(t) or ()]
        if {tp.topic for tp in found} == set(self._topics):
            self._read_to = dict.fromkeys(found, 0)
            self._place(self._consumer)

    def _place(self, consumer: Any) -> None:
        if self._read_to:
            consumer.assign(list(self._read_to))
            for tp, offset in self._read_to.items():
                consumer.seek(tp, offset)


class Groups:
    """Committed offsets and members of consumer groups. Where nobody answers, the next call asks anew."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._admin: Any = None

    def __enter__(self) -> Groups:
        return self

    def __exit__(self, *_: object) -> None:
        if self._admin is not None:
            self._admin.close()
        self._admin = None

    def committed(self, group: str) -> dict[Place, int]:
        """The next offset that ``group`` would read, per place it has committed; empty where nobody answers."""
        found = self._ask(lambda admin: admin.list_group_offsets(group).get(group, {})) or {}
        return {(tp.topic, tp.partition): entry.offset for tp, entry in found.items() if entry.offset >= 0}

    def members(self, group: str) -> int:
        """How many members of ``group`` hold partitions, once it is stable; 0 while it is not."""
        found = self._ask(lambda admin: admin.describe_groups([group])[group])
        if found is None or found["group_state"] != "Stable":
            return 0
        return sum(1 for member in found["members"] if _holds_partitions(member))

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        try:
            if self._admin is None:
                self._admin = KafkaAdminClient(bootstrap_servers=self._servers, request_timeout_ms=15_000)
            return question(self._admin)
        except kafka_errors.KafkaError:
            self.__exit__()
            return None


def _holds_partitions(member: dict[str, Any]) -> bool:
    assignment = member.get("member_assignment") or {}
    if isinstance(assignment, bytes):  # a protocol the admin client cannot read: count it by its presence
        return bool(assignment)
    return bool(assignment.get("assigned_partitions", assignment))
