"""Releases change places under load: nothing is lost, and every document is what its stamped release says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from models.registry import Registry
from tests.broker.changes import Changes
from tests.broker.fleet import Fleet, eventually
from tests.broker.generator import stream_of_records
from tests.broker.instance import Instance
from tests.broker.scenario import Feed, close_books, come_to_rest, until_scored, watched_run
from tests.models import altered

SWAPS = 4


def until_served(changes: Changes, fleet: Fleet, release: str) -> None:
    def served() -> bool:
        changes.read()
        return changes.newest() == {release}

    eventually(served, f"every partition is scored by {release}", seconds=90.0, told=fleet.said)


def test_swaps_under_load_lose_nothing_and_stamp_every_document_truly(
    new_instance: Callable[..., Instance], tiny_registry: Path, tmp_path: Path
) -> None:
    """Two workers; releases that give other numbers for the same text; at last one that is refused, and a rollback.

    The books hold the alerts, too, against those that the observations ask for: the watchers notice nothing.
    """
    registry = Registry(tmp_path / "registry")
    shutil.copytree(tiny_registry, registry.root)
    altered.hotter(registry.root, "hotter")
    altered.without_probabilities(registry.root, "nan")
    instance = new_instance(registry=registry.root)
    changes = Changes(instance.servers, instance.names, registry.root)
    with changes, watched_run(instance) as (generator, verifier, fleet):
        fleet.start(2)
        with Feed(generator, stream_of_records(31), per_second=80.0):
            until_scored(verifier, fleet, 100)
            for number in range(SWAPS):
                release = registry.promote(("hotter", "tiny")[number % 2])
                until_served(changes, fleet, release)
            registry.promote("nan")
            eventually(lambda: _refusals(fleet) == 2, "both workers refuse it", seconds=90.0, told=fleet.said)
            until_scored(verifier, fleet, 150)
            assert registry.rollback() == "tiny"
            until_scored(verifier, fleet, 150)
        come_to_rest(verifier, fleet)
        changes.read()
        report = close_books(instance, generator, verifier)
        assert fleet.exits == []
    assert not report.findings, report.told()
    assert report.repeats == 0
    assert changes.mis_stamped() == []
    assert changes.newest() == {"tiny"}
    assert min(changes.swaps()) >= SWAPS


def _refusals(fleet: Fleet) -> int:
    """How many workers have refused the release that says no numbers."""
    lines = [line for worker in fleet.workers for line in worker.log.read_text(errors="replace").splitlines()]
    return sum(json.loads(line).get("refused") == "nan" for line in lines if line.startswith("{"))
