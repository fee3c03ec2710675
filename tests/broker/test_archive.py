"""`tocsin archive` on a real Kafka, killed at any moment: each document is in the file once, as the offsets say."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from deploy.kafka.kafka import KafkaNode
from streams.records import ScoredDocument, encode
from tests.broker.fleet import Verb, eventually, toml
from tests.streams.archive.library import scored
from tests.streams.notify.receiving import transition

PARTITIONS = 3
KILLS = 6
DOCUMENTS = 12_000


class Archivist(Verb):
    """An archive as an operator starts it, with topics and a file of its own."""

    def __init__(self, servers: str, folder: Path, **settings: object) -> None:
        self.servers = servers
        self.prefix = f"t{uuid.uuid4().hex[:10]}"
        self.topics = (f"{self.prefix}.scored.v1", f"{self.prefix}.alerts.v1")
        self.path = folder / "archive.sqlite"
        self.sent: dict[tuple[str, int], list[str]] = {}
        config = folder / "tocsin.toml"
        super().__init__(folder / "archive.log", "-m", "tocsin", "archive", "--config", str(config))
        admin = KafkaAdminClient(bootstrap_servers=servers)
        admin.create_topics({name: {"num_partitions": PARTITIONS, "replication_factor": 1} for name in self.topics})
        admin.wait_for_topics(list(self.topics))
        admin.close()
        tables: dict[str, dict[str, object]] = {
            "": {"brokers": [servers], "prefix": self.prefix, "state_dir": folder / "state"},
            "archive": {"path": self.path, "port": 0, **settings},
            "log": {"format": "json"},
        }
        config.write_text(toml(tables))

    def publish(self, documents: list[ScoredDocument], partition: Callable[[ScoredDocument], int]) -> None:
        """Put scored documents into the topic, acknowledged, and note which offset is whose."""
        producer = KafkaProducer(bootstrap_servers=self.servers, acks="all", linger_ms=20)
        sending = [
            (one, producer.send(self.topics[0], encode(one), one.id.encode(), partition=partition(one)))
            for one in documents
        ]
        for one, future in sending:
            done = future.get(60)
            ids = self.sent.setdefault((self.topics[0], done.partition), [])
            assert len(ids) == done.offset
            ids.append(one.id)
        producer.close()

    def look(self) -> tuple[dict[tuple[str, int], int], list[str]]:
        """The offsets that the file holds, and the ids in it, as one reader sees them at one moment."""
        if not self.path.exists():
            return {}, []
        db = sqlite3.connect(self.path)
        try:
            db.execute("BEGIN")
            offsets = {(t, p): at for t, p, at in db.execute("SELECT topic, partition, next FROM offsets")}
            return offsets, [id for (id,) in db.execute("SELECT id FROM documents")]
        except sqlite3.OperationalError:  # killed before there was a table
            return {}, []
        finally:
            db.close()

    def owed(self) -> int:
        """The lag of the archive's group."""
        consumer = KafkaConsumer(bootstrap_servers=self.servers, group_id=f"{self.prefix}-archive")
        places = [TopicPartition(name, number) for name in self.topics for number in range(PARTITIONS)]
        ends = consumer.end_offsets(places)
        lag = sum(ends[place] - (consumer.committed(place) or 0) for place in places)
        consumer.close()
        return int(lag)

    def exact(self) -> int:
        """Hold the file to its promise; how many documents are in it."""
        offsets, ids = self.look()
        wanted = {id for place, at in offsets.items() for id in self.sent.get(place, [])[:at]}
        assert len(ids) == len(set(ids)), "a document is in twice"
        assert set(ids) == wanted, "what is in is what lies below the offsets, no more and no less"
        return len(ids)


@pytest.fixture
def new_archivist(tmp_path: Path) -> Iterator[Callable[..., Archivist]]:
    made: list[Archivist] = []

    def make(servers: str, **settings: object) -> Archivist:
        made.append(Archivist(servers, tmp_path, **settings))
        return made[-1]

    yield make
    for archivist in made:
        archivist.kill()


