"""The file: what goes in goes in once, and what cannot be is refused in words that help."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from streams.archive import schema
from streams.archive.shelves import SqliteShelves
from streams.archive.sqlite import PRUNED_AT_ONCE, SqliteArchive, is_full
from streams.archive.store import Filters, Pruned
from streams.errors import InputError, SettingsError
from tests.streams.archive.library import MONDAY, NOW, Room, scored
from tests.streams.notify.receiving import transition

DAY = 86_400_000


def rows(room: Room, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(room.path)
    found = db.execute(sql).fetchall()
    db.close()
    return found


def pruned_to_the_end(room: Room, before_ms: int, most_bytes: int) -> None:
    for _ in range(1_000):
        if room.archive.prune(before_ms, most_bytes).done:
            return
    raise AssertionError("there is always something left to prune")


def whole(room: Room) -> None:
    """The file is sound, and every index says what the tables say."""
    db = sqlite3.connect(room.path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    for index in ("words", "alert_words"):
        db.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
    (documents,) = db.execute("SELECT count(*) FROM documents").fetchone()
    assert db.execute(
        "SELECT count(*) FROM sightings WHERE document NOT IN (SELECT number FROM documents)"
    ).fetchone() == (0,)
    assert db.execute(
        "SELECT count(*) FROM vectors WHERE document NOT IN (SELECT number FROM documents)"
    ).fetchone() == (0,)
    assert documents == db.execute("SELECT count(DISTINCT stream || char(0) || id) FROM documents").fetchone()[0]
    db.close()


def test_a_document_that_comes_again_is_there_once(room: Room) -> None:
    assert room.keep(scored(1, vector=[1, 0]), scored(1, vector=[1, 0]), scored(2)).new == 2
    again = room.keep(scored(1), scored(2))
    assert (again.new, again.replaced, again.same) == (0, 0, 2)
    assert rows(room, "SELECT id FROM documents ORDER BY id") == [("d1",), ("d2",)]
    whole(room)


def test_what_a_later_release_says_takes_the_place_of_what_an_earlier_said(room: Room) -> None:
    room.keep(scored(1, "Kettles burst", about=[("acme", "negative")], vector=[1, 0]))
    taken = room.keep(scored(1, "Kettles burst", mood="negative", release="r2", vector=[0, 1]), stored_ms=NOW + 1)
    assert (taken.new, taken.replaced) == (0, 1)
    late = room.keep(scored(1, "Kettles burst", release="r0"), stored_ms=NOW)
    assert late.same == 1, "what was scored earlier and read later is no news"
    assert rows(room, "SELECT release, mood FROM documents") == [("r2", 0)]
    assert rows(room, "SELECT release FROM vectors") == [("r2",)]
    with room.open() as shelves:
        assert len(shelves.matching('"kettle"', Filters(), 10)) == 1
    whole(room)


def test_one_id_in_two_streams_is_two_documents(room: Room) -> None:
    assert room.keep(scored(1, id="7"), scored(2, id="7", stream="reviews")).new == 2


def test_a_batch_goes_in_whole_or_not_at_all(room: Room) -> None:
    room.keep(scored(1), offsets={("scored", 0): 1})
    bad = scored(2, title="\ud800")  # cannot be written as UTF-8
    with pytest.raises(UnicodeEncodeError):
        room.keep(scored(3), bad, offsets={("scored", 0): 3})
    assert room.archive.offsets() == {("scored", 0): 1}
    assert rows(room, "SELECT id FROM documents") == [("d1",)]
    assert room.keep(scored(3), offsets={("scored", 0): 3}).new == 1
    whole(room)


def test_the_old_goes_and_its_traces_with_it(room: Room) -> None:
    old = [scored(n, "Old kettles", about=[("gone", "neutral")], vector=[1, 0]) for n in range(PRUNED_AT_ONCE + 30)]
    room.keep(
        *old, alerts=[transition(alert_id="over", state="resolved", ends_at="2026-11-22T08:00:00Z")], stored_ms=NOW
    )
    room.keep(scored(9_000, "New kettles"), alerts=[transition(alert_id="rings")], stored_ms=NOW)
    room.keep(scored(9_001, "Newer kettles"), stored_ms=NOW + DAY)
    assert room.archive.prune(NOW, 1 << 40) == Pruned()
    assert room.archive.prune(NOW + 1, 1 << 40) == Pruned(aged=PRUNED_AT_ONCE, done=False)
    assert room.archive.prune(NOW + 1, 1 << 40) == Pruned(aged=31, done=False)
    pruned_to_the_end(room, NOW + 1, 1 << 40)
    assert rows(room, "SELECT title FROM documents") == [("Newer kettles",)]
    assert rows(room, "SELECT count(*) FROM vectors") == [(0,)]
    assert rows(room, "SELECT name FROM series WHERE name LIKE 'entity:%'") == []
    assert rows(room, "SELECT alert_id FROM alerts") == [("rings",)], "what still rings is kept"
    with room.open() as shelves:
        assert len(shelves.matching('"kettle"', Filters(), 100)) == 1
    whole(room)


def test_a_file_that_grows_beyond_its_size_loses_the_oldest(room: Room) -> None:
    text = " ".join(f"word{n}" for n in range(150))
    for slab in range(12):
        room.keep(*(scored(slab * 500 + n, text=f"{n} {text}") for n in range(500)), stored_ms=NOW + slab)
    most = 4_000_000
    assert room.archive.figures().bytes > most
    pruned_to_the_end(room, 0, most)
    figures = room.archive.figures()
    assert figures.bytes <= most
    assert figures.documents >= 1_000, "it did not throw out more than it had to"
    assert rows(room, "SELECT min(stored_ms) > ? FROM documents".replace("?", str(NOW))) == [(1,)]
    room.close()
    assert room.path.stat().st_size < 1.2 * most, "what was freed goes back to the disk"
    whole(room)


def test_offsets_of_another_cluster_are_dropped_and_the_documents_kept(room: Room) -> None:
    assert room.archive.belongs_to("one")
    room.keep(scored(1), offsets={("scored", 0): 1})
    assert not room.archive.belongs_to("two")
    assert room.archive.offsets() == {}
    assert room.archive.figures().documents == 1
    assert not room.archive.belongs_to("three", forget_all=True)
    assert room.archive.figures().documents == 0


def test_there_is_one_writer(room: Room) -> None:
    with pytest.raises(SettingsError, match="another process writes it"):
        SqliteArchive(room.path)


def test_a_newer_file_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.close()
    db = sqlite3.connect(room.path)
    db.execute(f"PRAGMA user_version = {len(schema.STEPS) + 1}")
    db.close()
    with pytest.raises(SettingsError, match="written by a newer tocsin"):
        SqliteArchive(room.path)
    with pytest.raises(SettingsError, match="written by a newer tocsin"):
        SqliteShelves(room.path)
    other = tmp_path / "other.sqlite"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE things (a)")
    db.close()
    with pytest.raises(SettingsError, match="a database of something else"):
        SqliteArchive(other)
    assert Room(tmp_path / "fresh").archive.figures().documents == 0


def test_a_broken_file_is_named_and_told_what_to_do_about(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.sqlite"
    garbage.write_bytes(b"no database, " * 1_000)
    with pytest.raises(SettingsError, match=r"is broken .* move it away"):
        SqliteArchive(garbage)
    room = Room(tmp_path)
    room.keep(*(scored(n, text="kettle " * 200) for n in range(500)))
    room.close()
    size = room.path.stat().st_size
    with room.path.open("r+b") as file:
        for place in range(8_192, size, 4_096):
            file.seek(place)
            file.write(b"\xff" * 2_048)
    with pytest.raises(SettingsError, match=r"is broken .* move it away"):
        Room(tmp_path).keep(*(scored(n, text="pan " * 200) for n in range(500)), stored_ms=NOW + 1)
    with pytest.raises(InputError, match="is broken"), SqliteShelves(room.path) as shelves:
        shelves.fetch(shelves.matching('"kettle"', Filters(), 10))


def test_a_full_disk_keeps_nothing_of_a_batch_and_takes_it_when_there_is_room(room: Room) -> None:
    room.keep(scored(0), offsets={("scored", 0): 1})
    db = room.archive._db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages + 4}")  # SQLite's own word for no space left
    slab = [scored(n, text="kettle " * 300) for n in range(1, 300)]
    with pytest.raises(sqlite3.OperationalError) as caught:
        room.keep(*slab, offsets={("scored", 0): 300})
    assert is_full(caught.value)
    assert room.archive.offsets() == {("scored", 0): 1}
    assert room.archive.figures().documents == 1
    db.execute("PRAGMA max_page_count = 1000000")
    assert room.keep(*slab, offsets={("scored", 0): 300}).new == 299
    whole(room)


def test_readers_see_what_is_kept_while_it_is_written(room: Room) -> None:
    with room.open() as shelves:
        for number in range(3):
            room.keep(scored(number))
            assert len(shelves.latest(Filters(), 10)) == number + 1
            (kept,) = shelves.fetch(shelves.latest(Filters(), 1))
            assert kept.entry.event_ms == MONDAY + number * 60_000
