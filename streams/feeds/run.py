"""``tocsin ingest rss``: look at every feed once, or go on looking, each feed at its own pace."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import typer
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams import logs
from streams.delivery.outputs import Output, Outputs, partition_by_key
from streams.errors import EXIT_RESTART, DeliveryError, SettingsError
from streams.feeds.memory import Memory
from streams.feeds.poller import OUTCOMES, Outcome, Poller
from streams.feeds.sources import Feed, feeds
from streams.metrics import Metrics
from streams.operate.admin import require_topic
from streams.operate.client import aiokafka_options
from streams.operate.feed import INTERRUPTED, input_topic
from streams.settings import Settings
from streams.web import Health, serve

REPORT_SECONDS = 60.0
PRUNE_SECONDS = 3600.0
STATES = {"new": "answers", "unchanged": "answers", "failed": "fails", "waiting": "fails"}

log = logs.get(__name__)


def run(settings: Settings, lists: Sequence[Path], topic: str, *, once: bool, as_json: bool = False) -> int:
    """Read the feeds of the settings and of ``lists`` into input ``topic``. Exit status.

    ``once`` looks at each feed once and reports on standard output; 1 where not a single one could be had.

    Raises:
        InputError: no feed is named, a list cannot be read, or ``topic`` is no input of these settings.
        SettingsError: the memory cannot be used, or the port is taken.
        TopicsError, BrokerError: the topic does not exist, or the cluster cannot be reached.
    """
    found = feeds(settings.feeds, lists)
    name = input_topic(settings, topic)
    return asyncio.run(_Reader(settings, found, name, require_topic(settings, name)).run(once=once, as_json=as_json))


class _Reader:
    def __init__(self, settings: Settings, found: list[Feed], topic: str, partitions: int) -> None:
        self._settings = settings
        self._feeds = found
        self._topic = topic
        self._partitions = partitions
        self._outputs = Outputs(
            aiokafka_options(settings, "feed"), delivery_seconds=settings.kafka.delivery_timeout_seconds
        )
        self._metrics = Metrics.bind(CollectorRegistry(), settings.cost.core_hour)
        self._stopping = asyncio.Event()
        self._states: dict[str, str] = {}
        self._tally: Counter[str] = Counter()
        self._goes_on = False
        """Whether what happens is told by the log; one look has its report."""

    async def run(self, *, once: bool, as_json: bool) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        for outcome in OUTCOMES:  # a counter that begins at 1 has, to Prometheus, never increased
            self._metrics.feed_polls.labels(outcome)
        memory = Memory(":memory:" if self._settings.kafka.embedded else self._settings.feeds_memory)
        try:
            await self._outputs.start()
            poller = Poller(self._settings.feeds, memory, self._deliver)
            try:
                return await (self._look_once(poller, as_json) if once else self._go_on(poller, memory))
            finally:
                await poller.close()
        except DeliveryError as exc:
            log.error("the feed reader ends, to be restarted", reason=str(exc)[:300])
            return EXIT_RESTART
        finally:
            await self._outputs.stop()
            memory.close()

    async def _deliver(self, documents: Sequence[tuple[str, bytes]]) -> None:
        outputs = [
            Output(self._topic, partition_by_key(name.encode(), self._partitions), name.encode(), value)
            for name, value in documents
        ]
        await self._outputs.deliver(sorted(outputs, key=lambda output: output.partition))

    async def _look_once(self, poller: Poller, as_json: bool) -> int:
        looks = [asyncio.ensure_future(self._look(poller, feed)) for feed in self._feeds]
        stopped = asyncio.ensure_future(self._stopping.wait())
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        try:
            with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("looking at feeds", total=len(looks))
                pending: set[asyncio.Future[Any]] = {*looks, stopped}
                while pending > {stopped}:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    if stopped in done:
                        break
                    for look in done:
                        look.result()
                    bar.advance(task, len(done))
        finally:
            await _cancel([*looks, stopped])
        outcomes = [look.result() for look in looks if not look.cancelled()]
        _tell(outcomes, as_json)
        if len(outcomes) < len(looks):
            return INTERRUPTED
        return 0 if any(STATES[outcome.kind] == "answers" for outcome in outcomes) else 1

    async def _go_on(self, poller: Poller, memory: Memory) -> int:
        self._goes_on = True
        health = Health()
        web = self._settings.web.model_copy(update={"port": self._settings.feeds.port})
        try:
            runner, port = await serve(
                web, self._metrics.registry, health, chosen="port" in self._settings.feeds.model_fields_set
            )
        except SettingsError as exc:
            raise SettingsError(f"feeds.port: {exc}") from exc
        log.info("reading feeds", feeds=len(self._feeds), topic=self._topic, port=port)
        tasks = [asyncio.ensure_future(self._follow(poller, feed)) for feed in self._feeds]
        tasks.append(asyncio.ensure_future(self._keep_house(memory, health)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await _cancel(tasks)
            await runner.cleanup()
        log.info("stopped", **self._tally)
        return 0

    async def _follow(self, poller: Poller, feed: Feed) -> None:
        """Look at one feed whenever it is due, until stopped; what ends it ends the process."""
        while True:
            seconds = poller.due_ms(feed) / 1000 - time.time()
            if await self._stopped_within(seconds):
                return
            await self._look(poller, feed)

    async def _look(self, poller: Poller, feed: Feed) -> Outcome:
        outcome = await poller.poll(feed)
        self._metrics.feed_polls.labels(outcome.kind).inc()
        self._metrics.feed_documents.inc(outcome.sent)
        self._metrics.feed_received.inc(outcome.received)
        if outcome.kind != "waiting":
            self._metrics.feed_seconds.observe(outcome.seconds)
        self._tally.update(sent=outcome.sent, looks=1, failed=outcome.kind == "failed")
        state, before = STATES[outcome.kind], self._states.get(feed.id)
        self._states[feed.id] = state
        if state != before:
            if before is not None:
                self._metrics.feeds.labels(before).dec()
            self._metrics.feeds.labels(state).inc()
            if self._goes_on and state == "fails":
                log.warning("a feed fails", feed=feed.shown, reason=outcome.reason)
            elif before == "fails":
                log.info("a feed answers again", feed=feed.shown)
        return outcome

    async def _keep_house(self, memory: Memory, health: Health) -> None:
        """The beat that supervisors listen for, reports, and forgetting what need not be known any more."""
        told, reported = 0, time.monotonic()
        pruned = reported - PRUNE_SECONDS
        while not await self._stopped_within(1.0):
            health.beat()
            now = time.monotonic()
            if now - reported >= REPORT_SECONDS and self._tally["looks"] != told:
                reported, told = now, self._tally["looks"]
                log.info("feeds read", failing=sum(state == "fails" for state in self._states.values()), **self._tally)
            if now - pruned >= PRUNE_SECONDS:
                pruned = now
                memory.prune(time.time_ns() // 1_000_000)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), max(seconds, 0.0))
        except TimeoutError:
            return False
        return True


async def _cancel(tasks: Iterable[asyncio.Future[Any]]) -> None:
    tasks = [*tasks]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _tell(outcomes: list[Outcome], as_json: bool) -> None:
    """The report of one look at every feed: those that failed with why, then the sums; or a JSON line for each."""
    if as_json:
        for outcome in outcomes:
            told = {**asdict(outcome), "feed": outcome.feed.shown, "seconds": round(outcome.seconds, 3)}
            sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    for outcome in outcomes:
        if outcome.reason:
            typer.echo(f"{outcome.kind}: {outcome.feed.shown}: {outcome.reason}")
    sums = {
        name: sum(getattr(outcome, name) for outcome in outcomes) for name in ("sent", "known", "undated", "left_out")
    }
    kinds = Counter(outcome.kind for outcome in outcomes)
    typer.echo(
        f"{len(outcomes)} feeds: {kinds['new']} with something new, {kinds['unchanged']} without, "
        f"{kinds['failed']} failed, {kinds['waiting']} left alone for now"
    )
    typer.echo(
        f"{sums['sent']} documents sent, {sums['known']} known already, {sums['undated']} undated and so not sent at "
        f"first sight, {sums['left_out']} beyond feeds.max_items"
    )
