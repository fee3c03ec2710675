"""Reading whole topics with kafka-python: another client than the ones under test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

LARGEST_MESSAGE = 16 * 1024 * 1024
Place = tuple[str, int]
"""A topic and a partition of it."""


class Tail:
    """Every partition of some topics from their beginning; remembers how far it has read.

    A broker that is away is not an error here: the read ends early and the next one goes on.
    """

    def __init__(self, servers: str, topics: Sequence[str]) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=servers,
            enable_auto_commit=False,
            group_id=None,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=LARGEST_MESSAGE,
            fetch_max_bytes=4 * LARGEST_MESSAGE,
            max_poll_records=5000,
            request_timeout_ms=15_000,
            check_crcs=False,
        )
        self._topics = tuple(topics)
        self._assigned: list[TopicPartition] = []

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self) -> Iterator[Any]:
        """The records between the last read and the end of the topics as it is now, per partition in order."""
        try:
            if not self._assigned:
                self._assign()
            ends = self._consumer.end_offsets(self._assigned)
            while any(self._consumer.position(tp) < end for tp, end in ends.items()):
                for records in self._consumer.poll(timeout_ms=500).values():
                    yield from records
        except (kafka_errors.KafkaError, AssertionError):
            return

    def _assign(self) -> None:
        found = [TopicPartition(t, p) for t in self._topics for p in self._consumer.partitions_for_topic(t) or ()]
        if {tp.topic for tp in found} == set(self._topics):
            self._consumer.assign(found)
            self._consumer.seek_to_beginning(*found)
            self._assigned = found


class Groups:
    """Committed offsets and members of consumer groups."""

    def __init__(self, servers: str) -> None:
        self._admin = KafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=15_000)

    def __enter__(self) -> Groups:
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()

    def committed(self, group: str) -> dict[Place, int]:
        """The next offset that ``group`` would read, per place it has committed; empty where nobody answers."""
        try:
            found = self._admin.list_group_offsets(group).get(group, {})
        except kafka_errors.KafkaError:
            return {}
        return {(tp.topic, tp.partition): entry.offset for tp, entry in found.items() if entry.offset >= 0}

    def members(self, group: str) -> int:
        """How many members of ``group`` hold partitions, once it is stable; 0 while it is not."""
        try:
            found = self._admin.describe_groups([group])[group]
        except kafka_errors.KafkaError:
            return 0
        if found["group_state"] != "Stable":
            return 0
        return sum(1 for member in found["members"] if _holds_partitions(member))


def _holds_partitions(member: dict[str, Any]) -> bool:
    assignment = member.get("member_assignment") or {}
    if isinstance(assignment, bytes):  # a protocol the admin client cannot read: count it by its presence
        return bool(assignment)
    return bool(assignment.get("assigned_partitions", assignment))
