"""The long fault campaign: `make campaign`, or `python -m tests.broker.campaign --help`.

Two workers under a steady load; one after the other a worker is killed with -9 or the
broker is killed or stopped, at random moments of the work. At the end the books are closed as in the tests.
Progress goes to standard error, the summary as JSON to standard output; exit status 1 where anything was found.
Ctrl-C or TERM cut it short: no more records, no more faults, and the books are closed over what there was.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.kafka.kafka import KafkaNode, running
from models.registry import Registry
from tests.broker.fleet import KILLED, Fleet
from tests.broker.generator import Note, stream_of_records
from tests.broker.instance import Instance
from tests.broker.scenario import Feed, close_books, come_to_rest
from tests.broker.verifier import Lookout, Verifier
from tests.models.tiny import build_tiny_release

STEP_MS = 4_000
"""Event time between two records: the campaign's 1.8 million last for 83 days."""


_over = threading.Event()


@dataclass
class Plan:
    """How long and how bad. ``gap`` is the mean of records scored between two faults, each at a random place in it."""

    records: int
    worker_kills: int
    broker_ends: int
    per_second: float
    workers: int
    seed: int

    @property
    def gap(self) -> float:
        return self.records / (self.worker_kills + self.broker_ends + 1)


def faults(plan: Plan) -> list[str]:
    """The faults in a seeded order. A third of the broker's ends are clean stops, the others -9."""
    stops = plan.broker_ends // 3
    ends = ["worker"] * plan.worker_kills + ["stop"] * stops + ["kill"] * (plan.broker_ends - stops)
    random.Random(plan.seed).shuffle(ends)
    return ends


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def until(verifier: Verifier, fleet: Fleet, goal: int, seconds: float) -> None:
    """Wait for ``goal`` scored records; workers that ended are started again."""
    deadline = time.monotonic() + seconds
    while verifier.scored < goal and not _over.is_set():
        if time.monotonic() > deadline:
            raise SystemExit(f"no progress for {seconds:.0f} s at {verifier.scored} records:\n{fleet.said()}")
        fleet.mend()
        time.sleep(0.1)


def strike(fault: str, node: KafkaNode, fleet: Fleet, dice: random.Random) -> None:
    if fault == "worker":
        fleet.kill(dice.randrange(len(fleet.workers)))
        fleet.mend()
    else:
        node.stop() if fault == "stop" else node.kill()
        time.sleep(dice.uniform(0.0, 4.0))  # how long it is away
        node.start()


def wreck(plan: Plan, node: KafkaNode, verifier: Verifier, fleet: Fleet) -> Counter[str]:
    """All faults of the plan, spread over the work; returns what was done."""
    dice = random.Random(plan.seed + 1)
    done: Counter[str] = Counter()
    for number, fault in enumerate(faults(plan), start=1):
        until(verifier, fleet, int(plan.gap * (number - dice.random())), seconds=300)
        if _over.is_set():
            break
        strike(fault, node, fleet, dice)
        done[fault] += 1
        report = verifier.books.report
        say(f"fault {number}: {fault}; scored {report.scored}, repeated {report.repeats}, {dict(report.counts)}")
    return done


@contextmanager
def instance_on(node: KafkaNode, folder: Path) -> Iterator[Instance]:
    registry = folder / "registry"
    registry.mkdir()
    Registry(registry).promote(build_tiny_release(registry).name)
    yield Instance.create(node.servers, folder / "instance", registry)


def run(plan: Plan, folder: Path) -> int:
    begun = time.monotonic()
    with running(folder / "kafka") as node, instance_on(node, folder) as instance:
        verifier = instance.verifier()
        notes: Iterator[Note] = stream_of_records(plan.seed, plan.records, step_ms=STEP_MS)
        with instance.generator() as generator, instance.fleet() as fleet, Lookout(verifier, every_seconds=1.0):
            fleet.start(plan.workers)
            with Feed(generator, notes, plan.per_second) as feed:
                done = wreck(plan, node, verifier, fleet)
                say("no more faults; the rest of the records")
                while feed.is_alive() and not _over.is_set():
                    fleet.mend()
                    feed.join(timeout=0.5)
            come_to_rest(verifier, fleet, seconds=1800)
            report = close_books(instance, generator, verifier, alert_seconds=300)
            exits = Counter(fleet.exits)
            stops = fleet.stop()
            alerts, repeated_alerts = len(verifier.books.alerts), verifier.books.repeated_alerts
        verifier.close()
    summary = {
        **report.summary(),
        "faults": dict(done),
        "worker_exits": {str(status): count for status, count in exits.items()},
        "killed": exits[KILLED],
        "last_stops": stops,
        "transitions": alerts,
        "repeated_alerts": repeated_alerts,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "harness_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "cut_short": _over.is_set(),
        "clean": not report.findings,
    }
    json.dump(summary, sys.stdout, indent=1)
    sys.stdout.write("\n")
    if report.findings:
        say(report.told())
    return 0 if not report.findings else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill workers and broker again and again, and count.")
    parser.add_argument("--records", type=int, default=1_800_000)
    parser.add_argument("--worker-kills", type=int, default=100)
    parser.add_argument("--broker-ends", type=int, default=30, help="a third of them clean stops")
    parser.add_argument("--per-second", type=float, default=1500.0, help="records sent")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the broker's files and the workers' logs here")
    given = vars(parser.parse_args())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _over.set())
    folder = given.pop("folder")
    if folder is not None:
        folder.mkdir(parents=True)
        return run(Plan(**given), folder)
    with tempfile.TemporaryDirectory(prefix="tocsin-campaign-") as scratch:
        return run(Plan(**given), Path(scratch))


if __name__ == "__main__":
    sys.exit(main())
