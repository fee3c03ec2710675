"""A real Apache Kafka for every test that asks for one. It fails where there is none; it never skips."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from deploy.kafka.kafka import KafkaNode, KafkaNodeError

# The same examples on every run, and no verdict from a clock: machines are noisy.
hypothesis.settings.register_profile("tocsin", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tocsin")


@pytest.fixture(scope="session")
def kafka_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A node of our own, from its Maven artifacts, that a test may stop, kill and start again."""
    node = KafkaNode(tmp_path_factory.mktemp("kafka"), port=0)
    try:
        node.start()
    except KafkaNodeError as exc:
        pytest.fail(str(exc))
    yield node
    node.stop()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers: of the broker that ``TOCSIN_TEST_KAFKA`` names, else of our own node."""
    named = os.environ.get("TOCSIN_TEST_KAFKA")
    if named:
        return named
    node: KafkaNode = request.getfixturevalue("kafka_node")
    return node.servers


@pytest.fixture(scope="session")
def tiny_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry whose champion is the tiny release: real files, scored in microseconds."""
    from models.registry import Registry
    from tests.models.tiny import build_tiny_release

    root = tmp_path_factory.mktemp("registry")
    Registry(root).promote(build_tiny_release(root).name)
    return root
