"""What the feed reader remembers: of each feed how it answered last, of each item that it was sent.

One SQLite file, used from one event loop. An item is remembered only after the broker has acknowledged it: after a
crash in between it is sent again, under the same id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from streams.errors import SettingsError

FORMAT = 1
KEPT_MS = 30 * 86_400_000
"""An item is forgotten when its feed has shown others, but not this one, for so long; so is a feed asked no more."""
MOST_ITEMS = 20_000
"""Of one feed; the oldest are forgotten first."""
_TABLES = """
CREATE TABLE IF NOT EXISTS feed (
    id TEXT PRIMARY KEY, etag TEXT NOT NULL DEFAULT '', modified TEXT NOT NULL DEFAULT '', digest BLOB,
    failures INTEGER NOT NULL DEFAULT 0, not_before_ms INTEGER NOT NULL DEFAULT 0, polled_ms INTEGER NOT NULL DEFAULT 0,
    read_ms INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS item (
    feed TEXT NOT NULL, id TEXT NOT NULL, seen_ms INTEGER NOT NULL, PRIMARY KEY (feed, id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Entry:
    """One feed. It was ``polled_ms`` asked and ``read_ms`` last read, 0 where never; wall-clock milliseconds."""

    etag: str = ""
    modified: str = ""
    digest: bytes | None = None
    failures: int = 0
    not_before_ms: int = 0
    polled_ms: int = 0
    read_ms: int = 0


class Memory:
    """The file ``path``; ``:memory:`` keeps nothing."""

    def __init__(self, path: Path | str) -> None:
        """Raises SettingsError where the file cannot be used."""
        try:
            if str(path) != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, FORMAT):
                raise SettingsError(f"feeds.memory: {path} is of format {found}, this is {FORMAT}; name another file")
            self._db.executescript(_TABLES)
            self._db.execute(f"PRAGMA user_version={FORMAT}")
        except (OSError, sqlite3.Error) as exc:
            raise SettingsError(f"feeds.memory: {path} cannot be used: {exc}") from exc

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def entry(self, feed: str) -> Entry:
        """What is known of ``feed``."""
        row = self._db.execute(
            "SELECT etag, modified, digest, failures, not_before_ms, polled_ms, read_ms FROM feed WHERE id = ?", (feed,)
        ).fetchone()
        return Entry(*row) if row else Entry()

    def put(self, feed: str, entry: Entry, items: Iterable[str] = ()) -> None:
        """Remember ``entry``, and that ``items`` were sent or are known: all of it or nothing."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO feed (id, etag, modified, digest, failures, not_before_ms, polled_ms, read_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (feed, *astuple(entry)),
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO item (feed, id, seen_ms) VALUES (?, ?, ?)",
                ((feed, item, entry.read_ms) for item in items),
            )

    def unknown(self, feed: str, items: Iterable[str]) -> list[str]:
        """Those of ``items`` that were never sent, each once, in their order."""
        known = "SELECT 1 FROM item WHERE feed = ? AND id = ?"
        return [item for item in dict.fromkeys(items) if self._db.execute(known, (feed, item)).fetchone() is None]

    def prune(self, now_ms: int) -> int:
        """Forget what feeds have not shown for long, and what is too much of one; how many rows that were."""
        before = self._db.total_changes
        with self._transaction():
            self._db.execute("DELETE FROM feed WHERE polled_ms < ?", (now_ms - KEPT_MS,))
            self._db.execute("DELETE FROM item WHERE feed NOT IN (SELECT id FROM feed)")
            self._db.execute(
                "DELETE FROM item WHERE seen_ms < (SELECT read_ms FROM feed WHERE feed.id = item.feed) - ?", (KEPT_MS,)
            )
            large = self._db.execute("SELECT feed FROM item GROUP BY feed HAVING count(*) > ?", (MOST_ITEMS,))
            for (feed,) in large.fetchall():
                self._db.execute(
                    "DELETE FROM item WHERE feed = ? AND id NOT IN "
                    "(SELECT id FROM item WHERE feed = ? ORDER BY seen_ms DESC LIMIT ?)",
                    (feed, feed, MOST_ITEMS),
                )
        return self._db.total_changes - before

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
