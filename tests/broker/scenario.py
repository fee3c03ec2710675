"""How a test runs: records flow in, something goes wrong, everything comes to rest, the books are closed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from tests.broker.books import Report
from tests.broker.fleet import Fleet, eventually
from tests.broker.generator import Generator, Note, stream_of_records
from tests.broker.instance import PARTITIONS, Instance
from tests.broker.oracle import differences, expected_alerts
from tests.broker.verifier import Lookout, Verifier

BURST = 50


class Feed(threading.Thread):
    """Sends records at a pace in the background, until they or the ``with`` block have come to an end."""

    def __init__(self, generator: Generator, notes: Iterator[Note], per_second: float) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._generator = generator
        self._notes = notes
        self._per_second = per_second
        self._over = threading.Event()

    def __enter__(self) -> Feed:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        begun = time.monotonic()
        while burst := list(islice(self._notes, BURST)):
            for note in burst:
                self._generator.send(note)
            self.sent += len(burst)
            if self._over.wait(max(0.0, begun + self.sent / self._per_second - time.monotonic())):
                return


@contextmanager
def watched_run(instance: Instance) -> Iterator[tuple[Generator, Verifier, Fleet]]:
    """A generator, a verifier that polls all the while, and a fleet not started yet."""
    verifier = instance.verifier()
    try:
        with instance.generator() as generator, instance.fleet() as fleet, Lookout(verifier):
            yield generator, verifier, fleet
    finally:
        verifier.close()


def send_all(generator: Generator, seed: int, count: int) -> None:
    """Send ``count`` records at once and wait for their acknowledgements."""
    for note in stream_of_records(seed, count):
        generator.send(note)
    generator.settle()


def come_to_rest(
    verifier: Verifier, fleet: Fleet, seconds: float = 150.0, mend: Callable[[], object] | None = None
) -> None:
    """Wait until every record is scored or dead-lettered, observed, and heard by the watchers."""
    restart = mend or fleet.mend
    eventually(lambda: verifier.behind() == 0, "all records processed", seconds=seconds, every=0.5,
               meanwhile=restart, told=fleet.said)  # fmt: skip
    eventually(verifier.watched, "all observations watched", seconds=seconds, every=0.5,
               meanwhile=restart, told=fleet.said)  # fmt: skip


def close_books(instance: Instance, generator: Generator, verifier: Verifier, *, alert_seconds: float = 30.0) -> Report:
    """The verifier's report; alerts that are missing, false or different are among its findings."""
    report = verifier.judge(generator.settle())
    deadline = time.monotonic() + alert_seconds
    while True:
        verifier.poll()  # alerts first: what they follow from is in the log by then
        found = dict(verifier.books.alerts)
        expected = expected_alerts(instance.servers, instance.names, instance.config, PARTITIONS)
        told = differences(found, expected)
        if not told or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    for what in told:
        report.find("alerts", what)
    return report


def until_scored(verifier: Verifier, fleet: Fleet, more: int, seconds: float = 120.0) -> None:
    """Wait until ``more`` further records are scored: the load is moving."""
    goal = verifier.scored + more
    eventually(lambda: verifier.scored >= goal, f"{more} more records scored", seconds=seconds, every=0.05,
               meanwhile=fleet.mend, told=fleet.said)  # fmt: skip


def kill_at_random(
    dice: random.Random, verifier: Verifier, fleet: Fleet, kills: int, *, least: int = 50, most: int = 500
) -> None:
    """-9 for random workers, each time at a random moment of the work."""
    for _ in range(kills):
        until_scored(verifier, fleet, dice.randint(least, most))
        fleet.kill(dice.randrange(len(fleet.workers)))
        fleet.mend()
