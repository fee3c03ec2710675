"""Instances of tocsin on the test broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.kafka.kafka import KafkaNode
from tests.broker.instance import Instance


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a broker, and says so."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("broker")


@pytest.fixture
def new_instance(kafka: str, tiny_registry: Path, tmp_path: Path) -> Callable[..., Instance]:
    """Makes instances with topics of their own; keyword arguments are tables of the settings file to change."""
    made = 0

    def make(servers: str = kafka, registry: Path = tiny_registry, **changes: Mapping[str, object]) -> Instance:
        nonlocal made
        made += 1
        return Instance.create(servers, tmp_path / f"instance-{made}", registry, changes)

    return make


@pytest.fixture
def instance(new_instance: Callable[..., Instance]) -> Instance:
    return new_instance()


@pytest.fixture
def breakable(kafka_node: KafkaNode) -> Iterator[KafkaNode]:
    """A broker that the test may stop and kill; it runs again afterwards."""
    yield kafka_node
    kafka_node.start()
