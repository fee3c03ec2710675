"""Where a process reads on: the file of its own that says so, and the partitions that it reads, without a group's say.

What was read and the offsets behind it are one transaction of that file; so a process that is killed loses nothing
and takes nothing in twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from streams import logs
from streams.errors import BrokerError, SettingsError
from streams.operate.admin import admin_client
from streams.settings import Settings

log = logs.get(__name__)


HEAD = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS offsets (topic TEXT, partition INTEGER, next INTEGER NOT NULL,
    PRIMARY KEY (topic, partition));
"""
"""Tables that every such file has: what holds for all of it, and the next offset of each partition."""


class OwnFile:
    """A SQLite file of one process at a time, with the tables of ``schema`` besides; durable with each transaction.

    ``setting`` is the one that names it, ``holder`` who may hold it.

    Raises:
        SettingsError: the file cannot be opened, is none of this ``form``, or another process holds it.
    """

    def __init__(self, path: Path, schema: str, form: str, *, setting: str, holder: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
            # Exclusive: two processes on one file would do everything a second time.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(f"BEGIN IMMEDIATE; {HEAD} {schema} COMMIT;")
        except sqlite3.OperationalError as exc:
            reason = f"another {holder} holds it" if "locked" in str(exc) else str(exc)
            file = setting.rpartition(".")[2]
            raise SettingsError(f"{setting} {path}: {reason}; one {file} serves one {holder}") from exc
        except (OSError, sqlite3.DatabaseError) as exc:
            raise SettingsError(f"{setting} {path}: {exc}; name a file that this user can write") from exc
        if self.fact("format", form) != form:
            raise SettingsError(f"{setting} {path} was written by another version of tocsin; name another file")

    def close(self) -> None:
        self._db.close()

    def fact(self, name: str, value: str) -> str:
        """What is written under ``name``; ``value`` is written where nothing is."""
        self._db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))
        found: str = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0]
        return found

    def tie(self, cluster: str, forget: Sequence[str] = ()) -> bool:
        """Tie the file to a cluster; ``False`` where it was another's, whose offsets, and the tables ``forget``, are
        emptied: offsets of another cluster mean nothing on this one."""
        if self.fact("cluster", cluster) == cluster:
            return True
        with self._transaction():
            self._db.execute("UPDATE facts SET value = ? WHERE name = 'cluster'", (cluster,))
            for table in ("offsets", *forget):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the code
        return False

    def offsets(self, topic: str) -> dict[int, int]:
        """The next offset to read of each partition that has been read."""
        return dict(self._db.execute("SELECT partition, next FROM offsets WHERE topic = ?", (topic,)))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


class Places:
    """The partitions of those of ``topics`` that exist, by ``counts``, and the name of the ``cluster`` they lie on.

    Raises:
        BrokerError: the cluster cannot be reached or refuses.
    """

    def __init__(self, settings: Settings, topics: Iterable[str]) -> None:
        wanted = frozenset(topics)
        with admin_client(settings, "looking at the cluster") as client:
            self.cluster: str = client.describe_cluster()["cluster_id"] or "unnamed"
            self.counts: dict[str, int] = {
                topic["name"]: len(topic["partitions"])
                for topic in client.describe_topics()
                if topic["name"] in wanted and topic["error_code"] == 0
            }
        self.all = [TopicPartition(name, number) for name, count in self.counts.items() for number in range(count)]

    def begin(
        self, consumer: KafkaConsumer, known: Callable[[TopicPartition], int | None], store: str
    ) -> dict[TopicPartition, int]:
        """Let ``consumer`` read each partition from its ``known`` offset, and say from which.

        At the beginning where none is known, or one beyond the topic's end: ``store`` is of another topic then.
        """
        consumer.assign(self.all)
        begins, ends = consumer.beginning_offsets(self.all), consumer.end_offsets(self.all)
        first: dict[TopicPartition, int] = {}
        for place in self.all:
            at = known(place)
            if at is not None and at > ends[place]:
                log.warning(f"topic ends before the {store}, reading it anew", **place._asdict())
                at = None
            first[place] = begins[place] if at is None else max(at, begins[place])
            consumer.seek(place, first[place])
        return first

    def refuse_growth(self, consumer: KafkaConsumer) -> None:
        """Look whether ``consumer`` sees more partitions than it reads.

        Raises:
            BrokerError: a topic has more partitions than at the start; a restart reads them all.
        """
        for topic, count in self.counts.items():
            now = len(consumer.partitions_for_topic(topic) or ())
            if now > count:
                raise BrokerError(f"{topic} has grown from {count} to {now} partitions; restarting")
