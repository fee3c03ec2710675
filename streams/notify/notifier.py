"""The notifier: its own process between the alerts topic and the sinks.

One task reads the topic into the outbox; a courier for each sink empties it; reminders keep Alertmanagers
from forgetting. All of them share one event loop and one SQLite connection, so the outbox needs no locks;
only the Kafka client, which blocks, runs in a thread.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, get_args

from aiohttp.web import AppRunner
from prometheus_client import CollectorRegistry

from streams import logs
from streams.errors import EXIT_RESTART, BrokerError, SettingsError
from streams.intake import WatchList
from streams.metrics import Metrics
from streams.notify.courier import Courier, remind
from streams.notify.desk import Desk, Known
from streams.notify.inbox import Inbox, Mail
from streams.notify.outbox import Arrival, Outbox
from streams.notify.routing import Route
from streams.notify.sinks import Alertmanager, Sink, session, sinks
from streams.records import Verdict
from streams.settings import Settings
from streams.web import Health, serve

SETTLE_SECONDS = 5.0
CHECK_SECONDS = 10.0
PRUNE_SECONDS = 3600.0
FINISH_SECONDS = 15.0
"""Given to the messages in hand after a stop; with the closing of the consumer it stays under 30 s."""

log = logs.get(__name__)


def run(settings: Settings) -> int:
    """Notify until SIGTERM or SIGINT; the exit status.

    Raises:
        SettingsError, TopicsError: a human has to mend something.
    """
    return asyncio.run(_until_signalled(settings))


async def _until_signalled(settings: Settings) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    metrics = Metrics.bind(CollectorRegistry(), settings.cost.core_hour)
    health = Health()
    web, port = await _serve(settings, metrics, health)
    log.info("notifier starts", port=port, outbox=str(settings.outbox))
    try:
        await notify(settings, stopping, metrics, health)
    except (BrokerError, sqlite3.Error) as exc:
        log.error("notifier ends, to be restarted", reason=f"{type(exc).__name__}: {exc}")
        return EXIT_RESTART
    finally:
        await web.cleanup()
    log.info("notifier stopped")
    return 0


async def notify(settings: Settings, stopping: asyncio.Event, metrics: Metrics, health: Health) -> None:
    """Read and deliver until ``stopping`` is set; for a process of its own or as part of a demo.

    Raises:
        SettingsError: no sink, a bad one, or an outbox that cannot be used.
        TopicsError: the alerts topic does not exist.
        BrokerError: the cluster cannot be reached at the start, or refuses.
    """
    health.expect("broker")
    for verdict in get_args(Verdict):  # a counter that begins at 1 has, to Prometheus, never increased
        metrics.alert_feedback.labels(verdict)
    async with session() as http:
        found = sinks(settings, http)
        names = [sink.name for sink in found]
        outbox = Outbox(settings.outbox)
        try:
            if dropped := outbox.keep_only(names):
                log.warning("deliveries to sinks that are no longer configured were dropped", count=dropped)
            inbox = await asyncio.to_thread(Inbox, settings)
            try:
                if not outbox.belongs_to(inbox.cluster, forget_all=settings.kafka.embedded):
                    log.warning("the outbox was another cluster's, reading this one's alerts from the beginning")
                await asyncio.to_thread(inbox.start, {topic: outbox.offsets(topic) for topic in inbox.topics})
                couriers = [Courier(sink, outbox, metrics, _now_ms) for sink in found]
                reminders = [
                    remind(sink, outbox, _now_ms, settings.notify.resend_seconds, stopping)
                    for sink in found
                    if isinstance(sink, Alertmanager)
                ]
                desk = _desk(settings, found, outbox)
                reader = _read(inbox, outbox, desk, couriers, metrics, health, stopping)
                await _together([reader, *(courier.run() for courier in couriers), *reminders], couriers, stopping)
                await asyncio.to_thread(inbox.settle, _delivered(inbox, outbox))
            finally:
                await asyncio.to_thread(inbox.close)
        finally:
            outbox.close()


def _desk(settings: Settings, found: Sequence[Sink], outbox: Outbox) -> Desk:
    """The desk with what the outbox kept of it."""
    watchlist = WatchList.load(settings.intake.watchlist)
    ancestors = {entity: watchlist.parents(entity) for entity in watchlist.entities}
    slow = [rule.name for rule in settings.rules if rule.hears == "creep"]
    desk = Desk([Route(sink.name, sink.only) for sink in found], settings.prefix, ancestors, slow)
    desk.recall([Known(alert, told) for alert, told in outbox.unresolved()], outbox.said())
    return desk


async def _read(
    inbox: Inbox,
    outbox: Outbox,
    desk: Desk,
    couriers: list[Courier],
    metrics: Metrics,
    health: Health,
    stopping: asyncio.Event,
) -> None:
    """Mail over the desk into the outbox; between polls, the housekeeping that must not run beside them."""
    settled = checked = pruned = time.monotonic() - PRUNE_SECONDS
    while not stopping.is_set():
        mail = await asyncio.to_thread(inbox.poll)
        now = time.monotonic()
        if mail.next_offsets:
            new = _take_in(mail, inbox, outbox, desk, metrics)
            log.debug("mail taken in", alerts=len(mail.arrivals), words=len(mail.words), new=new)
            for courier in couriers:
                courier.wake()
        if now - settled >= SETTLE_SECONDS:
            settled = now
            await asyncio.to_thread(inbox.settle, _delivered(inbox, outbox))
            for courier in couriers:
                courier.report()
        if now - checked >= CHECK_SECONDS:
            checked = now
            _hold_broker(health, await asyncio.to_thread(inbox.check))
        if now - pruned >= PRUNE_SECONDS:
            pruned = now
            outbox.prune(_now_ms())
        health.beat()


def _take_in(mail: Mail, inbox: Inbox, outbox: Outbox, desk: Desk, metrics: Metrics) -> int:
    """Put what the desk decides into the outbox, with the offsets it was read at; how many messages were new."""
    new = 0
    if inbox.alerts in mail.next_offsets:
        arrivals: list[tuple[Arrival, Sequence[str]]] = []
        released: list[tuple[str, str]] = []
        taken: set[str] = set()
        for arrival in mail.arrivals:
            if arrival.alert.transition_id in taken or outbox.knows(arrival.alert.transition_id):
                continue
            taken.add(arrival.alert.transition_id)
            decision = desk.take(arrival.alert)
            arrivals.append((replace(arrival, alert=decision.alert), decision.channels))
            released += decision.released
        new += outbox.store(inbox.alerts, arrivals, mail.next_offsets[inbox.alerts], _now_ms(), released=released)
    if inbox.feedback in mail.next_offsets:
        arrivals, released = [], []
        for word in mail.words:
            said = desk.hear(word.feedback)
            metrics.alert_feedback.labels(word.feedback.verdict).inc()
            if said is not None:
                arrivals.append((Arrival(said.alert, word.partition, word.offset), said.channels))
                released += said.released
        words = [word.feedback for word in mail.words]
        offsets = mail.next_offsets[inbox.feedback]
        new += outbox.store(inbox.feedback, arrivals, offsets, _now_ms(), released=released, said=words)
    read = {inbox.alerts: len(mail.arrivals), inbox.feedback: len(mail.words)}
    for topic in mail.next_offsets:
        metrics.records_in.labels(topic).inc(read[topic] + mail.unreadable.get(topic, 0))
    return new


def _delivered(inbox: Inbox, outbox: Outbox) -> dict[str, dict[int, int]]:
    return {topic: outbox.delivered_below(topic) for topic in inbox.topics}


def _hold_broker(health: Health, answers: bool) -> None:
    if health.conditions["broker"] and not answers:
        log.warning("the broker does not answer, waiting for it")
    elif answers and not health.conditions["broker"]:
        log.info("the broker answers")
    health.hold("broker", answers)


async def _together(work: list[Coroutine[Any, Any, None]], couriers: list[Courier], stopping: asyncio.Event) -> None:
    """Run all of ``work``; the first failure, or ``stopping``, ends it, giving messages in hand their time."""
    tasks = [asyncio.ensure_future(each) for each in work]
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        for courier in couriers:
            courier.stop()
        await asyncio.wait(tasks, timeout=FINISH_SECONDS)
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _serve(settings: Settings, metrics: Metrics, health: Health) -> tuple[AppRunner, int]:
    """Health and metrics on the notifier's own port."""
    web = settings.web.model_copy(update={"port": settings.notify.port})
    try:
        return await serve(web, metrics.registry, health, chosen="port" in settings.notify.model_fields_set)
    except SettingsError as exc:
        raise SettingsError(f"notify.port: {exc}") from exc


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
