"""What was sent is known after a restart, and forgotten no sooner than it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.feeds import memory
from streams.feeds.memory import KEPT_MS, Entry, Memory

NOW = 1_800_000_000_000


def test_entries_and_items_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "state" / "feeds.sqlite"
    first = Memory(path)
    entry = Entry('"e"', "Mon", b"d" * 16, 2, NOW + 5, NOW, NOW)
    first.put("feed", entry, ["a", "b"])
    first.close()
    again = Memory(path)
    assert again.entry("feed") == entry
    assert again.entry("other") == Entry()
    assert again.unknown("feed", ["a", "c", "b", "c"]) == ["c"]
    assert again.unknown("other", ["a"]) == ["a"]
    again.close()


def test_an_item_is_forgotten_only_when_others_came_for_long(tmp_path: Path) -> None:
    kept = Memory(tmp_path / "feeds.sqlite")
    kept.put("quiet", Entry(polled_ms=NOW, read_ms=NOW), ["a"])
    kept.put("lively", Entry(polled_ms=NOW, read_ms=NOW), ["a", "b"])
    later = NOW + KEPT_MS + 1
    kept.put("quiet", Entry(polled_ms=later, read_ms=NOW))
    kept.put("lively", Entry(polled_ms=later, read_ms=later), ["b"])
    assert kept.prune(later) == 1
    assert kept.unknown("quiet", ["a"]) == []
    assert kept.unknown("lively", ["a", "b"]) == ["a"]
    assert kept.prune(later + KEPT_MS + 1) == 4
    assert kept.unknown("quiet", ["a"]) == ["a"]


def test_of_one_feed_only_so_much_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_ITEMS", 3)
    kept = Memory(tmp_path / "feeds.sqlite")
    for day in range(5):
        kept.put("feed", Entry(polled_ms=NOW + day, read_ms=NOW + day), [f"i{day}"])
    kept.prune(NOW)
    assert kept.unknown("feed", [f"i{day}" for day in range(5)]) == ["i0", "i1"]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "feeds.sqlite").write_text("no database, and long enough to be seen as one or not\n" * 9)
    with pytest.raises(SettingsError, match=r"feeds\.memory"):
        Memory(tmp_path / "feeds.sqlite")
