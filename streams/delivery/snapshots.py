"""Where the watchers' snapshots are kept: the state topic, or a directory for the embedded broker.

A snapshot is dropped rather than trusted: chunks carry its id, the manifest comes last and has the digest.
Two slots are written in turn, so that the previous snapshot stays whole until the next one is. In the topic
the *note* (the metadata of the committed input offset) says where a snapshot begins; without a usable note the
partition of the topic is searched.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import aiokafka
import msgspec
from aiokafka.structs import TopicPartition
from msgspec import Struct

from streams import logs
from streams.delivery.outputs import BATCH_BYTES, Output, Outputs

log = logs.get(__name__)

CHUNK_BYTES = BATCH_BYTES - 10_000
SLOTS = 2
ID_HEADER = "snapshot"


class Snapshot(Struct, frozen=True):
    """The state of one observations partition up to its input offset ``offset`` (excluded)."""

    partition: int
    offset: int
    partitions: int
    data: bytes
    slot: int = 0


class Manifest(Struct, frozen=True):
    """What closes a snapshot. ``partitions`` is the observations topic's count when it was taken."""

    id: str
    partition: int
    offset: int
    partitions: int
    slot: int
    chunks: int
    sha256: str
    v: int = 1


class Note(Struct, frozen=True):
    """Commit metadata of an observations partition: where its newest snapshot begins in the state topic."""

    state_offset: int = -1


class SnapshotStore(Protocol):
    """Keeps the newest snapshots of each partition."""

    async def save(self, snapshot: Snapshot) -> str:
        """Keep ``snapshot`` durably; the returned note is committed with its offset."""

    async def newest(self, partition: int, note: str) -> Snapshot | None:
        """The newest whole snapshot of ``partition``, or ``None``."""


class DirectorySnapshots:
    """One file per slot, replaced atomically. Offsets of an embedded broker die with it, so it starts empty."""

    def __init__(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._directory = directory

    async def save(self, snapshot: Snapshot) -> str:
        file = self._directory / f"{snapshot.partition}-{snapshot.slot}"
        staging = file.with_suffix(".tmp")
        staging.write_bytes(msgspec.msgpack.encode(snapshot))
        staging.replace(file)
        return ""

    async def newest(self, partition: int, note: str) -> Snapshot | None:
        found = []
        for file in sorted(self._directory.glob(f"{partition}-[0-9]")):
            try:
                found.append(msgspec.msgpack.decode(file.read_bytes(), type=Snapshot))
            except msgspec.MsgspecError:
                log.warning("a snapshot file is unreadable", file=str(file))
        return max(found, key=lambda snapshot: snapshot.offset, default=None)


class TopicSnapshots:
    """Snapshots in the compacted topic ``topic``; ``connection`` are aiokafka's options for reading it."""

    def __init__(self, topic: str, partitions: int, outputs: Outputs, connection: Mapping[str, Any]) -> None:
        self._topic = topic
        self._partitions = partitions
        self._outputs = outputs
        self._connection = dict(connection)

    async def save(self, snapshot: Snapshot) -> str:
        packed = zlib.compress(snapshot.data, 1)
        chunks = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)] or [b""]
        identity = uuid.uuid4().hex
        headers = [(ID_HEADER, identity.encode())]
        manifest = Manifest(
            id=identity,
            partition=snapshot.partition,
            offset=snapshot.offset,
            partitions=snapshot.partitions,
            slot=snapshot.slot,
            chunks=len(chunks),
            sha256=hashlib.sha256(packed).hexdigest(),
        )
        name = f"{snapshot.partition}/{snapshot.slot}"
        place = snapshot.partition % self._partitions
        first = -1
        for at, chunk in enumerate(chunks):
            offset = await self._outputs.deliver_one(
                Output(self._topic, place, f"{name}/{at}".encode(), chunk, headers)
            )
            first = offset if at == 0 else first
        await self._outputs.deliver_one(
            Output(self._topic, place, f"{name}/manifest".encode(), msgspec.json.encode(manifest), headers)
        )
        return msgspec.json.encode(Note(first)).decode()

    async def newest(self, partition: int, note: str) -> Snapshot | None:
        place = TopicPartition(self._topic, partition % self._partitions)
        consumer = aiokafka.AIOKafkaConsumer(
            **self._connection, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=200
        )
        await consumer.start()
        try:
            consumer.assign([place])
            begins = (await consumer.beginning_offsets([place]))[place]
            end = (await consumer.end_offsets([place]))[place]
            known = _noted(note)
            if begins <= known < end:
                found = await _read(consumer, place, known, end, partition)
                if found is not None:
                    return found
            log.info("searching the state topic for a snapshot", partition=partition, records=end - begins)
            return await _read(consumer, place, begins, end, partition)
        finally:
            await consumer.stop()


def _noted(note: str) -> int:
    try:
        return msgspec.json.decode(note or "{}", type=Note).state_offset
    except msgspec.MsgspecError:
        return -1


async def _read(consumer: Any, place: TopicPartition, start: int, end: int, partition: int) -> Snapshot | None:
    """The whole snapshot of ``partition`` with the highest input offset between ``start`` and ``end``."""
    consumer.seek(place, start)
    chunks: dict[tuple[str, int], bytes] = {}
    best: Snapshot | None = None
    while await consumer.position(place) < end:
        for batch in (await consumer.getmany(place, timeout_ms=1000)).values():
            for record in batch:
                owner, _, rest = (record.key or b"").decode(errors="replace").partition("/")
                if owner != str(partition) or not record.value:
                    continue
                identity = dict(record.headers).get(ID_HEADER, b"").decode(errors="replace")
                part = rest.rpartition("/")[2]
                if part != "manifest":
                    if part == "0":
                        chunks.clear()  # what an earlier one left without a manifest is of no use
                    chunks[identity, int(part) if part.isdigit() else -1] = record.value
                    continue
                whole = _join(record.value, identity, chunks)
                if whole is not None and (best is None or whole.offset >= best.offset):
                    best = whole
                chunks.clear()
    return best


def _join(value: bytes, identity: str, chunks: Mapping[tuple[str, int], bytes]) -> Snapshot | None:
    try:
        manifest = msgspec.json.decode(value, type=Manifest)
        packed = b"".join(chunks[identity, at] for at in range(manifest.chunks))
        if manifest.id != identity or hashlib.sha256(packed).hexdigest() != manifest.sha256:
            raise ValueError("the digest differs")
        data = zlib.decompress(packed)
    except (msgspec.MsgspecError, KeyError, ValueError, zlib.error) as exc:
        log.info("an incomplete snapshot was passed over", reason=repr(exc)[:120])
        return None
    return Snapshot(manifest.partition, manifest.offset, manifest.partitions, data, manifest.slot)
