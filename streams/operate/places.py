"""Where a store of one's own says that reading goes on: every partition of some topics, without a group's say."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kafka import KafkaConsumer, TopicPartition

from streams import logs
from streams.errors import BrokerError
from streams.operate.admin import admin_client
from streams.settings import Settings

log = logs.get(__name__)


class Places:
    """The partitions of those of ``topics`` that exist, by ``counts``, and the name of the ``cluster`` they lie on.

    Raises:
        BrokerError: the cluster cannot be reached or refuses.
    """

    def __init__(self, settings: Settings, topics: Iterable[str]) -> None:
        wanted = frozenset(topics)
        with admin_client(settings, "looking at the cluster") as client:
            self.cluster: str = client.describe_cluster()["cluster_id"] or "unnamed"
            self.counts: dict[str, int] = {
                topic["name"]: len(topic["partitions"])
                for topic in client.describe_topics()
                if topic["name"] in wanted and topic["error_code"] == 0
            }
        self.all = [TopicPartition(name, number) for name, count in self.counts.items() for number in range(count)]

    def begin(
        self, consumer: KafkaConsumer, known: Callable[[TopicPartition], int | None], store: str
    ) -> dict[TopicPartition, int]:
        """Let ``consumer`` read each partition from its ``known`` offset, and say from which.

        At the beginning where none is known, or one beyond the topic's end: ``store`` is of another topic then.
        """
        consumer.assign(self.all)
        begins, ends = consumer.beginning_offsets(self.all), consumer.end_offsets(self.all)
        first: dict[TopicPartition, int] = {}
        for place in self.all:
            at = known(place)
            if at is not None and at > ends[place]:
                log.warning(f"topic ends before the {store}, reading it anew", **place._asdict())
                at = None
            first[place] = begins[place] if at is None else max(at, begins[place])
            consumer.seek(place, first[place])
        return first

    def refuse_growth(self, consumer: KafkaConsumer) -> None:
        """Look whether ``consumer`` sees more partitions than it reads.

        Raises:
            BrokerError: a topic has more partitions than at the start; a restart reads them all.
        """
        for topic, count in self.counts.items():
            now = len(consumer.partitions_for_topic(topic) or ())
            if now > count:
                raise BrokerError(f"{topic} has grown from {count} to {now} partitions; restarting")
