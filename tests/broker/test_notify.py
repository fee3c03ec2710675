"""The notifier on a real Kafka, killed in the middle of sending: at most one repeat per kill, nothing missed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from deploy.kafka.kafka import KafkaNode
from streams.records import Alert, encode
from tests.broker.fleet import Verb, toml
from tests.streams.notify.receiving import Server, receiving, transition

PARTITIONS = 3
KILLS = 8


class Notifier(Verb):
    """A notifier as an operator starts it, with topics and an outbox of its own."""

    def __init__(self, servers: str, folder: Path) -> None:
        self.servers = servers
        self.prefix = f"t{uuid.uuid4().hex[:10]}"
        self.topic = f"{self.prefix}.alerts.v1"
        self._config = folder / "tocsin.toml"
        self._state = folder / "state"
        super().__init__(folder / "notifier.log", "-m", "tocsin", "notify", "--config", str(self._config))
        admin = KafkaAdminClient(bootstrap_servers=servers)
        admin.create_topics({self.topic: {"num_partitions": PARTITIONS, "replication_factor": 1}})
        admin.wait_for_topics([self.topic])
        admin.close()

    def tell(self, url: str) -> None:
        """Start it with a webhook at ``url``."""
        tables: dict[str, dict[str, object]] = {
            "": {"brokers": [self.servers], "prefix": self.prefix, "state_dir": self._state},
            "notify": {"port": 0, "console": False},
            "log": {"format": "json"},
        }
        webhook = toml({"[notify.webhooks]": {"url": f"{url}/hook"}})
        self._config.write_text(toml(tables) + webhook)
        self.start()

    def publish(self, *alerts: Alert) -> None:
        """Put alerts into the topic, acknowledged."""
        producer = KafkaProducer(bootstrap_servers=self.servers, acks="all")
        futures = [producer.send(self.topic, key=one.alert_id.encode(), value=encode(one)) for one in alerts]
        for future in futures:
            future.get(30)
        producer.close()

    def owed(self) -> int:
        """The lag of the notifier's group: alerts that have not reached every sink."""
        consumer = KafkaConsumer(bootstrap_servers=self.servers, group_id=f"{self.prefix}-notify")
        partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
        ends = consumer.end_offsets(partitions)
        lag = sum(ends[tp] - (consumer.committed(tp) or 0) for tp in partitions)
        consumer.close()
        return lag


@pytest.fixture
def new_notifier(tmp_path: Path) -> Iterator[Callable[[str], Notifier]]:
    made: list[Notifier] = []

    def make(servers: str) -> Notifier:
        made.append(Notifier(servers, tmp_path))
        return made[-1]

    yield make
    for notifier in made:
        notifier.kill()


def story(number: int) -> list[Alert]:
    """An incident from its first state to its last."""
    states = ("pending", "firing", "recovering", "resolved")
    return [transition(alert_id=f"i{number}", sequence=place, state=state) for place, state in enumerate(states)]


async def test_each_transition_reaches_the_webhook_once(kafka: str, new_notifier: Callable[[str], Notifier]) -> None:
    notifier = new_notifier(kafka)
    async with receiving() as server:
        notifier.publish(*story(0))
        notifier.tell(server.url)
        await server.until(3)
        notifier.publish(*story(0), *story(1))
        await server.until(6)
        assert notifier.end(signal.SIGTERM) == 0, notifier.log.read_text()
    assert server.transitions() == ["i0-1", "i0-2", "i0-3", "i1-1", "i1-2", "i1-3"]
    assert [request.json["status"] for request in server.requests[:3]] == ["firing", "firing", "resolved"]
    assert notifier.owed() == 0
    assert "/hook" not in notifier.log.read_text(), "a webhook's path may be a secret"


async def test_kills_in_mid_send_repeat_at_most_one_each_and_lose_none(
    kafka: str, new_notifier: Callable[[str], Notifier]
) -> None:
    notifier, chance = new_notifier(kafka), random.Random(7)
    wanted = {one.transition_id for number in range(60) for one in story(number) if one.state != "pending"}
    async with receiving() as server:
        for number in range(60):
            notifier.publish(*story(number))
        for place in range(KILLS):
            notifier.tell(server.url)
            # The notifier has one request in hand when it dies: taken and not answered, or not even taken.
            server.script = [200] * chance.randrange(12) + ["silent" if place % 2 else "unheard"]
            await server.until(len(server.requests) + server.unheard + len(server.script))
            assert notifier.end(signal.SIGKILL) == -signal.SIGKILL
        notifier.tell(server.url)
        while not wanted <= set(server.transitions()):
            await server.until(len(server.requests) + server.unheard + 1)
        assert notifier.end(signal.SIGTERM) == 0, notifier.log.read_text()
    times = Counter(server.transitions())
    assert set(times) == wanted
    assert 1 <= sum(times.values()) - len(wanted) <= KILLS // 2, "what the dying one had delivered, and no more"
    assert in_order(server), "no incident is told out of order"
    assert notifier.owed() == 0


async def test_kills_at_any_moment_lose_none(kafka: str, new_notifier: Callable[[str], Notifier]) -> None:
    notifier, chance = new_notifier(kafka), random.Random(11)
    wanted: set[str] = set()
    async with receiving() as server:
        for number in range(KILLS):
            notifier.tell(server.url)
            notifier.publish(*story(number))
            wanted |= {one.transition_id for one in story(number) if one.state != "pending"}
            # Anything from an interpreter that still imports to one that has delivered and commits.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.until(len(wanted)), chance.uniform(0.3, 4.0))
            assert notifier.end(signal.SIGKILL) == -signal.SIGKILL
        notifier.tell(server.url)
        while not wanted <= set(server.transitions()):
            await server.until(len(server.requests) + server.unheard + 1)
        assert notifier.end(signal.SIGTERM) == 0, notifier.log.read_text()
    times = Counter(server.transitions())
    assert set(times) == wanted
    assert sum(times.values()) - len(wanted) <= KILLS
    assert in_order(server)


async def test_a_broker_that_goes_and_comes_back_costs_nothing(
    breakable: KafkaNode, new_notifier: Callable[[str], Notifier]
) -> None:
    notifier = new_notifier(breakable.servers)
    async with receiving() as server:
        notifier.publish(*story(0))
        notifier.tell(server.url)
        await server.until(3)
        breakable.stop()
        breakable.start()
        notifier.publish(*story(1))
        await server.until(6)
        assert notifier.running
        assert notifier.end(signal.SIGTERM) == 0
    assert server.transitions() == ["i0-1", "i0-2", "i0-3", "i1-1", "i1-2", "i1-3"]


def in_order(server: Server) -> bool:
    """Whether each incident's transitions came in the order of their sequence, repeats aside."""
    furthest: Counter[str] = Counter()
    for key in server.transitions():
        incident, _, sequence = key.rpartition("-")
        if int(sequence) < furthest[incident]:
            return False
        furthest[incident] = int(sequence)
    return True
