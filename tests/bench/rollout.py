"""Releases change places under load: what is lost, mis-stamped, delayed; how long a way back takes.

    tocsin bench rollout [--swaps 100] [--per-second 200] [--real] [--workers 1] [--registry DIR]

Records flow through a worker on Apache Kafka while the champion moves, each time to a release that no worker has
loaded, and every tenth time back by a rollback. With ``--real`` every release is the registry's champion with other
temperatures; without, a tiny one. Afterwards the books are closed (lost, repeated, miscounted, alerts), every
scored record is held against what the release it names says of its text, and the pauses are measured: the longest
time without a scored record in the ten seconds after each move, and the time from a rollback to the last record
of the release that had to go, both by the broker's clock.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from deploy.kafka.kafka import running
from models.assembly import ensure_shipped
from models.registry import Registry
from models.release import Temperatures
from tests.broker.changes import Changes
from tests.broker.fleet import eventually
from tests.broker.generator import stream_of_records
from tests.broker.instance import Instance
from tests.broker.scenario import Feed, close_books, come_to_rest, until_scored, watched_run
from tests.models import altered
from tests.models.tiny import build_tiny_release

AFTER_MS = 10_000
ROLLBACK_EVERY = 10


def shelve(root: Path, real: Path | None, count: int) -> Registry:
    """A registry of ``count`` releases with numbers of their own."""
    registry = Registry(root)
    first = build_tiny_release(root, "r000") if real is None else linked(real, root / "r000")
    for number in range(1, count):
        temperature = Temperatures(sentiment=1.0 + 0.01 * number)
        linked(first, root / f"r{number:03}", temperatures=temperature)
    registry.promote("r000")
    return registry


def linked(release: Path, target: Path, **changes: Any) -> Path:
    """Another version over the same files, which take no further room."""
    target.mkdir(parents=True)
    for path in release.iterdir():
        if path.name != "manifest.json":
            os.link(path, target / path.name)
    (target / "manifest.json").write_bytes((release / "manifest.json").read_bytes())
    return altered.rewritten(target, version=target.name, **changes)


def pauses(changes: Changes, moved_ms: list[float]) -> dict[str, float]:
    """The longest time without any scored record after each move, against that in between."""
    stamps = np.array(sorted(mark.at_ms for marks in changes.marks.values() for mark in marks), np.float64)
    gaps, starts = np.diff(stamps), stamps[:-1]
    after, usual = [], np.ones(len(gaps), bool)
    for moment in moved_ms:
        near = (starts >= moment - 1000) & (starts < moment + AFTER_MS)
        usual &= ~near
        after.append(gaps[near].max(initial=0.0))
    return {
        "median_ms": round(float(np.median(after)), 1),
        "p99_ms": round(float(np.quantile(after, 0.99)), 1),
        "longest_ms": round(float(np.max(after)), 1),
        "longest_elsewhere_ms": round(float(gaps[usual].max(initial=0.0)), 1),
    }


def bench(servers: str, place: Path, given: argparse.Namespace) -> dict[str, Any]:
    real = None
    if given.real:
        ensure_shipped(given.registry)
        real = Registry(given.registry).resolve("champion")
    registry = shelve(place / "registry", real, given.swaps + 1)
    instance = Instance.create(servers, place / "instance", registry.root)
    changes = Changes(instance.servers, instance.names, registry.root)
    moved_ms: list[float] = []
    ways_back: list[float] = []
    with changes, watched_run(instance) as (generator, verifier, fleet):

        def serves(release: str) -> bool:
            changes.read()
            return changes.newest() == {release}

        fleet.start(given.workers)
        with Feed(generator, stream_of_records(57), per_second=given.per_second):
            until_scored(verifier, fleet, 500)
            for number in range(1, given.swaps + 1):
                back = number % ROLLBACK_EVERY == 0
                moved_ms.append(time.time() * 1000)
                release = registry.rollback() if back else registry.promote(f"r{number:03}")
                eventually(lambda: serves(release), f"{release} serves", seconds=180.0, told=fleet.said)  # noqa: B023
                if back:
                    left = [mark.at_ms for marks in changes.marks.values() for mark in marks if mark.release != release]
                    ways_back.append((max(left) - moved_ms[-1]) / 1000)
                sys.stderr.write(f"{number}: {release}\n")
            until_scored(verifier, fleet, 500)
        come_to_rest(verifier, fleet)
        changes.read()
        report = close_books(instance, generator, verifier)
        restarts = len(fleet.exits)
    swaps = changes.swaps()
    return {
        "swaps": given.swaps,
        "releases": "the champion's graphs, other temperatures" if given.real else "tiny",
        "workers": given.workers,
        "records": report.records,
        "findings": dict(report.counts),
        "repeats": report.repeats,
        "mis_stamped": len(changes.mis_stamped()),
        "swaps_seen_per_partition": [min(swaps), max(swaps)],
        "restarts": restarts,
        "pause_after_a_move": pauses(changes, moved_ms),
        "rollback_seconds": {"median": round(float(np.median(ways_back)), 2), "longest": round(max(ways_back), 2)},
        "seconds_between_moves": round(float(np.median([b - a for a, b in itertools.pairwise(moved_ms)])) / 1000, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--per-second", type=float, default=200.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--real", action="store_true", help="the champion's graphs instead of tiny ones")
    parser.add_argument("--registry", default="var/registry")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, running(Path(place) / "kafka") as node:
        report = bench(node.servers, Path(place), given)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
