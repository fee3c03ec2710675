"""What the trainer keeps: SQLite, in which records and the offsets they were read at are one transaction.

Offsets live here and not in a consumer group: a trainer that is killed reads on exactly where this file ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from streams.lessons import DocumentFeedback, DriftSample, DriftSignal
from streams.operate.places import OwnFile
from trainer.learning.replay import Remembered

_FORMAT = "1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, slice TEXT NOT NULL, record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS samples_by_time ON samples (at_ms);
CREATE TABLE IF NOT EXISTS words (
    id TEXT, by TEXT, at_ms INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (id, by)
);
CREATE TABLE IF NOT EXISTS learnt (id TEXT PRIMARY KEY, cycle INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, cycle INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS signals (record BLOB PRIMARY KEY, taken_ms INTEGER NOT NULL, answered INTEGER);
CREATE TABLE IF NOT EXISTS memory (at INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cycles (
    id INTEGER PRIMARY KEY, begun_ms INTEGER NOT NULL, reason TEXT NOT NULL, told TEXT NOT NULL, champion TEXT NOT NULL,
    version TEXT NOT NULL, attempts INTEGER NOT NULL, concluded_ms INTEGER, outcome TEXT, detail TEXT NOT NULL
);
"""
# `learnt`: documents that a release has learnt. `seen`: documents whose labels were reason for a cycle, learnt or not.


@dataclass(frozen=True)
class Arrivals:
    """What one poll brought, and the next offset of each partition read, by topic."""

    samples: Sequence[DriftSample] = ()
    words: Sequence[DocumentFeedback] = ()
    signals: Sequence[DriftSignal] = ()
    next_offsets: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cycle:
    """A cycle as it is recorded; ``outcome`` is ``None`` until it is concluded."""

    id: int
    begun_ms: int
    reason: str
    told: str
    champion: str
    version: str
    attempts: int
    concluded_ms: int | None = None
    outcome: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


_COLUMNS = tuple(each.name for each in fields(Cycle))


