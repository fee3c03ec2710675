"""Metadata without a topic, as a broker gives them for a moment after it was killed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from streams.delivery.fetching import WholeAssignor


def cluster(**partitions: set[int]) -> SimpleNamespace:
    return SimpleNamespace(partitions_for_topic=lambda topic: partitions.get(topic))


MEMBERS = {name: WholeAssignor.metadata(["news", "reviews"]) for name in ("one", "two")}


def test_every_partition_of_every_topic_is_assigned_once() -> None:
    given = WholeAssignor.assign(cluster(news={0, 1, 2}, reviews={0}), MEMBERS)
    assigned = [(topic, p) for member in given.values() for topic, parts in member.assignment for p in parts]
    assert sorted(assigned) == [("news", 0), ("news", 1), ("news", 2), ("reviews", 0)]


def test_an_assignment_that_would_leave_a_topic_out_is_refused() -> None:
    """A stable group in which nobody reads a topic would wait for ever, and nobody would notice."""
    with pytest.raises(UnknownTopicOrPartitionError, match="reviews"):
        WholeAssignor.assign(cluster(news={0, 1}), MEMBERS)
