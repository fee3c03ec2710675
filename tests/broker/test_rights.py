"""Each component under a principal of its own, on a Kafka that refuses whatever is not granted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from streams.operate.client import kafka_python_options
from streams.operate.rights import COMPONENTS, grant, script
from streams.settings import Settings, load
from tests.broker.fleet import ROOT, eventually, toml
from tests.broker.secure import SecureBroker, secure_broker

PREFIX = "acl"
NEWS, REVIEWS, FOREIGN = "acl-news", "acl-reviews", "other-topic"
DLQ = [f"{PREFIX}.{name}.dlq" for name in (NEWS, REVIEWS)]
R, W, RW = {"READ"}, {"WRITE"}, {"READ", "WRITE"}
# What each may do to records, written down by hand: anything else must be refused.
ALLOWED: dict[str, dict[str, set[str]]] = {
    "topics": {},
    "worker": {
        **{NEWS: R, REVIEWS: R, DLQ[0]: W, DLQ[1]: W},
        **{"acl.scored.v1": W, "acl.drift.v1": RW, "acl.drift-samples.v1": W, "acl.releases.v1": R},
        **{"acl.observations.v1": RW, "acl.alerts.v1": RW, "acl.state.v1": RW, "acl.feedback.v1": RW},
    },
    "notifier": {"acl.alerts.v1": R, "acl.feedback.v1": R},
    "annotator": {NEWS: R, REVIEWS: R, "acl.alerts.v1": RW},
    "feeder": {NEWS: W, REVIEWS: W},
    "archive": {"acl.scored.v1": R, "acl.alerts.v1": R},
    "trainer": {"acl.drift-samples.v1": R, "acl.feedback.v1": R, "acl.drift.v1": R, "acl.releases.v1": W},
    "scaler": {},
    "operator": {
        **{NEWS: RW, REVIEWS: RW, "acl.feedback.v1": RW, "acl.observations.v1": RW},
        **{DLQ[0]: R, DLQ[1]: R, "acl.alerts.v1": R, "acl.releases.v1": W},
    },
}
UNTOLD = {"DESCRIBE", "DESCRIBE_CONFIGS", "CREATE"}
"""These change and tell nothing of what documents say."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    users = [f"{PREFIX}-{component}" for component in COMPONENTS]
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # the plaintext listener: the test itself, and the node to itself
        "allow.everyone.if.no.acl.found": "false",
    }
    with secure_broker(tmp_path_factory.mktemp("rights"), users, "correct horse battery", properties) as secure:
        yield secure


Loaded = Callable[[str], tuple[Settings, Path]]


