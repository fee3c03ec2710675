"""The broker goes away and comes back: workers wait or are started again, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.kafka.kafka import KafkaNode
from tests.broker.fleet import eventually
from tests.broker.generator import stream_of_records
from tests.broker.instance import Instance
from tests.broker.scenario import Feed, close_books, come_to_rest, until_scored, watched_run


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.timeout(400)
def test_a_broker_that_ends_under_load_and_comes_back_loses_nothing(
    new_instance: Callable[..., Instance], breakable: KafkaNode, how: str
) -> None:
    """Two workers, an outage of a few seconds; stop is TERM, kill is -9."""
    instance = new_instance(servers=breakable.servers)
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start(2)
        with Feed(generator, stream_of_records(7), per_second=300) as feed:
            until_scored(verifier, fleet, 600)
            getattr(breakable, how)()
            before = feed.sent
            eventually(lambda: feed.sent > before + 300, "records piled up", seconds=30)
            breakable.start()
            until_scored(verifier, fleet, 600, seconds=120)
        generator.settle()
        come_to_rest(verifier, fleet, seconds=150)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert report.scored == report.records == feed.sent
