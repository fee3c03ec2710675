"""The archive in a SQLite file: what goes in. One writer; as many readers as there are (``streams.archive.shelves``).

A batch and its offsets are one transaction, so whatever happens to the process, each document whose record lies below
the offset is in, once. ``synchronous=NORMAL``: a power cut may take the last transactions, offsets and all, and they
are read again.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import msgspec

from streams.archive import schema
from streams.archive.entries import Entry, alert_entry
from streams.archive.store import Batch, Figures, Offsets, Pruned, Taken
from streams.errors import SettingsError
from streams.records import Alert, encode

PRUNED_AT_ONCE = 500
LEFT_OVER = 0.9
"""A file that is too large is brought down to this part of what is allowed."""
MOST_GONE = 0.1
"""Forgotten documents, as a part of those there are, whose words the index may still hold."""
MOST_FREE = 0.1
MERGED_PAGES = 500
SERIES_KNOWN = 50_000
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

Number = int


class SqliteArchive:
    """The file at ``path``, made where there is none. ``masked`` takes out what names a person.

    Raises:
        SettingsError: it cannot be opened, is broken, is none of ours or newer than we, or another process writes it.
    """

    def __init__(self, path: Path, *, masked: bool = True) -> None:
        self._path = path
        self._masked = masked
        self._series: dict[str, Number] = {}
        self._doomed = 0
        self._merging = False
        self._lock: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self._unlock()
            raise SettingsError(f"archive.path {path}: another process writes it; one archive has one writer") from exc
        except OSError as exc:
            self._unlock()
            raise SettingsError(f"archive.path {path}: {exc}; name a file that this user can write") from exc
        try:
            with self._sound():
                self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0)
                self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; another stays as it is
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.execute("PRAGMA cache_size = -32768")
                self._db.execute("PRAGMA journal_size_limit = 67108864")
                schema.bring_up(self._db, path)
        except sqlite3.OperationalError as exc:
            self._unlock()
            raise SettingsError(f"archive.path {path}: {exc}; name a file that this user can write") from exc
        except SettingsError:
            self._unlock()
            raise
        path.chmod(0o600)

    def close(self) -> None:
        self._db.close()
        self._unlock()

    def belongs_to(self, cluster: str, *, forget_all: bool = False) -> bool:
        """Tie it to a cluster; ``False`` where it was another's and its offsets were dropped."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO facts VALUES ('cluster', ?)", (cluster,))
            (known,) = self._db.execute("SELECT value FROM facts WHERE name = 'cluster'").fetchone()
            if known == cluster:
                return True
            self._db.execute("UPDATE facts SET value = ? WHERE name = 'cluster'", (cluster,))
            self._db.execute("DELETE FROM offsets")
            if forget_all:
                for table in ("documents", "alerts"):
                    self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above
        return False

    def offsets(self) -> Offsets:
        """Where reading goes on."""
        rows = self._db.execute("SELECT topic, partition, next FROM offsets")
        return {(topic, partition): at for topic, partition, at in rows}

    def take(self, batch: Batch) -> Taken:
        """Keep a batch and its offsets, both or neither.

        Raises:
            sqlite3.OperationalError: the disk is full, or fails; nothing was kept.
            SettingsError: the file is broken.
        """
        counts = {"new": 0, "replaced": 0, "same": 0}
        with self._transaction():
            for entry in batch.entries:
                counts[self._keep(entry)] += 1
            alerts = sum(self._keep_alert(alert, stored_ms) for alert, stored_ms in batch.alerts)
            self._db.executemany(
                "INSERT INTO offsets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
                [(topic, partition, at) for (topic, partition), at in batch.offsets.items()],
            )
        return Taken(counts["new"], counts["replaced"], counts["same"], alerts)

    def prune(self, before_ms: int, most_bytes: int) -> Pruned:
        """Forget some of what came before ``before_ms``, and some of the oldest beyond ``most_bytes``."""
        with self._transaction():
            aged = self._forget(PRUNED_AT_ONCE, "WHERE stored_ms < ?", before_ms)
            self._db.execute("DELETE FROM alerts WHERE over AND stored_ms < ?", (before_ms,))
        if aged:
            return Pruned(aged=aged, done=False)
        if self._doomed:
            with self._transaction():
                crowded = self._forget(min(self._doomed, PRUNED_AT_ONCE))
            self._doomed = self._doomed - crowded if crowded else 0
            return Pruned(crowded=crowded, done=False)
        size, documents = self._bytes(), self._count()
        # The index keeps what is gone until it is merged, so only then the file says what has come of it.
        if self._gone() > (0 if size > most_bytes else documents * MOST_GONE):
            self._merge()
            return Pruned(done=False)
        if size > most_bytes:
            self._doomed = ceil(documents * (1 - LEFT_OVER * most_bytes / size))
        return Pruned(done=not self._doomed and self._give_back())

    def figures(self) -> Figures:
        """How much there is."""
        with self._sound():
            documents, oldest = self._db.execute(
                "SELECT (SELECT count(*) FROM documents), (SELECT min(event_ms) FROM documents)"
            ).fetchone()
            (alerts,) = self._db.execute("SELECT count(*) FROM alerts").fetchone()
        return Figures(documents, alerts, self._bytes(), oldest)

    def _keep(self, entry: Entry) -> str:
        row = self._db.execute(
            "SELECT number, stored_ms, title, text, mood, release, rest FROM documents WHERE stream = ? AND id = ?",
            (entry.stream, entry.id),
        ).fetchone()
        rest = msgspec.json.encode(entry.rest)
        if row is not None:
            if row[1] > entry.stored_ms or row[2:] == (entry.title, entry.text, entry.mood, entry.release, rest):
                return "same"
            self._db.execute("DELETE FROM documents WHERE number = ?", row[:1])
        cursor = self._db.execute(
            "INSERT INTO documents (stream, id, event_ms, stored_ms, mood, source, release, title, text, rest) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.stream, entry.id, entry.event_ms, entry.stored_ms, entry.mood, entry.source, entry.release,
                entry.title, entry.text, rest,
            ),
        )  # fmt: skip
        number = cursor.lastrowid
        if entry.vector is not None:
            self._db.execute("INSERT INTO vectors VALUES (?, ?, ?)", (number, entry.release, entry.vector))
        self._db.executemany(
            "INSERT OR IGNORE INTO sightings VALUES (?, ?, ?, ?)",
            [(self._number_of(name), entry.event_ms, number, mood) for name, mood in entry.series],
        )
        return "new" if row is None else "replaced"

    def _keep_alert(self, alert: Alert, stored_ms: int) -> bool:
        row = self._db.execute("SELECT alert FROM alerts WHERE alert_id = ?", (alert.alert_id,)).fetchone()
        known = None if row is None else msgspec.json.decode(row[0], type=Alert)
        entry = alert_entry(alert, stored_ms, known, self._masked)
        if entry is None:
            return False
        alert = entry.alert
        self._db.execute("DELETE FROM alerts WHERE alert_id = ?", (alert.alert_id,))
        self._db.execute(
            "INSERT INTO alerts (alert_id, series, starts_ms, ends_ms, stored_ms, over, summary, titles, alert) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                alert.alert_id, alert.series, entry.starts_ms, entry.ends_ms, entry.stored_ms,
                alert.state == "resolved", alert.summary, entry.titles, encode(alert),
            ),
        )  # fmt: skip
        return True

    def _number_of(self, series: str) -> Number:
        known = self._series.get(series)
        if known is None:
            self._db.execute("INSERT OR IGNORE INTO series (name) VALUES (?)", (series,))
            (known,) = self._db.execute("SELECT number FROM series WHERE name = ?", (series,)).fetchone()
            if len(self._series) >= SERIES_KNOWN:
                self._series.clear()
            self._series[series] = known
        return known

    def _forget(self, most: int, condition: str = "", *values: int) -> int:
        oldest = f"SELECT number FROM documents {condition} ORDER BY stored_ms, number LIMIT {most}"  # noqa: S608
        count = self._db.execute(f"DELETE FROM documents WHERE number IN ({oldest})", values).rowcount  # noqa: S608
        if count:
            self._db.execute(
                "INSERT INTO facts VALUES ('gone', ?1) ON CONFLICT DO UPDATE SET value = value + ?1", (count,)
            )
        return count

    def _gone(self) -> int:
        """Documents forgotten of which the index still keeps the words."""
        row = self._db.execute("SELECT value FROM facts WHERE name = 'gone'").fetchone()
        return 0 if row is None else int(row[0])

    def _merge(self) -> None:
        """Put the index in order, a piece at a time; where nothing is left to do, what is gone is gone from it."""
        with self._transaction():
            before = self._db.total_changes
            # Negative: all of the index becomes one piece; positive: go on with that.
            pages = MERGED_PAGES if self._merging else -MERGED_PAGES
            self._db.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
            idle = self._db.total_changes - before < 2
            if idle and self._merging:
                self._db.execute("DELETE FROM facts WHERE name = 'gone'")
                self._db.execute(
                    "DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM sightings WHERE series = series.number)"
                )
                self._series.clear()
            self._merging = not idle or not self._merging

    def _give_back(self) -> bool:
        """Give free pages back to the disk where they are many; whether there is nothing more to give."""
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        if free <= pages * MOST_FREE:
            return True
        self._db.executescript(f"PRAGMA incremental_vacuum({MERGED_PAGES})")  # execute() would free one page
        return False

    def _count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM documents").fetchone()[0])

    def _bytes(self) -> int:
        with self._sound():
            (size,) = self._db.execute("PRAGMA page_size").fetchone()
            (pages,) = self._db.execute("PRAGMA page_count").fetchone()
            (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        return int(size * (pages - free))

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._sound():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have rolled it back already
                    self._db.execute("ROLLBACK")
                self._series.clear()  # of numbers that were given in vain
                raise

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as exc:
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
                raise SettingsError(
                    f"archive.path {self._path} is broken ({exc}); move it away: what the topics still hold is read "
                    "anew"
                ) from exc
            raise


def is_full(error: sqlite3.OperationalError) -> bool:
    """Whether there is no room on the disk: that may mend itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
