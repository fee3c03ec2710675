"""News and reviews in; scored records, observations and alerts out. Workers come and go cleanly."""

from __future__ import annotations

import json

from tests.broker.fleet import eventually
from tests.broker.generator import stream_of_records
from tests.broker.instance import Instance
from tests.broker.scenario import Feed, close_books, come_to_rest, send_all, until_scored, watched_run
from tests.broker.tail import Groups

RECORDS = 6000


def test_news_and_reviews_in_scored_observations_and_alerts_out(instance: Instance) -> None:
    """Without any fault every record is scored exactly once, and what the oracle rings on rings."""
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start()
        send_all(generator, seed=1, count=RECORDS)
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert (report.records, report.scored, report.dead, report.repeats) == (RECORDS, RECORDS, 0, 0)
        assert report.polls > 0
        states = {json.loads(alert)["state"] for alert in verifier.books.alerts.values()}
        assert {"firing", "resolved"} <= states
        assert fleet.stop() == [0]


def test_workers_that_join_and_leave_under_load_lose_and_repeat_nothing_early(instance: Instance) -> None:
    """One worker, then three, then two: each rebalance under load, and the promise holds at every poll."""
    scoring = instance.names.group("score")
    with watched_run(instance) as (generator, verifier, fleet), Groups(instance.servers) as groups:
        fleet.start()
        with Feed(generator, stream_of_records(2), per_second=400):
            until_scored(verifier, fleet, 500)
            fleet.start(2)
            eventually(lambda: groups.members(scoring) == 3, "three members", seconds=120)
            until_scored(verifier, fleet, 500)
            leaver = fleet.workers.pop(0)
            assert leaver.end() == 0, leaver.said()
            eventually(lambda: groups.members(scoring) == 2, "two members", seconds=120)
            until_scored(verifier, fleet, 500)
        generator.settle()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        # Nobody was killed: a rebalance finishes what it sends before partitions move.
        assert report.repeats == 0
        assert fleet.stop() == [0, 0]


def test_a_worker_told_to_stop_ends_within_30_s_and_its_successor_repeats_nothing(
    instance: Instance,
) -> None:
    """SIGTERM: finish what is being sent, commit, exit 0."""
    with watched_run(instance) as (generator, verifier, fleet):
        with Feed(generator, stream_of_records(3), per_second=400):
            for _ in range(3):
                fleet.start()
                until_scored(verifier, fleet, 400)
                worker = fleet.workers.pop()
                assert worker.end(timeout=30) == 0, worker.said()
        generator.settle()
        fleet.start()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert report.repeats == 0
