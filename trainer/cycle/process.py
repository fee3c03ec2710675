"""``tocsin trainer``: hears samples, words and signals, and now and then makes a better release of them.

One thread reads the topics into the store and looks whether a cycle is due; the cycle itself works in a process of its
own, so that what it does to memory and processor ends with it, and so that killing either loses nothing: what has been
read is in the store with its offsets, what a cycle has come to is in its directory, and whether it promotes is decided
here, from what is written there.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry

from models.assembly import ensure_shipped
from models.registry import CHAMPION, Registry
from streams import logs
from streams.errors import EXIT_RESTART, BrokerError
from streams.operate.hints import tell
from streams.settings import Settings
from streams.web import Health, served_beside
from trainer.cycle.mail import Mailbox
from trainer.cycle.metrics import TrainerMetrics
from trainer.cycle.reasons import Reason
from trainer.cycle.store import Store
from trainer.cycle.trainer import Trainer, now_ms

STALL_SECONDS = 60.0
LOOK_SECONDS = 5.0
"""Between two looks at whether a cycle is due, and at how far behind the topics we are."""
PATIENT_SECONDS = 60.0
"""While topics are read that never end, it is decided on what there is."""
STATUS = {"promoted": 0, "nominated": 0, "refused": 1, None: 3, "unchanged": 4, "failed": EXIT_RESTART}
"""Exit statuses of ``--once`` by what became of the cycle; ``None``: there was no reason for one."""

INTERRUPTED = 130

log = logs.get(__name__)


def run(settings: Settings, *, once: bool = False, force: bool = False) -> int:
    """Run until SIGTERM or SIGINT, or through one cycle at most; the exit status.

    Raises:
        SettingsError: the port or the database is taken, or a file of labelled rows cannot be used.
        TopicsError: a topic is missing.
        TrainerError, ModelError: torch, the base encoder, a file of rows or the champion is missing.
    """
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopping.append(got))
    metrics, health = TrainerMetrics.bind(CollectorRegistry()), Health(STALL_SECONDS)
    web = settings.web.model_copy(update={"port": settings.trainer.port})
    chosen = "port" in settings.trainer.model_fields_set
    try:
        with served_beside(web, metrics.registry, health, chosen=chosen) as port:
            log.info("trainer starts", port=port, database=str(settings.lessons))
            return _train(settings, lambda: bool(stopping), metrics, health, once=once, force=force)
    except (BrokerError, sqlite3.Error) as exc:
        log.error("trainer ends, to be restarted", reason=f"{type(exc).__name__}: {exc}")
        return EXIT_RESTART


def _train(
    settings: Settings,
    stopped: Callable[[], bool],
    metrics: TrainerMetrics,
    health: Health,
    *,
    once: bool,
    force: bool,
) -> int:
    health.expect("champion", "broker")
    if CHAMPION not in Registry(settings.scoring.registry).aliases():
        ensure_shipped(settings.scoring.registry)
    store = Store(settings.lessons)
    try:
        trainer = Trainer(settings, store, metrics, health, partial(tell, settings))
        health.hold("champion")
        mailbox = Mailbox(settings)
        try:
            if not store.belongs_to(mailbox.cluster):
                log.warning("the database was another cluster's, reading this one's topics from the beginning")
            mailbox.start(store)
            health.hold("broker")
            return _loop(trainer, mailbox, stopped, once=once, force=force)
        finally:
            trainer.end()
            mailbox.close()
    finally:
        store.close()


def _loop(trainer: Trainer, mailbox: Mailbox, stopped: Callable[[], bool], *, once: bool, force: bool) -> int:
    looked = decided = time.monotonic() - LOOK_SECONDS
    asked = Reason("asked", "asked for") if force else None
    while not stopped():
        trainer.take(mailbox.poll())
        now = time.monotonic()
        if now - looked < LOOK_SECONDS and not trainer.finished:
            continue
        looked = now
        behind = mailbox.behind()
        trainer.report(behind)
        if any(behind.values()) and not trainer.working and now - decided < PATIENT_SECONDS:
            looked = now - LOOK_SECONDS  # what is there is read before anything is decided
            continue
        decided = now
        was_working = trainer.working
        outcome = trainer.look(now_ms(), asked)
        if trainer.working:
            asked = None
        elif once:
            if not was_working and outcome is None:
                log.info("no cycle", reason=trainer.waiting_for)
            return STATUS[outcome]
    log.info("trainer stopped")
    return INTERRUPTED if once else 0
