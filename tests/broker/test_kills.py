"""Workers die by -9, at random and at the worst moments: nothing is lost, and no count or alert changes."""

from __future__ import annotations

import random

import pytest

from tests.broker.fleet import KILLED, eventually
from tests.broker.generator import stream_of_records
from tests.broker.instance import Instance
from tests.broker.scenario import Feed, close_books, come_to_rest, kill_at_random, until_scored, watched_run
from tests.broker.tail import Groups

KILLS = 20


@pytest.mark.timeout(600)
def test_twenty_kills_at_random_moments_change_nothing_that_is_counted(instance: Instance) -> None:
    """Two workers under load, each killed wherever it happens to be."""
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start(2)
        with Feed(generator, stream_of_records(4), per_second=250) as feed:
            kill_at_random(random.Random(4), verifier, fleet, KILLS)
        generator.settle()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert fleet.exits.count(KILLED) == KILLS
        assert report.records == feed.sent
        assert report.scored == feed.sent


CHAINS = {
    "between a send and its acknowledgement": (
        *("scored-sent:3", "scored-stored:7", "observations-sent:2", "observations-stored:4"),
    ),
    "between an alert and its snapshot": ("alert-sent:1", "alert-stored:2", "snapshot-sent:1", "snapshot-stored:2"),
    "around a commit": ("commit-sent:2", "commit-stored:1"),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.timeout(300)
def test_a_kill_at_the_worst_moment_changes_nothing_that_is_counted(instance: Instance, chain: tuple[str, ...]) -> None:
    """One worker after the other dies at the n-th such moment; the last one lives."""
    with watched_run(instance) as (generator, verifier, fleet):
        with Feed(generator, stream_of_records(5), per_second=400) as feed:
            for moment in chain:
                doomed = instance.worker(faults=f"kill:{moment}")
                assert doomed.wait(120) == KILLED, doomed.said()
            fleet.start()
            until_scored(verifier, fleet, 1000)
        generator.settle()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert report.scored == report.records == feed.sent
        assert verifier.books.alerts


@pytest.mark.parametrize(("moment", "call"), [("rejoin-sent", 1), ("takeover-stored", 1)])
@pytest.mark.timeout(300)
def test_a_kill_in_mid_rebalance_changes_nothing_that_is_counted(instance: Instance, moment: str, call: int) -> None:
    """A second worker joins under load, and the first dies while it hands over, or while it takes over."""
    scoring = instance.names.group("score")
    with watched_run(instance) as (generator, verifier, fleet), Groups(instance.servers) as groups:
        with Feed(generator, stream_of_records(6), per_second=300) as feed:
            for members in (0, 1):
                # The one that died last is a member until its session has run out.
                eventually(lambda n=members: groups.members(scoring) == n, "the dead one is gone", seconds=120)
                doomed = instance.worker(faults=f"kill:{moment}:{call}")
                eventually(lambda n=members + 1: groups.members(scoring) == n, "the doomed one is a member",
                           seconds=120, told=doomed.said)  # fmt: skip
                fleet.start()
                assert doomed.wait(120) == KILLED, doomed.said()
                until_scored(verifier, fleet, 200)
        generator.settle()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert report.scored == report.records == feed.sent