def documents(count: int, start: int = 0) -> list[ScoredDocument]:
    return [
        scored(n, f"Acme recalls kettle {n}", "kettles " * 40, about=[("acme", "negative")], vector=[0.1] * 384)
        for n in range(start, start + count)
    ]


def test_kills_at_any_moment_leave_each_document_in_once(kafka: str, new_archivist: Callable[..., Archivist]) -> None:
    archivist, chance = new_archivist(kafka), random.Random(5)
    found: list[int] = []
    for place in range(KILLS):
        fresh = documents(DOCUMENTS // KILLS, place * DOCUMENTS // KILLS)
        again = chance.sample(fresh, 50)  # as after a worker's crash
        archivist.publish(fresh + again, lambda one: one.origin.offset % PARTITIONS)
        begun = archivist.look()[0]
        archivist.start()
        if place % 3:  # in the middle of its work; else at any time from its first breath
            eventually(lambda: archivist.look()[0] != begun, "it keeps something", seconds=60)  # noqa: B023
            time.sleep(chance.uniform(0.0, 0.3))
        else:
            time.sleep(chance.uniform(0.2, 2.5))
        assert archivist.end(signal.SIGKILL) == -signal.SIGKILL
        found.append(len(set().union(*archivist.sent.values())) - archivist.exact())
    assert any(found), "some kills came in the middle"
    archivist.start()
    ends = {place: len(ids) for place, ids in archivist.sent.items()}
    eventually(lambda: ends.items() <= archivist.look()[0].items(), "all is kept", seconds=120)
    assert archivist.end(signal.SIGTERM) == 0, archivist.said()
    assert archivist.exact() == DOCUMENTS
    assert archivist.owed() == 0
    db = sqlite3.connect(archivist.path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
    for table in ("vectors", "sightings WHERE series = (SELECT number FROM series WHERE name = 'entity:acme')"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (DOCUMENTS,)
    db.close()


def test_what_cannot_be_read_is_passed_over_and_a_broken_file_stops_it(
    kafka: str, new_archivist: Callable[..., Archivist]
) -> None:
    archivist = new_archivist(kafka)
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    for value in (b"{}", b"\xff\xfe", b'{"title": "\\ud800"}', None):
        producer.send(archivist.topics[0], value, key=b"k", partition=0).get(30)
    producer.send(archivist.topics[1], encode(transition(alert_id="abc")), partition=0).get(30)
    producer.send(archivist.topics[1], b"no alert", partition=1).get(30)
    producer.close()
    archivist.start()
    eventually(lambda: sum(archivist.look()[0].values()) == 6, "all is read", seconds=60)
    assert archivist.end(signal.SIGTERM) == 0, archivist.said()
    assert archivist.exact() == 0
    assert archivist.said().count("unreadable, passed over") == 4
    archivist.path.write_bytes(b"no database, " * 1_000)
    archivist.start()
    assert archivist.wait() == 2
    assert "move it away" in archivist.said()


def test_a_broker_that_goes_and_comes_back_costs_nothing(
    breakable: KafkaNode, new_archivist: Callable[..., Archivist]
) -> None:
    archivist = new_archivist(breakable.servers)
    archivist.publish(documents(300), lambda one: one.origin.offset % PARTITIONS)
    archivist.start()
    eventually(lambda: len(archivist.look()[1]) == 300, "the first are kept", seconds=60)
    breakable.stop()
    breakable.start()
    archivist.publish(documents(300, 300), lambda one: one.origin.offset % PARTITIONS)
    eventually(lambda: len(archivist.look()[1]) == 600, "the others are kept", seconds=120)
    assert archivist.end(signal.SIGTERM) == 0, archivist.said()
    assert archivist.exact() == 600
