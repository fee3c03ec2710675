"""The outbox: which transition still has to reach which sink, in SQLite, safe against kill -9.

A batch from the alerts topic goes in with its offsets in one transaction, so a transition is either here
or will be read again. A delivery is marked after its sink took it, so a crash repeats at most the one
delivery that each courier had in hand. ``synchronous=FULL``: what is committed survives a power cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from streams.operate.places import OwnFile
from streams.records import Alert, AlertFeedback, encode

KEPT_MS = 30 * 24 * 3600 * 1000
"""How long a delivered transition is remembered, so that its repeat in the topic is not sent again."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS transitions (
    number INTEGER PRIMARY KEY, transition_id TEXT NOT NULL UNIQUE, alert_id TEXT NOT NULL,
    sequence INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL, alert BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    channel TEXT NOT NULL, number INTEGER NOT NULL REFERENCES transitions ON DELETE CASCADE,
    alert_id TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owed ON deliveries (channel, alert_id, due_ms);
CREATE TABLE IF NOT EXISTS incidents (
    alert_id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, resolved_ms INTEGER, alert BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS aged ON transitions (stored_ms);
CREATE TABLE IF NOT EXISTS told (alert_id TEXT NOT NULL REFERENCES incidents ON DELETE CASCADE, channel TEXT NOT NULL,
    PRIMARY KEY (alert_id, channel)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feedback (alert_id TEXT NOT NULL, verdict TEXT NOT NULL, at_ms INTEGER NOT NULL,
    word BLOB NOT NULL, PRIMARY KEY (alert_id, verdict)) WITHOUT ROWID;
"""
_FORMAT = "2"


@dataclass(frozen=True)
class Arrival:
    """One alert as it stood in the alerts topic."""

    alert: Alert
    partition: int
    offset: int


@dataclass(frozen=True)
class Delivery:
    """One transition on its way to one sink; ``attempts`` counts those that failed."""

    number: int
    channel: str
    attempts: int
    alert: Alert


class Outbox(OwnFile):
    """The file and its questions. One process at a time; times are wall-clock milliseconds, passed in.

    Raises:
        SettingsError: the file cannot be opened, is no outbox, or another notifier holds it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA, _FORMAT, setting="notify.outbox", holder="notifier")
        self._db.execute("PRAGMA foreign_keys = ON")

    def belongs_to(self, cluster: str, *, forget_all: bool = False) -> bool:
        """Tie the outbox to a cluster; ``False`` where it was another's and its offsets were dropped.

        Offsets of another cluster mean nothing on this one. Transitions are kept, so that a mirrored topic is
        not delivered again, unless ``forget_all`` says that the new cluster is a new world.
        """
        return self.tie(cluster, ("deliveries", "transitions", "told", "incidents", "feedback") if forget_all else ())

    def store(
        self,
        topic: str,
        arrivals: Iterable[tuple[Arrival, Sequence[str]]],
        next_offsets: dict[int, int],
        now_ms: int,
        *,
        released: Iterable[tuple[str, str]] = (),
        said: Iterable[AlertFeedback] = (),
    ) -> int:
        """Take in a batch and its offsets in one transaction; returns how many transitions were new.

        Each arrival comes with the channels it is for. A transition that is known already is ignored. Of each
        incident in ``released`` the last transition is for the channel beside it, too; ``said`` is kept.
        """
        new = 0
        with self._transaction():
            for arrival, channels in arrivals:
                new += self._insert(topic, arrival, channels, now_ms)
            for alert_id, channel in released:
                self._release(alert_id, channel, now_ms)
            self._db.executemany(
                "INSERT INTO feedback VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, "
                "word = excluded.word",
                [(word.alert_id, word.verdict, word.at_ms, encode(word)) for word in said],
            )
            self._db.executemany(
                "INSERT INTO offsets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
                [(topic, partition, offset) for partition, offset in next_offsets.items()],
            )
        return new

    def knows(self, transition_id: str) -> bool:
        """Whether this transition was taken in before."""
        row = self._db.execute("SELECT 1 FROM transitions WHERE transition_id = ?", (transition_id,)).fetchone()
        return row is not None

    def due(self, channel: str, now_ms: int) -> Delivery | None:
        """The oldest delivery that may be tried now. All that wait of one incident are due at one time, so its
        transitions keep their order."""
        row = self._db.execute(
            "SELECT d.number, d.attempts, t.alert FROM deliveries d JOIN transitions t USING (number) "
            "WHERE d.channel = ? AND d.due_ms <= ? ORDER BY d.number LIMIT 1",
            (channel, now_ms),
        ).fetchone()
        return None if row is None else Delivery(row[0], channel, row[1], _decode(row[2]))

    def next_due_ms(self, channel: str) -> int | None:
        """When the earliest waiting delivery of ``channel`` may be tried; ``None`` where none waits."""
        (due,) = self._db.execute("SELECT min(due_ms) FROM deliveries WHERE channel = ?", (channel,)).fetchone()
        return None if due is None else int(due)

    def settle(self, delivery: Delivery) -> None:
        """The sink took it, or says that it never will; it waits no longer."""
        self._db.execute("DELETE FROM deliveries WHERE channel = ? AND number = ?", (delivery.channel, delivery.number))

    def put_off(self, delivery: Delivery, due_ms: int) -> None:
        """The sink did not take it; its incident may be tried again from ``due_ms`` on."""
        with self._transaction():
            self._db.execute(
                "UPDATE deliveries SET attempts = attempts + 1 WHERE channel = ? AND number = ?",
                (delivery.channel, delivery.number),
            )
            self._db.execute(
                "UPDATE deliveries SET due_ms = ? WHERE channel = ? AND alert_id = ?",
                (due_ms, delivery.channel, delivery.alert.alert_id),
            )

    def backlog(self, channel: str) -> tuple[int, int | None]:
        """How many deliveries wait for ``channel``, and since when the oldest does (milliseconds)."""
        count, oldest = self._db.execute(
            "SELECT waiting, (SELECT stored_ms FROM transitions WHERE number = first) FROM "
            "(SELECT count(*) AS waiting, min(number) AS first FROM deliveries WHERE channel = ?)",
            (channel,),
        ).fetchone()
        return count, oldest

    def delivered_below(self, topic: str) -> dict[int, int]:
        """Per partition, the offset below which every transition has reached every sink."""
        read = self.offsets(topic)
        waiting = dict(
            self._db.execute(
                "SELECT partition, min(offset) FROM deliveries CROSS JOIN transitions USING (number) "
                "WHERE topic = ? GROUP BY partition",
                (topic,),
            )
        )
        return {partition: min(offset, waiting.get(partition, offset)) for partition, offset in read.items()}

    def standing(self, channel: str, resolved_since_ms: int) -> Iterator[Alert]:
        """Incidents that fire, or were resolved since then, and of which ``channel`` awaits no delivery."""
        rows = self._db.execute(
            "SELECT alert FROM incidents i JOIN told USING (alert_id) WHERE channel = ?2 AND "
            "(resolved_ms IS NULL OR resolved_ms >= ?1) AND NOT EXISTS ("
            "  SELECT 1 FROM deliveries d WHERE d.channel = ?2 AND d.alert_id = i.alert_id)",
            (resolved_since_ms, channel),
        )
        return (_decode(alert) for (alert,) in rows)

    def unresolved(self) -> list[tuple[Alert, set[str]]]:
        """Every incident that is not over, with the channels that were told of it."""
        rows = self._db.execute(
            "SELECT alert, group_concat(channel, char(0)) FROM incidents LEFT JOIN told USING (alert_id) "
            "WHERE resolved_ms IS NULL GROUP BY alert_id ORDER BY alert_id"
        )
        return [(_decode(alert), set(told.split("\0")) if told else set()) for alert, told in rows]

    def said(self) -> list[AlertFeedback]:
        """What people said, oldest first."""
        rows = self._db.execute("SELECT word FROM feedback ORDER BY at_ms, alert_id, verdict")
        return [msgspec.json.decode(word, type=AlertFeedback) for (word,) in rows]

    def keep_only(self, channels: Sequence[str]) -> int:
        """Drop deliveries to sinks that the settings no longer name; returns how many were waiting."""
        marks = ",".join("?" * len(channels))
        gone = self._db.execute(f"DELETE FROM deliveries WHERE channel NOT IN ({marks})", channels)  # noqa: S608
        return gone.rowcount

    def prune(self, now_ms: int) -> None:
        """Forget transitions delivered everywhere and incidents resolved longer than :data:`KEPT_MS` ago."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM transitions WHERE stored_ms < ? AND number NOT IN (SELECT number FROM deliveries)",
                (now_ms - KEPT_MS,),
            )
            self._db.execute("DELETE FROM incidents WHERE resolved_ms < ?", (now_ms - KEPT_MS,))
            self._db.execute("DELETE FROM feedback WHERE at_ms < ?", (now_ms - KEPT_MS,))

    def _insert(self, topic: str, arrival: Arrival, channels: Sequence[str], now_ms: int) -> int:
        alert, encoded = arrival.alert, encode(arrival.alert)
        row = self._db.execute(
            "INSERT INTO transitions (transition_id, alert_id, sequence, topic, partition, offset, stored_ms, alert) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING number",
            (
                alert.transition_id,
                alert.alert_id,
                alert.sequence,
                topic,
                arrival.partition,
                arrival.offset,
                now_ms,
                encoded,
            ),
        ).fetchone()
        if row is None:
            return 0
        self._deliver(row[0], alert.alert_id, channels, now_ms)
        if alert.state != "pending" and alert.reason != "lapsed":
            self._db.execute(
                "INSERT INTO incidents VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence, "
                "resolved_ms = excluded.resolved_ms, alert = excluded.alert WHERE excluded.sequence >= sequence",
                (alert.alert_id, alert.sequence, now_ms if alert.state == "resolved" else None, encoded),
            )
            self._note_told(alert.alert_id, channels)
        return 1

    def _release(self, alert_id: str, channel: str, now_ms: int) -> None:
        row = self._db.execute("SELECT max(number) FROM transitions WHERE alert_id = ?", (alert_id,)).fetchone()
        if row[0] is not None:
            self._deliver(row[0], alert_id, [channel], now_ms)
            self._note_told(alert_id, [channel])

    def _deliver(self, number: int, alert_id: str, channels: Sequence[str], now_ms: int) -> None:
        self._db.executemany(
            "INSERT INTO deliveries (channel, number, alert_id, due_ms) VALUES (?1, ?2, ?3, "
            "coalesce((SELECT max(due_ms) FROM deliveries WHERE channel = ?1 AND alert_id = ?3), ?4))",
            [(channel, number, alert_id, now_ms) for channel in channels],
        )

    def _note_told(self, alert_id: str, channels: Sequence[str]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO told VALUES (?, ?)", [(alert_id, channel) for channel in channels])


def _decode(encoded: bytes) -> Alert:
    return msgspec.json.decode(encoded, type=Alert)
