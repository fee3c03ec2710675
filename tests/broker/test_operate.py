"""Topics, files and dead letters on a real Kafka, through the command line that an operator types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from streams.errors import BrokerError
from streams.operate import flush
from streams.settings import load
from tests.broker.fleet import ROOT, toml

Tocsin = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def tocsin(kafka: str, prefix: str, tmp_path: Path) -> Tocsin:
    """Runs the command with settings of its own; input topic ``<prefix>-news``."""
    config = tmp_path / "tocsin.toml"
    tables: dict[str, dict[str, object]] = {
        "": {"brokers": [kafka], "prefix": prefix},
        "streams.news": {"topic": f"{prefix}-news"},
        "kafka": {"input_partitions": 3, "observation_partitions": 2},
    }
    config.write_text(toml(tables))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tocsin", *words, "--config", str(config)]
        return subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=60)

    return run


def records_of(servers: str, topic: str) -> list[Any]:
    consumer = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends, found = consumer.end_offsets(partitions), []
    while any(consumer.position(tp) < end for tp, end in ends.items()):
        for records in consumer.poll(timeout_ms=10_000).values():
            found.extend(records)
    consumer.close()
    return found


def test_topics_are_made_once_with_their_policies(kafka: str, prefix: str, tocsin: Tocsin) -> None:
    assert tocsin("topics", "list").returncode == 1
    made = tocsin("topics", "create")
    assert made.returncode == 0, made.stderr
    assert f"made {prefix}.alerts.v1" in made.stdout
    assert tocsin("topics", "create").stdout == "nothing is missing\n"
    listed = dict(line.split("\t") for line in tocsin("topics", "list").stdout.splitlines())
    assert listed[f"{prefix}-news"] == listed[f"{prefix}.scored.v1"] == listed[f"{prefix}.{prefix}-news.dlq"] == "3"
    assert listed[f"{prefix}.observations.v1"] == "2"
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in listed]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    admin.close()
    compacted = {
        name.removeprefix(prefix) for name, found in configs.items() if found["cleanup.policy"]["value"] == "compact"
    }
    assert compacted == {".alerts.v1", ".state.v1", ".feedback.v1", ".releases.v1"}
    assert int(configs[f"{prefix}.observations.v1"]["max.message.bytes"]["value"]) > 4_000_000


def test_a_file_is_sent_twice_under_the_same_ids(kafka: str, prefix: str, tocsin: Tocsin, tmp_path: Path) -> None:
    documents = [{"text": f"t{n}", "published_at": 1_700_000_000 + n} for n in range(500)]
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(map(json.dumps, documents)))
    refused = tocsin("ingest", "file", str(path))
    assert refused.returncode == 2
    assert "tocsin topics create" in refused.stderr
    tocsin("topics", "create")
    assert tocsin("ingest", "file", str(path)).stdout == f"500 sent to {prefix}-news, 0 could not be\n"
    assert tocsin("replay", str(path)).stdout == f"500 sent to {prefix}-news, 0 could not be\n"
    records = records_of(kafka, f"{prefix}-news")
    assert len(records) == 1000
    assert len({(record.key, record.partition) for record in records}) == 500


def test_a_dead_letter_goes_back_whole_and_once(kafka: str, prefix: str, tocsin: Tocsin) -> None:
    tocsin("topics", "create")
    context = "__connect.errors."
    headers = [
        ("trace", b"\x01"),
        (context + "topic", f"{prefix}-news".encode()),
        (context + "partition", b"2"),
        (context + "offset", b"41"),
        (context + "stage", b"decode"),
        (context + "exception.class.name", b"NotJson"),
        (context + "exception.message", b"a brace is missing"),
    ]
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    producer.send(f"{prefix}.{prefix}-news.dlq", key=b"k", value=b"{", headers=headers).get(30)
    producer.close()
    shown = json.loads(tocsin("dlq", "show", "--json").stdout)
    assert (shown["stage"], shown["error"], shown["origin"]["offset"]) == ("decode", "NotJson", 41)
    assert tocsin("dlq", "replay", "--dry-run").stdout.startswith("1 would be sent back")
    assert tocsin("dlq", "replay").stdout.startswith("1 sent back")
    assert tocsin("dlq", "replay").stdout.startswith("0 sent back")
    (record,) = records_of(kafka, f"{prefix}-news")
    assert (record.key, record.value, record.partition) == (b"k", b"{", 2)
    assert record.headers == [("trace", b"\x01"), ("tocsin.replays", b"1")]


def test_a_flush_waits_for_the_workers_and_says_so_where_there_are_none(
    tmp_path: Path, kafka: str, prefix: str, tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tocsin("topics", "create").returncode == 0
    settings = load(tmp_path / "tocsin.toml")
    topic, stop = f"{prefix}-news", threading.Event()
    assert flush.flush(settings, topic, 0, stop), "an empty topic is scored to its end"
    assert len(records_of(kafka, f"{prefix}.observations.v1")) == 3 * 2, "a word to each watcher for each partition"
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    producer.send(topic, value=b"{}").get(30)
    producer.close()
    monkeypatch.setattr(flush, "WORKERLESS_SECONDS", -1.0)
    with pytest.raises(BrokerError, match="start `tocsin worker`"):
        flush.flush(settings, topic, 0, stop)
    monkeypatch.setattr(flush, "WORKERLESS_SECONDS", 60.0)
    stop.set()
    assert not flush.flush(settings, topic, 0, stop)
