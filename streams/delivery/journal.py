"""Which slab was being scored when the process died: attempts, kept on disk, per source partition.

A process that dies leaves its entries behind; the next one that reads the same offsets finds them. A slab that
was in hand at three deaths is suspect: its records are probed one by one, alone, and one that was in hand at
two more deaths is given up (dead-lettered). The files matter only after a death of the process, not of the
machine, so they are replaced atomically and not synced.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import msgspec
from msgspec import Struct

from streams import logs
from streams.delivery.slabs import Place, Slab

log = logs.get(__name__)

SUSPECT_AFTER = 3
"""Deaths with a slab in hand until its records are probed one by one."""
GUILTY_AFTER = 2
"""Deaths with one record in hand, alone, until it is given up."""
MOST_ENTRIES = 64
"""More than are ever in hand: older ones were committed after all, after a death that came too late to matter."""


class Entry(Struct, frozen=True):
    """A range of offsets that was begun and not ended ``attempts`` times."""

    start: int
    end: int
    attempts: int


class Page(Struct, frozen=True):
    """What the file of one partition holds. ``strikes`` counts deaths by offset, ``probing`` is in hand now."""

    entries: tuple[Entry, ...] = ()
    strikes: dict[str, int] = {}
    probing: int | None = None


class Journal:
    """The attempts of one group's workers on this host. Thread-safe; a partition has one worker at a time."""

    def __init__(self, directory: Path, group: str) -> None:
        self._directory = directory / "attempts" / quote(group, safe="")
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._pages: dict[Place, Page] = {}

    def begin(self, slab: Slab) -> int:
        """Enter ``slab`` and say which attempt this is, from 1. Overlapping entries count: slabs are cut anew."""
        with self._lock:
            page = self._page(slab.place)
            before = [entry for entry in page.entries if entry.start < slab.end and slab.start < entry.end]
            attempt = 1 + max((entry.attempts for entry in before), default=0)
            kept = [entry for entry in page.entries if entry not in before]
            entries = (*kept, Entry(slab.start, slab.end, attempt))[-MOST_ENTRIES:]
            self._write(slab.place, msgspec.structs.replace(page, entries=entries))
            return attempt

    def end(self, slab: Slab) -> None:
        """Strike ``slab``: it did not kill the process."""
        with self._lock:
            page = self._page(slab.place)
            entries = tuple(entry for entry in page.entries if not slab.start <= entry.start < slab.end)
            strikes = {offset: n for offset, n in page.strikes.items() if int(offset) >= slab.end}
            self._write(slab.place, msgspec.structs.replace(page, entries=entries, strikes=strikes))

    def probe(self, place: Place, offset: int) -> int:
        """One record of a suspect slab is taken in hand, alone: how many deaths it has had already."""
        with self._lock:
            page = self._page(place)
            self._write(place, msgspec.structs.replace(page, probing=offset))
            return page.strikes.get(str(offset), 0)

    def acquit(self, place: Place) -> None:
        """The record in hand survived, or its slab was dropped."""
        with self._lock:
            self._write(place, msgspec.structs.replace(self._page(place), probing=None))

    def taken(self, place: Place) -> None:
        """``place`` was assigned to this process: read what another one left, and count a death while probing."""
        with self._lock:
            page = self._read(place)
            if page.probing is not None:
                key = str(page.probing)
                page = Page(page.entries, {**page.strikes, key: page.strikes.get(key, 0) + 1})
                log.warning("the process died on one record", topic=place.topic, partition=place.partition, offset=key)
            self._write(place, page)

    def _page(self, place: Place) -> Page:
        return self._pages.get(place) or self._read(place)

    def _file(self, place: Place) -> Path:
        return self._directory / f"{quote(place.topic, safe='')}-{place.partition}.json"

    def _read(self, place: Place) -> Page:
        try:
            return msgspec.json.decode(self._file(place).read_bytes(), type=Page)
        except FileNotFoundError:
            return Page()
        except msgspec.MsgspecError:
            log.warning("an attempts file is unreadable, counting anew", file=str(self._file(place)))
            return Page()

    def _write(self, place: Place, page: Page) -> None:
        self._pages[place] = page
        file = self._file(place)
        # Workers that share a directory share the partition's file, so the staging name must be ours.
        staging = file.with_suffix(f".{os.getpid()}.tmp")
        staging.write_bytes(msgspec.json.encode(page))
        staging.replace(file)


def probe_each(
    journal: Journal, slab: Slab, offsets: list[int], work: Callable[[int], None], give_up: Callable[[int, int], None]
) -> None:
    """Run ``work`` on each offset of a suspect slab, or ``give_up(offset, deaths)`` on one that has killed before.

    Nothing else may run in the process meanwhile, so that a death convicts exactly one record.
    """
    for offset in offsets:
        deaths = journal.probe(slab.place, offset)
        if deaths >= GUILTY_AFTER:
            give_up(offset, deaths)
        else:
            work(offset)
    journal.acquit(slab.place)
