"""A release that is not what its manifest says stops a worker before it has touched anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.instance import Instance
from tests.broker.scenario import close_books, come_to_rest, send_all, watched_run
from tests.broker.tail import Groups

USAGE = 2


def flip_a_bit(release: Path) -> None:
    model = bytearray((release / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (release / "model.onnx").write_bytes(model)


def cut_short(release: Path) -> None:
    model = release / "model.onnx"
    model.write_bytes(model.read_bytes()[:-100])


def take_away(release: Path) -> None:
    (release / "tokenizer.json").unlink()


def without_manifest(release: Path) -> None:
    (release / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, take_away, without_manifest])
def test_a_corrupt_release_ends_the_worker_with_a_clear_error_and_nothing_committed(
    new_instance: Callable[..., Instance], tiny_registry: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Exit status 2: a restart would not mend it. With a whole release the same records are then scored."""
    registry = tmp_path / "registry"
    shutil.copytree(tiny_registry, registry, symlinks=True)
    damage(registry / "tiny")
    instance = new_instance(registry=registry)
    with watched_run(instance) as (generator, verifier, fleet), Groups(instance.servers) as groups:
        send_all(generator, seed=12, count=200)
        worker = instance.worker()
        assert worker.wait(120) == USAGE, worker.said()
        assert "Traceback" not in worker.said()
        assert any(name in worker.said() for name in ("release 'champion'", "tiny"))
        assert groups.committed(instance.names.group("score")) == {}
        shutil.rmtree(registry)
        shutil.copytree(tiny_registry, registry, symlinks=True)
        fleet.start()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert (report.scored, report.repeats) == (200, 0)
