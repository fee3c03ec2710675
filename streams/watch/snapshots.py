"""A watcher as bytes: an uncompressed .npz of its arrays beside a msgpack manifest. No pickle anywhere.

Equal watchers write equal bytes. A snapshot may always be dropped: the log rebuilds the watcher.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streams.errors import SnapshotError
from streams.watch.evidence import Testimony
from streams.watch.folding import COLUMNS
from streams.watch.heights import Heights
from streams.watch.lifecycle import Incident
from streams.watch.memory import Remembered
from streams.watch.silence import Pulse
from streams.watch.slots import Slots
from streams.watch.windows import Item

if TYPE_CHECKING:
    from streams.watch.watcher import Watcher

FORMAT = 8
MANIFEST = "manifest"


class Manifest(Struct):
    """Everything of a watcher that is not an array."""

    format: int
    partition: int
    window_seconds: int
    marks: list[tuple[str, int, int]]
    highs: list[tuple[str, int, int | None]]
    open_ms: int | None
    mark_ms: int
    last_ms: int
    rows: int
    head: int
    late: int
    too_late: int
    refused: int
    forced: int
    forgotten: int
    release: str
    names: list[str | None]
    waiting: list[Item]
    witnesses: list[dict[int, Testimony]]
    memory: list[tuple[int, int, list[Remembered]]]
    height_days: tuple[int, int | None]
    pulses: dict[str, Pulse]
    silences: dict[str, Incident]
    hushed: bool
    incidents: list[tuple[int, Incident]]
    orphans: list[Incident]


def written(watcher: Watcher) -> bytes:
    """The bytes of ``watcher``."""
    table, top = watcher.table, watcher.table.slots.top
    manifest = Manifest(
        format=FORMAT,
        partition=watcher.partition,
        window_seconds=watcher.watch.window_seconds,
        marks=sorted((topic, partition, mark) for (topic, partition), mark in watcher.sources.marks.items()),
        highs=[(*source, high) for source, high in sorted(watcher.sources.highs.items(), key=lambda pair: pair[0])],
        open_ms=watcher.open_ms,
        mark_ms=watcher.mark_ms,
        last_ms=watcher.last_ms,
        rows=watcher.rows,
        head=table.state.head,
        late=watcher.late,
        too_late=watcher.too_late,
        refused=watcher.refused,
        forced=watcher.forced,
        forgotten=watcher.stories.forgotten,
        release=watcher.release,
        names=table.slots.names,
        waiting=watcher.waiting.all(),
        witnesses=[dict(sorted(window.items())) for window in watcher.witnesses.windows],
        memory=watcher.memory.entries(),
        height_days=(watcher.heights.day, watcher.heights.first_day),
        pulses=dict(sorted(watcher.silences.pulses.items())),
        silences=dict(sorted(watcher.silences.open.items())),
        hushed=watcher.hushed,
        incidents=[(slot, incident) for (_, slot), incident in sorted(watcher.incidents.open.items(), key=_by_key)],
        orphans=watcher.incidents.orphans,
    )
    arrays: dict[str, NDArray[Any]] = {
        MANIFEST: np.frombuffer(_encoder.encode(manifest), np.uint8),
        "open_y": table.open_y[:top],
        "open_n": table.open_n[:top],
        "heard_ms": table.heard_ms[:top],
        "heights": watcher.heights.table[:, :top],
    }
    for name, array in table.state.arrays().items():
        arrays[f"state_{name}"] = array[..., :top]
    for name, array in watcher.stories.entries().items():
        arrays[f"story_{name}"] = array
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def read_into(watcher: Watcher, data: bytes) -> None:
    """Fill ``watcher``, which is new, from ``data``.

    Incidents of a rule that has another version now, or is gone, become orphans: they are resolved with the
    next message.

    Raises:
        SnapshotError: the bytes are damaged, or of another format, partition or window size.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        manifest = _decoder.decode(arrays.pop(MANIFEST).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, msgspec.DecodeError) as exc:
        raise SnapshotError(f"the snapshot of partition {watcher.partition} cannot be read: {exc}") from exc
    asked = (FORMAT, watcher.partition, watcher.watch.window_seconds)
    found = (manifest.format, manifest.partition, manifest.window_seconds)
    if asked != found:
        raise SnapshotError(f"the snapshot has (format, partition, window_seconds) {found}; this watcher is {asked}")
    try:
        _fill_table(watcher, manifest, arrays)
    except (KeyError, ValueError, IndexError) as exc:
        raise SnapshotError(f"the snapshot of partition {watcher.partition} lacks or bends an array: {exc}") from exc
    watcher.sources.marks = {(topic, partition): mark for topic, partition, mark in manifest.marks}
    watcher.sources.highs = {(topic, partition): high for topic, partition, high in manifest.highs}
    watcher.open_ms, watcher.mark_ms, watcher.last_ms = manifest.open_ms, manifest.mark_ms, manifest.last_ms
    watcher.rows, watcher.release = manifest.rows, manifest.release
    watcher.late, watcher.too_late = manifest.late, manifest.too_late
    watcher.refused, watcher.forced = manifest.refused, manifest.forced
    watcher.stories.forgotten = manifest.forgotten
    watcher.waiting.add(manifest.waiting)
    watcher.witnesses.windows.extend(manifest.witnesses)
    watcher.silences.pulses, watcher.silences.open = manifest.pulses, manifest.silences
    watcher.hushed = manifest.hushed
    for entry in manifest.memory:
        watcher.memory.put_back(*entry)
    _adopt(watcher, manifest)


def _fill_table(watcher: Watcher, manifest: Manifest, arrays: dict[str, NDArray[Any]]) -> None:
    table, top = watcher.table, len(manifest.names)
    table.slots = Slots.restored(watcher.watch.max_series, manifest.names)
    table.make_room(top)
    for slot, name in enumerate(manifest.names):
        if name is not None:
            table.cover(slot, name)
    table.open_y[:top] = arrays["open_y"]
    table.open_n[:top] = arrays["open_n"]
    table.heard_ms[:top] = arrays["heard_ms"]
    for name, array in table.state.arrays().items():
        place = array[..., :top]
        place[...] = arrays[f"state_{name}"]
    table.state.pool_tails()
    table.state.head = manifest.head
    watcher.heights = Heights(len(table.open_y))
    watcher.heights.table[:, :top] = arrays["heights"]
    watcher.heights.day, watcher.heights.first_day = manifest.height_days
    watcher.stories.put_back({name: arrays[f"story_{name}"] for name in COLUMNS})


def _adopt(watcher: Watcher, manifest: Manifest) -> None:
    numbers = {(rule.name, rule.version): number for number, rule in enumerate(watcher.rules)}
    watcher.incidents.orphans = manifest.orphans
    for slot, incident in manifest.incidents:
        number = numbers.get((incident.rule, incident.rule_version))
        if number is not None:
            watcher.incidents.open[number, slot] = incident
        elif incident.state != "resolved":
            watcher.incidents.orphans.append(incident)


def _by_key(pair: tuple[tuple[int, int], Incident]) -> tuple[int, int]:
    return pair[0]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Manifest)