@pytest.fixture(scope="module")
def of(broker: SecureBroker, tmp_path_factory: pytest.TempPathFactory, tiny_registry: Path) -> Loaded:
    """The settings of a component, and their file. Rights are granted and topics made beforehand."""
    folder = tmp_path_factory.mktemp("components")

    def load_for(component: str) -> tuple[Settings, Path]:
        path = folder / f"{component}.toml"
        kafka = broker.kafka_settings(f"{PREFIX}-{component}") if component != "super" else {}
        tables: dict[str, dict[str, object]] = {
            "": {
                "brokers": [broker.secure if kafka else broker.plain],
                "prefix": PREFIX,
                "state_dir": folder / component,
            },
            "streams.news": {"topic": NEWS},
            "streams.reviews": {"topic": REVIEWS},
            "kafka": {"input_partitions": 2, "observation_partitions": 2, "replication_factor": 1, **kafka},
            "scoring": {"registry": tiny_registry, "provider": "cpu", "threads": 1},
            "watch": {"snapshot_seconds": 1.0, "idle_seconds": 0.5, "grace_seconds": 0},
            "notify": {"port": 0},
            "annotate": {"port": 0},
            "archive": {"port": 0},
            "trainer": {"port": 0},
            "web": {"port": 0},
            "log": {"format": "json"},
        }
        path.write_text(toml(tables))
        return load(path), path

    admin = KafkaAdminClient(bootstrap_servers=broker.plain)
    admin.create_topics({FOREIGN: {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    assert grant(load_for("super")[0]) == grant(load_for("super")[0]) > 50
    made = run(load_for("topics")[1], "topics", "create")
    assert made.returncode == 0, made.stderr
    return load_for


def run(config: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tocsin", *words, "--config", str(config)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ}, input=stdin, capture_output=True, text=True, timeout=90
    )


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_broker_lets_a_component_do_its_job_and_nothing_else(of: Loaded, component: str) -> None:
    client = KafkaAdminClient(**kafka_python_options(of(component)[0]))
    try:
        topics = {topic["name"]: set(topic["authorized_operations"] or ()) for topic in client.describe_topics()}
        cluster = client.describe_cluster()
    finally:
        client.close()
    assert FOREIGN not in topics
    assert {name: told - UNTOLD for name, told in topics.items() if told - UNTOLD} == ALLOWED[component]
    assert not set(cluster["authorized_operations"] or ())


def test_what_is_not_granted_is_refused_when_it_is_tried(of: Loaded) -> None:
    def produce(component: str, topic: str) -> None:
        producer = KafkaProducer(**kafka_python_options(of(component)[0]), max_block_ms=5_000)
        try:
            producer.send(topic, value=b"{}").get(timeout=10)
        finally:
            producer.close(timeout=1)

    def consume(component: str, topic: str, group: str) -> None:
        consumer = KafkaConsumer(topic, **kafka_python_options(of(component)[0]), group_id=group)
        try:
            deadline = time.monotonic() + 20
            while not consumer.assignment() and time.monotonic() < deadline:
                consumer.poll(timeout_ms=500)
        finally:
            consumer.close()

    produce("feeder", NEWS)
    for component, topic in (
        ("feeder", "acl.alerts.v1"),
        ("notifier", "acl.feedback.v1"),
        ("archive", "acl.releases.v1"),
    ):
        with pytest.raises(KafkaError, match="uthorization"):  # already of the producer, where it may write nothing
            produce(component, topic)
    consume("notifier", "acl.alerts.v1", "acl-notify")
    with pytest.raises(GroupAuthorizationFailedError):
        consume("archive", "acl.scored.v1", "acl-score")
    with pytest.raises((TopicAuthorizationFailedError, GroupAuthorizationFailedError)):
        consume("feeder", NEWS, "acl-score")
    refused = run(of("worker")[1], "topics", "acls", "--apply")
    assert refused.returncode == 2
    assert "does not allow it" in refused.stderr or "ClusterAuthorization" in refused.stderr


def test_the_scaler_sees_the_lag_and_nothing_else(of: Loaded, broker: SecureBroker) -> None:
    client = KafkaAdminClient(**kafka_python_options(of("scaler")[0]))
    try:
        assert client.list_group_offsets("acl-score") == {"acl-score": {}} or client.list_group_offsets("acl-score")
        assert {topic["name"] for topic in client.describe_topics()} == {NEWS, REVIEWS}
    finally:
        client.close()


def test_every_component_does_its_job_under_its_own_name(of: Loaded, broker: SecureBroker, tmp_path: Path) -> None:
    now = time.time_ns() // 1_000_000
    lines = [
        *(
            json.dumps({"id": f"d{n}", "text": "fraud at Acme", "published_at": now, "entities": ["Acme"]})
            for n in range(6)
        ),
        '{"id": "bad", "text": "x", "published_at": "never"}',
    ]
    fed = run(of("feeder")[1], "ingest", "file", "-", "--topic", NEWS, stdin="\n".join(lines))
    assert (fed.returncode, fed.stdout) == (0, f"7 sent to {NEWS}, 0 could not be\n"), fed.stderr
    processes = {
        verb: subprocess.Popen(
            [sys.executable, "-m", "tocsin", verb, "--config", str(of(component)[1])],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=(tmp_path / verb).open("wb"),
        )
        for verb, component in (
            ("worker", "worker"),
            ("notify", "notifier"),
            ("annotate", "annotator"),
            ("archive", "archive"),
        )
    }

    def told() -> str:
        return "\n".join((tmp_path / verb).read_text(errors="replace")[-2_000:] for verb in processes)

    try:
        for topic, count in (("acl.scored.v1", 6), ("acl.observations.v1", 1), ("acl.state.v1", 1), (DLQ[0], 1)):
            eventually(
                lambda topic=topic, count=count: records_in(broker, topic) >= count, topic, seconds=90, told=told
            )
        for group in ("acl-score", "acl-watch", "acl-annotate"):
            eventually(lambda group=group: members_of(broker, group) > 0, group, seconds=60, told=told)
        archived = KafkaAdminClient(bootstrap_servers=broker.plain)
        eventually(lambda: archived.list_group_offsets("acl-archive")["acl-archive"], "kept", seconds=60, told=told)
        archived.close()
        shown = run(of("operator")[1], "dlq", "replay")
        assert shown.returncode == 0, shown.stderr
        eventually(lambda: records_in(broker, DLQ[0]) >= 2, "the replayed letter fails again", seconds=60, told=told)
        found = json.loads(run(of("operator")[1], "doctor", "--json").stdout)
        assert all(one["verdict"] != "failure" for one in found["findings"]), found
        for verb, process in processes.items():
            assert process.poll() is None, (verb, told())
        assert "uthoriz" not in told()
    finally:
        for process in processes.values():
            process.terminate()
        statuses = [process.wait(60) for process in processes.values()]
    assert statuses == [0] * len(processes)


def test_the_script_says_the_same_to_kafkas_own_tool(of: Loaded) -> None:
    text = script(of("super")[0])
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    assert (
        'kafka-acls.sh "$@" --add --allow-principal User:acl-notifier --operation Read --topic acl.alerts.v1\n' in text
    )
    assert run(of("super")[1], "topics", "acls").stdout == text


def records_in(broker: SecureBroker, topic: str) -> int:
    consumer = KafkaConsumer(bootstrap_servers=broker.plain)
    try:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        return sum(consumer.end_offsets(places).values())
    finally:
        consumer.close()


def members_of(broker: SecureBroker, group: str) -> int:
    admin = KafkaAdminClient(bootstrap_servers=broker.plain)
    try:
        return len(admin.describe_groups([group])[group]["members"])
    except KafkaError:
        return 0
    finally:
        admin.close()
