"""Partitions move while records come, and then none come any more: what came is read all the same."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.broker.fleet import Fleet, eventually
from tests.broker.generator import stream_of_records
from tests.broker.instance import PARTITIONS, Instance
from tests.broker.scenario import Feed, close_books, come_to_rest, watched_run
from tests.broker.tail import Groups

MOVES = 4


def once_each(fleet: Fleet) -> bool:
    """Whether every partition's lag is told by exactly one worker, that which has it."""
    told = Counter(
        (sample.labels["topic"], sample.labels["partition"])
        for worker in fleet.workers
        for sample in worker.metrics()
        if sample.name == "tocsin_lag_records"
    )
    return len(told) == 3 * PARTITIONS and set(told.values()) == {1}


@pytest.mark.timeout(400)
def test_records_that_come_while_partitions_move_are_read_though_none_follow(instance: Instance) -> None:
    """A fetch that outlives the move must take nothing along: a quiet partition would stand still for good."""
    notes, sent = stream_of_records(13), 0
    scoring = instance.names.group("score")
    with watched_run(instance) as (generator, verifier, fleet), Groups(instance.servers) as groups:

        def settled(members: int) -> None:
            eventually(lambda: groups.members(scoring) == members, f"{members} members", seconds=90, every=0.05,
                       told=fleet.said)  # fmt: skip

        fleet.start()
        settled(1)
        for move in range(MOVES):
            with Feed(generator, notes, per_second=200) as feed:
                if move % 2 == 0:
                    fleet.start()
                    settled(2)
                else:
                    assert fleet.workers.pop().end() == 0
                    settled(1)
            sent += feed.sent
            generator.settle()
            come_to_rest(verifier, fleet, seconds=60)
            eventually(lambda: once_each(fleet), "each partition's lag told by one worker", seconds=30, told=fleet.said)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert report.scored == report.records == sent
    logs = "".join(log.read_text() for log in instance.folder.glob("worker-*.log"))
    assert logs.count('"event": "reading"') > MOVES
    assert "does not continue" not in logs, "a fetched slab was thrown away, and only a later one told of it"
