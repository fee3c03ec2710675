"""The archive in a SQLite file: what is asked of it. Opened to read, beside the one who writes.

Every question has a time by which it is answered or given up, so that nobody's search holds up a worker.
"""

from __future__ import annotations

import heapq
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.archive import schema
from streams.archive.entries import AlertEntry, Entry, Floats
from streams.archive.store import MARKS, Filters, Kept, Near
from streams.errors import InputError
from streams.records import Alert

SECONDS = 5.0
STEPS_BETWEEN = 20_000
"""SQLite's steps between two looks at the clock: about a millisecond."""
BLOCK = 4_096
"""Vectors in memory at a time: 1.5 MB of them, and four times that while they are multiplied."""
SHOWN_WORDS = 40
TITLE_WEIGHT = 3.0


class SqliteShelves:
    """The file at ``path``, for one thread; use it in a ``with``.

    Raises:
        InputError: there is none, it cannot be read, or a question took longer than ``seconds``.
        SettingsError: it is none of ours, or newer than we.
    """

    def __init__(self, path: Path, seconds: float = SECONDS) -> None:
        if not path.is_file():
            raise InputError(f"there is no archive {path}; `tocsin archive` makes one")
        self._path = path
        self._seconds = seconds
        self._until = float("inf")
        with self._answered():
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=2.0
            )
            self._db.execute("PRAGMA cache_size = -16384")
            self._db.execute("PRAGMA mmap_size = 268435456")
            if schema.check(self._db, path) == 0:
                raise InputError(f"the archive {path} is empty; is `tocsin archive` just starting?")
        self._db.set_progress_handler(self._late, STEPS_BETWEEN)

    def __enter__(self) -> SqliteShelves:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def matching(self, expression: str, filters: Filters, most: int) -> list[int]:
        """Numbers of the documents that match a full-text expression, best first: bm25, a title thrice a text."""
        joins, conditions, values = _narrowed(filters)
        sql = (
            f"SELECT words.rowid FROM words {joins.replace('JOIN', 'CROSS JOIN')} WHERE words MATCH ? {conditions} "  # noqa: S608
            f"ORDER BY bm25(words, {TITLE_WEIGHT}, 1.0), words.rowid DESC LIMIT ?"
        )
        with self._answered():
            return [
                number for (number,) in self._db.execute(sql.replace("@", "words.rowid"), (expression, *values, most))
            ]

    def latest(self, filters: Filters, most: int) -> list[int]:
        """Numbers of the newest documents by event time."""
        _, conditions, values = _narrowed(filters)
        tables, first = "documents", "documents.event_ms DESC"
        if filters.series:
            tables = "sightings JOIN documents ON documents.number = sightings.document"
            first = "sightings.event_ms DESC"
        sql = (
            f"SELECT documents.number FROM {tables} WHERE 1 {conditions} "  # noqa: S608 - all of it from here
            f"ORDER BY {first}, documents.number DESC LIMIT ?"
        )
        with self._answered():
            return [number for (number,) in self._db.execute(sql, (*values, most))]

    def releases(self) -> dict[str, int]:
        """How many embedded documents there are of each release, most first; "" counts those without an embedding."""
        with self._answered():
            counts = dict(self._db.execute("SELECT release, count(*) FROM vectors GROUP BY release ORDER BY 2 DESC"))
            (documents,) = self._db.execute("SELECT count(*) FROM documents").fetchone()
        without = documents - sum(counts.values())
        return counts | ({"": without} if without > 0 else {})

    def nearest(self, release: str, vector: Floats, filters: Filters, most: int) -> Near:
        """Documents whose embedding by ``release`` points most in the direction of ``vector``."""
        joins, conditions, values = _narrowed(filters)
        order = "" if filters.series else "ORDER BY vectors.document DESC"
        joins = joins if filters.series else joins.replace("JOIN", "CROSS JOIN")
        sql = (
            f"SELECT vectors.document, vectors.vector FROM vectors {joins} "  # noqa: S608 - all of it from here
            f"WHERE vectors.release = ? {conditions} {order}"
        )
        wanted = vector / max(float(np.linalg.norm(vector)), 1e-12)
        best: list[tuple[float, int]] = []
        seen, total, squares = 0, 0.0, 0.0
        with self._answered():
            cursor = self._db.execute(sql.replace("@", "vectors.document"), (release, *values))
            while not self._late() and (rows := cursor.fetchmany(BLOCK)):
                numbers, cosines = _cosines(rows, wanted)
                seen, total = seen + len(cosines), total + float(cosines.sum())
                squares += float(np.square(cosines, dtype=np.float64).sum())
                chosen = np.argpartition(-cosines, most)[:most] if len(cosines) > most else np.arange(len(cosines))
                fresh = zip(cosines[chosen].tolist(), numbers[chosen].tolist(), strict=True)
                best = heapq.nlargest(most, [*best, *fresh])
            whole = not self._late()
        mean = total / seen if seen else 0.0
        return Near(
            np.array([number for _, number in best], np.int64),
            np.array([cosine for cosine, _ in best], np.float32),
            seen,
            mean,
            max(squares / seen - mean * mean, 0.0) ** 0.5 if seen else 0.0,
            whole,
        )

    def fetch(self, numbers: Sequence[int], expression: str = "") -> list[Kept]:
        """The documents of these numbers, in this order, those that are gone left out."""
        with self._answered():
            found = (self._document(number, expression) for number in numbers)
            return [kept for kept in found if kept is not None]

    def alert(self, beginning: str) -> AlertEntry | None:
        """The alert whose id begins so; ``None`` where there is none or more than one."""
        with self._answered():
            rows = self._db.execute(
                f"SELECT {_ALERT} FROM alerts WHERE substr(alert_id, 1, ?) = ? LIMIT 2",  # noqa: S608
                (len(beginning), beginning),
            ).fetchall()
        return _alert(rows[0]) if len(rows) == 1 else None

    def alerts(self, expression: str, filters: Filters, most: int) -> list[AlertEntry]:
        """Alerts that match, the newest first; of ``filters`` series and times count."""
        conditions, values = "", list[Any]()
        if expression:
            conditions += " AND number IN (SELECT rowid FROM alert_words WHERE alert_words MATCH ?)"
            values.append(expression)
        if filters.series:
            conditions += " AND series = ?"
            values.append(filters.series)
        if filters.since_ms is not None:
            conditions += " AND ends_ms >= ?"
            values.append(filters.since_ms)
        if filters.until_ms is not None:
            conditions += " AND starts_ms < ?"
            values.append(filters.until_ms)
        sql = f"SELECT {_ALERT} FROM alerts WHERE 1 {conditions} ORDER BY starts_ms DESC, number DESC LIMIT ?"  # noqa: S608
        with self._answered():
            return [_alert(row) for row in self._db.execute(sql, (*values, most))]

    def series(self, name: str) -> str:
        """The series called ``name``, whatever the case; empty where there is none."""
        with self._answered():
            rows = self._db.execute(
                "SELECT name FROM series WHERE name = ? COLLATE NOCASE ORDER BY name <> ? LIMIT 1", (name, name)
            ).fetchall()
        return str(rows[0][0]) if rows else ""

    def _document(self, number: int, expression: str) -> Kept | None:
        row = self._db.execute(
            "SELECT stream, id, event_ms, stored_ms, mood, source, release, title, text, rest FROM documents "
            "WHERE number = ?",
            (number,),
        ).fetchone()
        if row is None:
            return None
        marked = None
        if expression:
            marked = self._db.execute(
                f"SELECT snippet(words, -1, '{MARKS[0]}', '{MARKS[1]}', '…', {SHOWN_WORDS}) FROM words "  # noqa: S608
                "WHERE words MATCH ? AND rowid = ?",
                (expression, number),
            ).fetchone()
        *told, rest = row
        entry = msgspec.convert([*told, msgspec.json.decode(rest)], Entry)
        return Kept(number, entry, "" if marked is None else marked[0])

    def _late(self) -> bool:
        return time.monotonic() > self._until

    def _too_slow(self) -> str:
        return f"the search took longer than {self._seconds:g} s and was given up; ask for a shorter time or one series"

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Start the clock; what the file says of itself in vain becomes an error that says what to do."""
        self._until = time.monotonic() + self._seconds
        try:
            yield
        except sqlite3.OperationalError as exc:
            if getattr(exc, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                raise InputError(self._too_slow()) from exc
            raise InputError(f"the archive {self._path} cannot be searched: {exc}") from exc
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as exc:
            raise InputError(f"the archive {self._path} is broken: {exc}; `tocsin archive` says what to do") from exc


_ALERT = "alert, starts_ms, ends_ms, stored_ms, titles"


def _alert(row: tuple[Any, ...]) -> AlertEntry:
    return AlertEntry(msgspec.json.decode(row[0], type=Alert), *row[1:])


def _narrowed(filters: Filters) -> tuple[str, str, list[Any]]:
    """Tables to join (``@`` is the document's number), conditions and their values."""
    conditions: list[str] = []
    values: list[Any] = []

    def ask(condition: str, value: Any) -> None:
        conditions.append(condition)
        values.append(value)

    where = "sightings" if filters.series else "documents"
    joins = ""
    if filters.series:
        joins = " JOIN sightings ON sightings.document = @"
        ask("sightings.series = (SELECT number FROM series WHERE name = ?)", filters.series)
    if filters.stream or filters.source or (where == "documents" and filters != Filters()):
        joins += " JOIN documents ON documents.number = @"
    if filters.mood is not None:
        ask(f"{where}.mood = ?", filters.mood)
    if filters.since_ms is not None:
        ask(f"{where}.event_ms >= ?", filters.since_ms)
    if filters.until_ms is not None:
        ask(f"{where}.event_ms < ?", filters.until_ms)
    if filters.stream:
        ask("documents.stream = ?", filters.stream)
    if filters.source:
        ask("documents.source = ? COLLATE NOCASE", filters.source)
    return joins, "".join(f" AND {condition}" for condition in conditions), values


def _cosines(rows: Sequence[tuple[int, bytes]], wanted: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Cosines [n] of ``wanted`` (of unit length) with the vectors of n rows; those of another width are left out."""
    width = len(wanted)
    fitting = [row for row in rows if len(row[1]) == width]
    table = np.frombuffer(b"".join(row[1] for row in fitting), np.int8).reshape(len(fitting), width).astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", table, table))
    return np.array([row[0] for row in fitting], np.int64), (table @ wanted) / np.maximum(lengths, 1e-12)
