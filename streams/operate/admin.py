"""The topics of an instance on the cluster: which are there, which are missing, making those.

What exists is never altered: a topic that somebody made with another shape is theirs, and ``tocsin doctor``
says what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from streams.errors import TopicsError
from streams.operate.client import broker_errors, kafka_python_options
from streams.settings import Settings
from streams.topics import Topic

TOPIC_EXISTS = 36
"""Kafka's error code for a topic that somebody made between our look and our request."""


def partition_counts(settings: Settings, topics: Iterable[str]) -> dict[str, int]:
    """How many partitions each of ``topics`` has; those that do not exist are left out.

    Raises:
        BrokerError: the cluster cannot be reached or refuses.
    """
    with admin_client(settings, "looking at the topics") as client:
        return _counts(client, topics)


def require_topic(settings: Settings, name: str) -> int:
    """How many partitions the topic ``name`` has.

    Raises:
        TopicsError: it does not exist.
        BrokerError: the cluster cannot be reached or refuses.
    """
    counts = partition_counts(settings, [name])
    if name not in counts:
        raise no_topic(settings, name)
    return counts[name]


def no_topic(settings: Settings, name: str) -> TopicsError:
    """The error that the topic ``name`` does not exist, with what to do about it."""
    return TopicsError(f"there is no topic {name} on {', '.join(settings.brokers)}; run `tocsin topics create`")


def missing_topics(settings: Settings) -> list[str]:
    """The names of the topics this instance needs and the cluster does not have, in the table's order.

    Raises:
        BrokerError: the cluster cannot be reached or refuses.
    """
    names = [topic.name for topic in settings.topics.all()]
    there = partition_counts(settings, names)
    return [name for name in names if name not in there]


def require_topics(settings: Settings) -> dict[str, int]:
    """Partition counts of every topic of this instance.

    Raises:
        TopicsError: one is missing, or the observations topic has another count than the settings say.
        BrokerError: the cluster cannot be reached or refuses.
    """
    names = [topic.name for topic in settings.topics.all()]
    counts = partition_counts(settings, names)
    missing = [name for name in names if name not in counts]
    if missing:
        raise TopicsError(
            f"missing on {', '.join(settings.brokers)}: {', '.join(missing)}; run `tocsin topics create`, or start "
            "the worker with --create-topics"
        )
    observations = settings.topics.observations
    if counts[observations] != settings.kafka.observation_partitions:
        raise TopicsError(
            f"{observations} has {counts[observations]} partitions, the settings say "
            f"{settings.kafka.observation_partitions}: series would move between watchers. Set "
            f"kafka.observation_partitions = {counts[observations]}, or take a new --prefix"
        )
    return counts


def create_topics(settings: Settings) -> list[str]:
    """Make the topics that are missing; returns their names. Running it twice makes nothing the second time.

    Raises:
        TopicsError: the cluster refuses one of them; the text says which, why and what to do.
        BrokerError: the cluster cannot be reached or refuses altogether.
    """
    if settings.kafka.embedded:
        return _touch(settings)
    table = settings.topics.all()
    with admin_client(settings, "making the topics") as client:
        counts = _counts(client, (topic.name for topic in table))
        wanted = {
            topic.name: {
                "num_partitions": partitions,
                "replication_factor": settings.kafka.replication_factor,
                "configs": configs(topic),
            }
            for topic, partitions in zip(table, planned_partitions(settings, counts), strict=True)
            if topic.name not in counts
        }
        if not wanted:
            return []
        answers = client.create_topics(wanted, raise_errors=False)["topics"]
        refused = [answer for answer in answers if answer["error_code"] not in (0, TOPIC_EXISTS)]
        if refused:
            raise TopicsError("\n".join(_refusal(answer) for answer in refused))
        made = [answer["name"] for answer in answers if answer["error_code"] == 0]
        client.wait_for_topics(list(wanted))
    return [topic.name for topic in table if topic.name in made]


def planned_partitions(settings: Settings, existing: dict[str, int]) -> list[int]:
    """The partition count of each topic of ``settings.topics.all()``, in its order.

    An input's dead letters and everything that is produced per input partition get as many as the largest
    input; what is spread by series gets ``kafka.observation_partitions``. ``existing`` gives the inputs
    that somebody made already.
    """
    topics = settings.topics
    inputs = {name: existing.get(name, settings.kafka.input_partitions) for name in topics.inputs}
    largest = max(inputs.values())
    by_series = {topics.observations, topics.alerts, topics.state, topics.feedback}
    dead_letters = {topics.dead_letters(name): count for name, count in inputs.items()}
    return [
        topic.partitions
        or inputs.get(topic.name)
        or dead_letters.get(topic.name)
        or (settings.kafka.observation_partitions if topic.name in by_series else largest)
        for topic in topics.all()
    ]


def configs(topic: Topic) -> dict[str, str]:
    """The topic-level configuration that ``topic`` is made with."""
    return {"cleanup.policy": topic.cleanup, **topic.config}


def topic_configs(settings: Settings, topics: Iterable[str]) -> dict[str, dict[str, str | None]]:
    """The effective configuration of each of ``topics``, which must exist. A real Kafka only.

    Raises:
        BrokerError: the cluster cannot be reached or refuses.
    """
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    if not resources:
        return {}
    with admin_client(settings, "reading the topics' configuration") as client:
        found = client.describe_configs(resources, config_filter="all")["topic"]
    return {name: {key: entry["value"] for key, entry in values.items()} for name, values in found.items()}


@contextmanager
def admin_client(settings: Settings, doing: str) -> Iterator[Any]:
    """A connected admin client; errors inside the block become a BrokerError that names ``doing``."""
    with broker_errors(settings, doing):
        client = KafkaAdminClient(**kafka_python_options(settings))
        try:
            yield client
        finally:
            client.close()


def _counts(client: Any, topics: Iterable[str]) -> dict[str, int]:
    # Asking for all topics, not for these: a broker with auto-creation would make what it is asked for.
    wanted = set(topics)
    return {
        topic["name"]: len(topic["partitions"])
        for topic in client.describe_topics()
        if topic["name"] in wanted and topic["error_code"] == 0
    }


def _touch(settings: Settings) -> list[str]:
    """Make the topics of the embedded broker, which knows no CreateTopics: asking a producer's way makes them."""
    missing = missing_topics(settings)
    with broker_errors(settings, "making the topics"):
        producer = KafkaProducer(**kafka_python_options(settings))
        try:
            for name in missing:
                producer.partitions_for(name)
        finally:
            producer.close()
    return missing


def _refusal(answer: dict[str, Any]) -> str:
    error = kafka_errors.for_code(answer["error_code"])
    advice = {
        "InvalidReplicationFactorError": "set kafka.replication_factor to at most the number of brokers",
        "TopicAuthorizationFailedError": "this user needs the right Create on the cluster or the topic",
        "ClusterAuthorizationFailedError": "this user needs the right Create on the cluster",
        "PolicyViolationError": "the cluster has a policy for new topics; make this one by hand",
        "InvalidConfigurationError": "the broker does not take this configuration; make the topic by hand",
    }.get(error.__name__, "make it by hand, or ask whoever runs the cluster")
    reason = (answer.get("error_message") or "").strip()[:300]
    return f"{answer['name']}: refused with {error.__name__}{f' ({reason})' if reason else ''}; {advice}"
