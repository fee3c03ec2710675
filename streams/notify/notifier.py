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
from typing import Any

from aiohttp.web import AppRunner
from prometheus_client import CollectorRegistry

from streams import logs
from streams.errors import EXIT_RESTART, BrokerError, SettingsError
from streams.metrics import Metrics
from streams.notify.courier import Courier, remind
from streams.notify.inbox import Inbox
from streams.notify.outbox import Outbox
from streams.notify.routing import Route, channels_for
from streams.notify.sinks import Alertmanager, session, sinks
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
                await asyncio.to_thread(inbox.start, outbox.offsets(inbox.topic))
                couriers = [Courier(sink, outbox, metrics, _now_ms) for sink in found]
                reminders = [
                    remind(sink, outbox, _now_ms, settings.notify.resend_seconds, stopping)
                    for sink in found
                    if isinstance(sink, Alertmanager)
                ]
                routes = [Route(sink.name, sink.only) for sink in found]
                reader = _read(inbox, outbox, couriers, metrics, health, stopping, routes)
                await _together([reader, *(courier.run() for courier in couriers), *reminders], couriers, stopping)
                await asyncio.to_thread(inbox.settle, outbox.delivered_below(inbox.topic))
            finally:
                await asyncio.to_thread(inbox.close)
        finally:
            outbox.close()


async def _read(
    inbox: Inbox,
    outbox: Outbox,
    couriers: list[Courier],
    metrics: Metrics,
    health: Health,
    stopping: asyncio.Event,
    routes: Sequence[Route],
) -> None:
    """Alerts into the outbox; between polls, the housekeeping that must not run beside them."""
    settled = checked = pruned = time.monotonic() - PRUNE_SECONDS
    while not stopping.is_set():
        mail = await asyncio.to_thread(inbox.poll)
        now = time.monotonic()
        if mail.next_offsets:
            arrivals = [(arrival, channels_for(arrival.alert, routes, inbox.prefix)) for arrival in mail.arrivals]
            new = outbox.store(inbox.topic, arrivals, mail.next_offsets, _now_ms())
            metrics.records_in.labels(inbox.topic).inc(len(mail.arrivals) + mail.unreadable)
            log.debug("alerts taken in", read=len(mail.arrivals), new=new)
            for courier in couriers:
                courier.wake()
        if now - settled >= SETTLE_SECONDS:
            settled = now
            await asyncio.to_thread(inbox.settle, outbox.delivered_below(inbox.topic))
            for courier in couriers:
                courier.report()
        if now - checked >= CHECK_SECONDS:
            checked = now
            _hold_broker(health, await asyncio.to_thread(inbox.check))
        if now - pruned >= PRUNE_SECONDS:
            pruned = now
            outbox.prune(_now_ms())
        health.beat()


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
