"""Snapshots in a directory, and how one is put together again from the state topic's records."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import msgspec

from streams.delivery.snapshots import DirectorySnapshots, Manifest, Snapshot, _join, _noted


async def test_the_snapshot_with_the_highest_offset_is_the_newest(tmp_path: Path) -> None:
    store = DirectorySnapshots(tmp_path / "watch")
    await store.save(Snapshot(1, 10, 4, b"older", slot=0))
    await store.save(Snapshot(1, 20, 4, b"newer", slot=1))
    await store.save(Snapshot(2, 99, 4, b"another partition", slot=0))
    found = await store.newest(1, "")
    assert found is not None
    assert (found.offset, found.data) == (20, b"newer")


async def test_a_slot_is_written_over(tmp_path: Path) -> None:
    store = DirectorySnapshots(tmp_path / "watch")
    for offset in (10, 20, 30):
        await store.save(Snapshot(1, offset, 4, b"x", slot=(offset // 10 - 1) % 2))
    assert len(list((tmp_path / "watch").iterdir())) == 2


async def test_a_damaged_file_leaves_the_other_slot(tmp_path: Path) -> None:
    store = DirectorySnapshots(tmp_path / "watch")
    await store.save(Snapshot(1, 10, 4, b"whole", slot=0))
    await store.save(Snapshot(1, 20, 4, b"damaged", slot=1))
    (tmp_path / "watch" / "1-1").write_bytes(b"\x81\xa9")
    found = await store.newest(1, "")
    assert found is not None
    assert found.data == b"whole"


async def test_offsets_of_an_earlier_broker_are_forgotten(tmp_path: Path) -> None:
    await DirectorySnapshots(tmp_path / "watch").save(Snapshot(1, 10, 4, b"x"))
    assert await DirectorySnapshots(tmp_path / "watch").newest(1, "") is None


def _manifest(packed: bytes, chunks: int) -> bytes:
    return msgspec.json.encode(
        Manifest("me", 1, 10, 4, slot=0, chunks=chunks, sha256=hashlib.sha256(packed).hexdigest())
    )


def test_chunks_are_joined_when_all_are_there_and_whole() -> None:
    packed = zlib.compress(b"state " * 1000)
    chunks = {("me", 0): packed[:10], ("me", 1): packed[10:]}
    joined = _join(_manifest(packed, 2), "me", chunks)
    assert joined == Snapshot(1, 10, 4, b"state " * 1000)


def test_a_missing_a_changed_and_a_foreign_chunk_make_no_snapshot() -> None:
    packed = zlib.compress(b"state " * 1000)
    manifest = _manifest(packed, 2)
    assert _join(manifest, "me", {("me", 0): packed[:10]}) is None
    assert _join(manifest, "me", {("me", 0): packed[:10], ("me", 1): packed[11:]}) is None
    assert _join(manifest, "me", {("me", 0): packed[:10], ("other", 1): packed[10:]}) is None
    assert _join(b"{", "me", {}) is None


def test_a_note_of_another_hand_points_nowhere() -> None:
    assert _noted("") == _noted("hello") == _noted("[1, 2]") == -1
    assert _noted('{"state_offset": 12}') == 12