class Store(OwnFile):
    """The file and its questions. One process at a time; times are wall-clock milliseconds, passed in.

    Raises:
        SettingsError: the file cannot be opened, is no such store, or another trainer holds it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA, _FORMAT, setting="trainer.database", holder="trainer")

    def belongs_to(self, cluster: str) -> bool:
        """Tie the store to a cluster; ``False`` where it was another's, whose offsets are dropped. Samples stay."""
        return self.tie(cluster)

    def take(self, arrivals: Arrivals, now_ms: int, most: int) -> int:
        """Take in what came and the offsets behind it, in one transaction; how many samples were new.

        A document that is sampled again is the one that is known. Beyond ``most`` samples the oldest go that nobody
        has labelled, then the oldest.
        """
        before = self._count("samples")
        places = [(topic, *place) for topic, held in arrivals.next_offsets.items() for place in held.items()]
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)",
                [(one.id, one.event_ms, one.slice, msgspec.json.encode(one)) for one in arrivals.samples],
            )
            new = self._count("samples") - before
            for word in arrivals.words:
                self._db.execute(
                    "INSERT INTO words VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, "
                    "record = excluded.record WHERE excluded.at_ms >= words.at_ms",
                    (word.id, word.by, word.at_ms, msgspec.json.encode(word)),
                )
            self._db.executemany(
                "INSERT OR IGNORE INTO signals VALUES (?, ?, NULL)",
                [(msgspec.json.encode(one), now_ms) for one in arrivals.signals],
            )
            self._db.executemany(
                "INSERT INTO offsets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
                places,
            )
            self._drop_beyond(most)
        return new

    def samples(self) -> list[DriftSample]:
        """Every sample held, oldest first."""
        decode = msgspec.json.Decoder(DriftSample).decode
        return [decode(row[0]) for row in self._db.execute("SELECT record FROM samples ORDER BY at_ms, id")]

    def samples_by_slice(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT slice, count(*) FROM samples GROUP BY slice"))

    def words(self) -> list[DocumentFeedback]:
        """The last word of each person on each document."""
        decode = msgspec.json.Decoder(DocumentFeedback).decode
        return [decode(row[0]) for row in self._db.execute("SELECT record FROM words ORDER BY id, by")]

    def signals(self) -> list[DriftSignal]:
        """Signals that no cycle has answered, oldest first."""
        decode = msgspec.json.Decoder(DriftSignal).decode
        rows = self._db.execute("SELECT record FROM signals WHERE answered IS NULL ORDER BY taken_ms, record")
        return [decode(row[0]) for row in rows]

    def learnt(self) -> set[str]:
        """Ids of documents that a release has learnt."""
        return {row[0] for row in self._db.execute("SELECT id FROM learnt")}

    def seen(self) -> set[str]:
        """Ids of documents whose labels were a part of an earlier cycle, whatever came of it."""
        return {row[0] for row in self._db.execute("SELECT id FROM seen")}

    def memory(self) -> list[Remembered]:
        """The rows that are rehearsed."""
        decode = msgspec.json.Decoder(Remembered).decode
        return [decode(row[0]) for row in self._db.execute("SELECT record FROM memory ORDER BY at")]

    def remember(self, rows: Sequence[Remembered]) -> None:
        """Put ``rows`` in the place of the memory."""
        with self._transaction():
            self._remember(rows)

    def next_cycle(self) -> int:
        """The number that the next cycle will have."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM cycles").fetchone()[0])

    def begin(self, cycle: Cycle, ids: Iterable[str]) -> None:
        """Record that a cycle has begun, over the documents ``ids``; the signals so far are answered by it."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO cycles VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)",
                (cycle.id, cycle.begun_ms, cycle.reason, cycle.told, cycle.champion, cycle.version, 0,
                 json.dumps(dict(cycle.detail))),
            )  # fmt: skip
            self._db.execute("UPDATE signals SET answered = ? WHERE answered IS NULL", (cycle.id,))
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", [(one, cycle.id) for one in ids])

    def attempt(self, cycle: int) -> int:
        """Count one more attempt at a cycle, before it is made; how many there were with it."""
        with self._transaction():
            self._db.execute("UPDATE cycles SET attempts = attempts + 1 WHERE id = ?", (cycle,))
        return int(self._db.execute("SELECT attempts FROM cycles WHERE id = ?", (cycle,)).fetchone()[0])

    def conclude(
        self,
        cycle: int,
        outcome: str,
        detail: Mapping[str, Any],
        now_ms: int,
        *,
        learnt: Iterable[str] = (),
        memory: Sequence[Remembered] | None = None,
    ) -> None:
        """Record what became of a cycle, with the documents it learnt and the memory after it, in one transaction."""
        with self._transaction():
            self._db.execute(
                "UPDATE cycles SET outcome = ?, detail = ?, concluded_ms = ? WHERE id = ?",
                (outcome, json.dumps(dict(detail)), now_ms, cycle),
            )
            self._db.executemany("INSERT OR IGNORE INTO learnt VALUES (?, ?)", [(one, cycle) for one in learnt])
            if memory is not None:
                self._remember(memory)

    def cycles(self) -> list[Cycle]:
        """Every cycle, oldest first."""
        found = []
        for row in self._db.execute(f"SELECT {', '.join(_COLUMNS)} FROM cycles ORDER BY id"):  # noqa: S608 - from here
            told: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
            found.append(Cycle(**{**told, "detail": json.loads(told["detail"])}))
        return found

    def _remember(self, rows: Sequence[Remembered]) -> None:
        self._db.execute("DELETE FROM memory")
        self._db.executemany(
            "INSERT INTO memory VALUES (?, ?)", [(at, msgspec.json.encode(row)) for at, row in enumerate(rows)]
        )

    def _drop_beyond(self, most: int) -> None:
        beyond = self._count("samples") - most
        if beyond > 0:
            self._db.execute(
                "DELETE FROM samples WHERE id IN (SELECT samples.id FROM samples LEFT JOIN words USING (id) "
                "ORDER BY words.id IS NOT NULL, samples.at_ms LIMIT ?)",
                (beyond,),
            )

    def _count(self, table: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - names from here
