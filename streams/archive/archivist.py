"""``tocsin archive``: a process of its own that keeps scored documents and alerts, until stopped.

It reads a batch, keeps it, and only then reads the next: a slow disk makes it lag, never grow. A full disk is waited
for, with the batch in hand; a broken file is for a person to look at.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from streams import logs
from streams.archive.gathering import Gathering
from streams.archive.sqlite import SqliteArchive, is_full
from streams.archive.store import Archive, Batch, Taken
from streams.errors import EXIT_RESTART, BrokerError
from streams.metrics import Metrics
from streams.settings import Settings
from streams.web import Health, served_beside

SETTLE_SECONDS = 5.0
CHECK_SECONDS = 10.0
PRUNE_SECONDS = 60.0
PRUNING_SECONDS = 1.0
"""Pruning gives way to reading after so long, and goes on at the next look."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
DAY_MS = 86_400_000

log = logs.get(__name__)


def run(settings: Settings) -> int:
    """Keep until SIGTERM or SIGINT; the exit status.

    Raises:
        SettingsError: the port is taken, or the file cannot be used: broken, not ours, or held by another process.
        TopicsError: a topic does not exist.
    """
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopping.append(got))
    metrics, health = Metrics.bind(CollectorRegistry(), settings.cost.core_hour), Health()
    web = settings.web.model_copy(update={"port": settings.archive.port})
    chosen = "port" in settings.archive.model_fields_set
    try:
        with served_beside(web, metrics.registry, health, chosen=chosen) as port:
            log.info("archive starts", port=port, path=str(settings.archive_path))
            archive = SqliteArchive(settings.archive_path, masked=settings.archive.mask)
            try:
                Archivist(settings, archive, metrics, health, lambda: bool(stopping)).work()
            finally:
                archive.close()
    except (BrokerError, sqlite3.Error) as exc:
        log.error("archive ends, to be restarted", reason=f"{type(exc).__name__}: {exc}"[:500])
        return EXIT_RESTART
    log.info("archive stopped")
    return 0


class Archivist:
    """From the topics into ``archive``, until ``stopped``."""

    def __init__(
        self, settings: Settings, archive: Archive, metrics: Metrics, health: Health, stopped: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._archive = archive
        self._metrics = metrics
        self._health = health
        self._stopped = stopped
        self._due = {"settle": 0.0, "check": 0.0, "prune": 0.0}

    def work(self) -> None:
        """Read and keep.

        Raises:
            BrokerError, TopicsError, SettingsError: as :func:`run`.
        """
        self._health.expect("broker", "disk")
        gathering = Gathering(self._settings)
        try:
            if not self._archive.belongs_to(gathering.cluster, forget_all=self._settings.kafka.embedded):
                log.warning("the archive was another cluster's, reading this one's topics from the beginning")
            gathering.start(self._archive.offsets())
            self._health.hold("broker")
            self._health.hold("disk")
            while not self._stopped():
                self._health.beat()
                self._gather(gathering)
                if self._is_due("settle", SETTLE_SECONDS):
                    gathering.settle()
                if self._is_due("check", CHECK_SECONDS):
                    self._report(gathering)
                if self._is_due("prune", PRUNE_SECONDS):
                    self.prune()
            gathering.settle()
        finally:
            gathering.close()

    def _gather(self, gathering: Gathering) -> None:
        now_ms = _now_ms()
        batch, came, unreadable, expired = gathering.poll(self._oldest_ms(now_ms), now_ms)
        if not batch.offsets:
            return
        begun = time.monotonic()
        taken = self.keep(batch)
        if taken is None:
            return  # told to stop while there was no room: it is read again
        self._metrics.archive_batch_seconds.observe(time.monotonic() - begun)
        for topic, count in came.items():
            self._metrics.records_in.labels(topic).inc(count)
        outcomes = {"new": taken.new, "replaced": taken.replaced, "same": taken.same}
        for outcome, count in {**outcomes, "unreadable": unreadable, "expired": expired}.items():
            self._metrics.archive_documents.labels(outcome).inc(count)
        self._metrics.archive_alerts.inc(taken.alerts)
        log.debug("kept", new=taken.new, replaced=taken.replaced, same=taken.same, alerts=taken.alerts)

    def keep(self, batch: Batch) -> Taken | None:
        """Keep ``batch``, waiting for room where the disk is full; ``None`` where told to stop meanwhile."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                taken = self._archive.take(batch)
            except sqlite3.OperationalError as exc:
                if not is_full(exc):
                    raise
                log.error("no room for the archive, waiting", path=str(self._settings.archive_path), seconds=pause)
                self._health.hold("disk", False)
                if not self._wait(pause):
                    return None
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self._health.hold("disk")
                return taken

    def prune(self) -> None:
        """Forget what is too old or too much, for as long as :data:`PRUNING_SECONDS`."""
        most_bytes = int(self._settings.archive.keep_gb * 1e9)
        until = time.monotonic() + PRUNING_SECONDS
        try:
            while time.monotonic() < until and not self._stopped():
                pruned = self._archive.prune(self._oldest_ms(_now_ms()), most_bytes)
                self._metrics.archive_pruned.labels("age").inc(pruned.aged)
                self._metrics.archive_pruned.labels("size").inc(pruned.crowded)
                if pruned.done:
                    return
        except sqlite3.OperationalError as exc:
            if not is_full(exc):
                raise
            log.error("no room to prune the archive in", path=str(self._settings.archive_path))
            return
        self._due["prune"] = 0.0

    def _report(self, gathering: Gathering) -> None:
        lag = gathering.lag()
        if self._health.conditions["broker"] and lag is None:
            log.warning("the broker does not answer, waiting for it")
        self._health.hold("broker", lag is not None)
        for (topic, partition), behind in (lag or {}).items():
            self._metrics.archive_lag.labels(topic, str(partition)).set(behind)
        figures = self._archive.figures()
        self._metrics.archive_stored.set(figures.documents)
        self._metrics.archive_bytes.set(figures.bytes)
        self._health.facts.update(documents=figures.documents, alerts=figures.alerts, bytes=figures.bytes)
        if figures.bytes > self._settings.archive.keep_gb * 1e9:
            self._due["prune"] = 0.0

    def _oldest_ms(self, now_ms: int) -> int:
        return now_ms - int(self._settings.archive.keep_days * DAY_MS)

    def _is_due(self, what: str, every_seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_seconds
        return True

    def _wait(self, seconds: float) -> bool:
        """Sit ``seconds`` out, alive; ``False`` where told to stop."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._stopped():
                return False
            self._health.beat()
            time.sleep(0.2)
        return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
