"""The process between the topics and the file: what it does while there is no room, and what it forgets when."""

from __future__ import annotations

import sqlite3

import pytest
from prometheus_client import CollectorRegistry

from streams.archive import archivist
from streams.archive.archivist import Archivist
from streams.archive.entries import entry_of
from streams.archive.store import Batch
from streams.metrics import Metrics
from streams.settings import ArchiveSettings, Settings
from streams.web import Health
from tests.streams.archive.library import Room, scored

DAY_MS = 86_400_000


class Asked:
    """Says stop from the ``after``-th time on that it is asked."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def archivist_of(room: Room, stopped: Asked, **settings: float) -> tuple[Archivist, Health, Metrics]:
    health, metrics = Health(), Metrics.bind(CollectorRegistry())
    health.expect("broker", "disk")
    given = Settings(archive=ArchiveSettings.model_validate({"path": room.path, **settings}))
    return Archivist(given, room.archive, metrics, health, stopped), health, metrics


def test_a_full_disk_is_waited_for_with_the_batch_in_hand(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archivist, "FIRST_PAUSE_SECONDS", 0.01)
    one, health, _ = archivist_of(room, Asked(1_000))
    batch = Batch([entry_of(scored(n), 1) for n in range(3)], [], {("scored", 0): 3})
    take, waited = room.archive.take, list[bool]()

    def full_at_first(batch: Batch) -> object:
        if len(waited) < 3:
            waited.append(health.conditions["disk"])
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return take(batch)

    monkeypatch.setattr(room.archive, "take", full_at_first)
    taken = one.keep(batch)
    assert taken is not None
    assert taken.new == 3
    assert waited[1:] == [False, False], "meanwhile it says that the disk is what it lacks"
    assert health.conditions["disk"]


def test_told_to_stop_while_there_is_no_room_it_keeps_nothing(room: Room) -> None:
    one, health, _ = archivist_of(room, Asked(0))
    room.archive._db.execute("PRAGMA max_page_count = 30")
    slab = [entry_of(scored(n, text="kettle " * 900), 1) for n in range(300)]
    assert one.keep(Batch(slab, [], {("scored", 0): 300})) is None
    assert not health.conditions["disk"]
    assert room.archive.offsets() == {}


def test_what_is_too_old_is_forgotten_and_counted(room: Room) -> None:
    one, _, metrics = archivist_of(room, Asked(1_000), keep_days=2)
    now = archivist._now_ms()
    room.keep(*(scored(n) for n in range(7)), stored_ms=now - 3 * DAY_MS)
    room.keep(scored(8), stored_ms=now - DAY_MS)
    one.prune()
    assert room.archive.figures().documents == 1
    assert metrics.archive_pruned.labels("age")._value.get() == 7
