"""What each component of tocsin may do on the cluster: its own job and nothing else.

A principal for each, named ``<prefix>-<component>``. Every right is on one topic or group by its full name: no
wildcards, so two instances on a cluster do not reach into each other. An idempotent producer needs no right of its own
since Kafka 3.0; those who describe a topic may read or write it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Literal, NamedTuple

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
)

from streams.errors import BrokerError
from streams.operate.admin import admin_client
from streams.operate.deadletters import REPLAY_ROLE
from streams.settings import Settings
from streams.topics import Topics

Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]
Kind = Literal["topic", "group"]

COMPONENTS = {
    "topics": "the job that makes the topics",
    "worker": "scores, watches, serves the page",
    "notifier": "delivers alerts",
    "annotator": "a later word on alerts",
    "feeder": "ingests files, HTTP, feeds; replays",
    "archive": "keeps what was scored",
    "trainer": "learns from labels",
    "scaler": "KEDA: looks at the lag of the workers",
    "operator": "people at the command line: doctor, feedback, dead letters, flush",
}


class Right(NamedTuple):
    """One thing that a component may do."""

    component: str
    operation: Operation
    kind: Kind
    name: str


def rights(topics: Topics) -> list[Right]:
    """Every right of every component, component by component."""
    every = [topic.name for topic in topics.all()]
    dead = [topics.dead_letters(name) for name in topics.inputs]
    found = [
        *_on("topics", every, "Create", "Describe"),
        *_on("worker", topics.inputs, "Read"),
        *_on("worker", [topics.scored, topics.drift_samples, *dead], "Write"),
        *_on(
            "worker", [topics.observations, topics.alerts, topics.state, topics.feedback, topics.drift], "Read", "Write"
        ),
        *_on("worker", [topics.releases], "Read"),
        *_groups("worker", topics, "score", "watch"),
        *_on("notifier", [topics.alerts, topics.feedback], "Read"),
        *_groups("notifier", topics, "notify"),
        *_on("annotator", [*topics.inputs], "Read"),
        *_on("annotator", [topics.alerts], "Read", "Write"),
        *_groups("annotator", topics, "annotate"),
        *_on("feeder", topics.inputs, "Write"),
        *_on("archive", [topics.scored, topics.alerts], "Read"),
        *_groups("archive", topics, "archive"),
        *_on("trainer", [topics.drift_samples, topics.feedback, topics.drift], "Read"),
        *_on("trainer", [topics.releases], "Write"),
        *_on("scaler", topics.inputs, "Describe"),
        Right("scaler", "Describe", "group", topics.group("score")),
        *_on("operator", every, "Describe", "DescribeConfigs"),
        *_on("operator", [topics.alerts, *dead], "Read"),
        *_on("operator", [*topics.inputs, topics.feedback, topics.observations], "Read", "Write"),
        *_on("operator", [topics.releases], "Write"),
        *_groups("operator", topics, REPLAY_ROLE),
        Right("operator", "Describe", "group", topics.group("score")),
    ]
    return list(dict.fromkeys(found))


def script(settings: Settings) -> str:
    """The rights as a shell script for Kafka's own tools; its arguments go to ``kafka-acls.sh``."""
    lines = [
        "#!/usr/bin/env bash",
        "# Usage: acls.sh --bootstrap-server HOST:PORT --command-config admin.properties",
        "set -euo pipefail",
    ]
    for component, about in COMPONENTS.items():
        lines.append(f"# {component}: {about}")
        resources: dict[tuple[str, str], list[str]] = {}
        for right in rights(settings.topics):
            if right.component == component:
                resources.setdefault((right.kind, right.name), []).append(f"--operation {right.operation}")
        lines += [
            f'kafka-acls.sh "$@" --add --allow-principal {shlex.quote(principal(settings, component))} '
            f"{' '.join(operations)} --{kind} {shlex.quote(name)}"
            for (kind, name), operations in resources.items()
        ]
    return "\n".join(lines) + "\n"


def grant(settings: Settings) -> int:
    """Give every component its rights on the cluster; how many there are. What is there already stays as it is.

    Raises:
        BrokerError: the cluster cannot be reached, has no authorizer, or does not let this user do it.
    """
    wanted = [_acl(settings, right) for right in rights(settings.topics)]
    with admin_client(settings, "giving the components their rights") as client:
        refused = client.create_acls(wanted)["failed"]
    if refused:
        raise BrokerError(f"the cluster refused {len(refused)} of {len(wanted)} rights: {refused[0]}")
    return len(wanted)


def principal(settings: Settings, component: str) -> str:
    """The principal of ``component``, as Kafka spells those that log in with SASL."""
    return f"User:{settings.prefix}-{component}"


def _on(component: str, names: Iterable[str], *operations: Operation) -> list[Right]:
    return [Right(component, operation, "topic", name) for name in names for operation in operations]


def _groups(component: str, topics: Topics, *roles: str) -> list[Right]:
    return [Right(component, "Read", "group", topics.group(role)) for role in roles]


_OPERATIONS = {
    "Read": ACLOperation.READ,
    "Write": ACLOperation.WRITE,
    "Create": ACLOperation.CREATE,
    "Describe": ACLOperation.DESCRIBE,
    "DescribeConfigs": ACLOperation.DESCRIBE_CONFIGS,
}
_KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}


def _acl(settings: Settings, right: Right) -> ACL:
    return ACL(
        principal(settings, right.component),
        "*",
        _OPERATIONS[right.operation],
        ACLPermissionType.ALLOW,
        ResourcePattern(_KINDS[right.kind], right.name),
    )
