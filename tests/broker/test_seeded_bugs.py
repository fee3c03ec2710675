"""Would the harness notice? Known mistakes are planted, and each must be among the verifier's findings.

The same faults without a mistake leave the books clean: those tests stand beside, and in ``test_kills``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.broker.fleet import KILLED, eventually
from tests.broker.generator import stream_of_records
from tests.broker.instance import Instance
from tests.broker.scenario import Feed, close_books, come_to_rest, send_all, watched_run

SLOW = "slow:produce:0.3,slow:deliver:0.3"
RECORDS = 4000
"""Two and a half days of event time: two bad hours are among them, and ring."""


@pytest.mark.timeout(300)
def test_a_slow_cluster_alone_gives_no_finding(instance: Instance) -> None:
    """The faults with which the mistakes below are brought to light are none themselves."""
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start(faults=SLOW)
        send_all(generator, seed=13, count=RECORDS)
        come_to_rest(verifier, fleet, seconds=200)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert report.repeats == 0


@pytest.mark.parametrize(
    ("bug", "slow", "kind"),
    [
        ("stock-consumer", "slow:produce:1.0", "early"),
        ("unawaited-sends", "slow:produce:3.0", "early"),
        ("eager-lanes", SLOW, "gap"),
    ],
)
@pytest.mark.timeout(300)
def test_a_mistake_in_sending_is_found_on_a_slow_cluster(
    new_instance: Callable[..., Instance], bug: str, slow: str, kind: str
) -> None:
    """Without a single crash: commits that run ahead and holes in the log show as they happen."""
    instance = new_instance(scoring={"slab_records": 32})
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start(faults=f"bug:{bug},{slow}")
        with Feed(generator, stream_of_records(13), per_second=400):
            found = verifier.books.report.findings
            eventually(lambda: kind in found, f"the verifier reports {kind}", seconds=120, told=fleet.said)


@pytest.mark.parametrize("bug", ["stock-consumer", "unawaited-sends"])
@pytest.mark.timeout(300)
def test_a_mistake_in_sending_loses_records_when_the_worker_dies(instance: Instance, bug: str) -> None:
    """Killed after a commit, before what it had committed was sent."""
    with watched_run(instance) as (generator, verifier, fleet):
        send_all(generator, seed=14, count=RECORDS)
        doomed = instance.worker(faults=f"bug:{bug},kill:commit-stored:1,slow:produce:2.0")
        assert doomed.wait(120) == KILLED, doomed.said()
        fleet.start()
        eventually(verifier.committed, "all records committed", seconds=150, meanwhile=fleet.mend)
        report = close_books(instance, generator, verifier, alert_seconds=0)
        assert "lost" in report.findings, report.told()


@pytest.mark.timeout(300)
def test_plain_counters_are_found_by_the_alerts(instance: Instance) -> None:
    """Slabs that come twice are counted twice; the oracle has cut them out.

    One partition stays behind until the kills are over and holds the watermark back: what comes twice after its
    windows have long closed would be too late to count even once more.
    """
    bug, behind = "bug:plain-counters", ("reviews", 3)
    notes = list(stream_of_records(15, RECORDS, details=0))
    held = [note for note in notes if (note.stream, note.partition) == behind][1:]
    kept_back = {note.id for note in held}
    with watched_run(instance) as (generator, verifier, fleet):
        for note in notes:
            if note.id not in kept_back:
                generator.send(note)
        generator.settle()
        for call in (3, 5, 4):
            doomed = instance.worker(faults=f"{bug},kill:observations-stored:{call}")
            assert doomed.wait(120) == KILLED, doomed.said()
        for note in held:
            generator.send(note)
        generator.settle()
        fleet.start(faults=bug)
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier, alert_seconds=5)
        assert report.repeated_observations > 0
        assert set(report.findings) == {"alerts"}, report.told()


@pytest.mark.timeout(300)
def test_a_snapshot_before_its_alert_is_found_by_the_missing_alert(instance: Instance) -> None:
    """Whoever dies between the two has forgotten the alert for good."""
    with watched_run(instance) as (generator, verifier, fleet):
        send_all(generator, seed=16, count=RECORDS)
        for _ in range(2):
            doomed = instance.worker(faults="bug:snapshot-first-and-die")
            assert doomed.wait(120) == KILLED, doomed.said()
        fleet.start()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier, alert_seconds=5)
        assert set(report.findings) == {"alerts"}, report.told()
        assert "missing" in report.told()
