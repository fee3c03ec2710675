"""Alerts to notify of, and a sink."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry

from streams.metrics import Metrics
from streams.records import Alert
from tests.streams.notify.receiving import Server, receiving, transition


@pytest.fixture
def alert() -> Callable[..., Alert]:
    """Makes transitions: :func:`transition`."""
    return transition


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with receiving() as one:
        yield one


@pytest.fixture
def metrics() -> Metrics:
    return Metrics.bind(CollectorRegistry())
