"""A Kafka for a demo and for tests, in this process: librdkafka's mock cluster from confluent-kafka.

Its limits, measured: every topic has four partitions and keeps the last 5 MB of each in memory, so a reader
that falls behind loses data; nothing survives the process; it listens on loopback only; a produce request is
acknowledged with a made-up timestamp; no offsets by time, no topic creation; a second group member waits
about a minute for its partitions. It is never used unless asked for by name.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from streams.errors import BrokerError
from streams.settings import Settings

PARTITIONS = 4
"""What librdkafka gives every topic of a mock cluster."""

BANNER = """\
+------------------------------------------------------------------------------+
|  EMBEDDED BROKER: in memory, in this process, for demos and tests only.      |
|  It keeps about 5 MB per partition and forgets everything at exit; a reader  |
|  that lags behind LOSES DATA. Never feed it anything you want to keep.       |
|  For real work run Apache Kafka and name it: --brokers HOST:PORT             |
+------------------------------------------------------------------------------+"""


class EmbeddedBroker:
    """Context manager around one broker; entering it gives its ``HOST:PORT``.

        with EmbeddedBroker() as servers:
            settings = on_embedded(settings, servers)

    Raises:
        BrokerError: confluent-kafka is not installed, or its mock cluster does not come up.
    """

    def __init__(self) -> None:
        self._cluster: Any = None

    def __enter__(self) -> str:
        try:
            from confluent_kafka import KafkaException, Producer
        except ImportError as exc:
            raise BrokerError(
                "the embedded broker needs confluent-kafka: pip install 'tocsin[demo]', or name a real broker "
                "with --brokers"
            ) from exc
        # The mock cluster lives as long as the client that asked for it: this reference is the broker.
        self._cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        try:
            brokers = self._cluster.list_topics(timeout=10).brokers.values()
        except KafkaException as exc:
            self._cluster = None
            raise BrokerError(f"the embedded broker does not come up: {exc}") from exc
        return ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster = None


def on_embedded(settings: Settings, servers: str) -> Settings:
    """``settings`` pointed at the embedded broker ``servers``; ``admin.create_topics`` still has to follow."""
    kafka = settings.kafka.model_copy(
        update={
            "embedded": True,
            "security_protocol": "PLAINTEXT",
            "input_partitions": PARTITIONS,
            "observation_partitions": PARTITIONS,
        }
    )
    return settings.model_copy(update={"brokers": tuple(servers.split(",")), "kafka": kafka})
