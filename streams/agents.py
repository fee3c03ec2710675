"""The story: what is received, which pure function works on it, what is sent.

    score_documents     a slab of an input topic -> scored documents, observations, dead letters
    tell_the_time       an input partition without lag -> an empty observations message that moves its clock
    watch_observations  a slab of observations -> alerts, and now and then a snapshot

Each agent receives a slab, hands it to its lane, and goes on to the next. What a lane does with it (compute
ahead, send in order, wait for every acknowledgement, acknowledge) is in ``streams.delivery``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

import msgspec

from streams import logs
from streams.delivery.clock import SourceClock, from_note
from streams.delivery.lanes import Dropped, Lanes
from streams.delivery.outputs import Output, Outputs, partition_by_key
from streams.delivery.slabs import Place, Slab
from streams.delivery.snapshots import SLOTS, Snapshot, SnapshotStore
from streams.delivery.watchdog import Progress
from streams.errors import DeliveryError, SnapshotError, TopicsError
from streams.intake.event_time import parse_time
from streams.metrics import Metrics
from streams.page.sentiments import Heard
from streams.records import Alert, AlertState, Observations, encode
from streams.scoring.listening import Listening
from streams.scoring.slab import SlabScorer, Work
from streams.settings import Settings
from streams.watch.observations import tick
from streams.watch.watcher import Listener, Watcher

log = logs.get(__name__)

DRAIN_SECONDS = 10.0
"""How long sends that have begun may take when partitions move away or the process stops."""
FRESH_SECONDS = 3.0
"""How old the knowledge may be that a partition has no lag; a process that was halted knows nothing fresh."""

Failed = Callable[[BaseException], None]


@dataclass
class Watch:
    """One watcher and how far it is: ``applied`` and ``saved`` are input offsets (excluded), -1 for none.

    ``unsent`` holds from the moment a slab is applied until its alerts are acknowledged: a snapshot taken
    then would know of alerts that nobody got.
    """

    watcher: Watcher
    applied: int
    slot: int = 0
    note: str = ""
    saved: int = -1
    saved_at: float = field(default_factory=time.monotonic)
    unsent: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.saved = self.applied
        self._counted = (self.watcher.late + self.watcher.too_late, self.watcher.refused)

    def take(self) -> tuple[int, bytes] | None:
        """The input offset and the state up to it; ``None`` where there is nothing new, or nothing safe, to keep."""
        with self.lock:
            if self.unsent or self.applied <= self.saved:
                return None
            return self.applied, self.watcher.snapshot()

    def report(self, metrics: Metrics) -> None:
        """Bring the metrics up to what the watcher says."""
        watcher, partition = self.watcher, str(self.watcher.partition)
        late, refused = watcher.late + watcher.too_late, watcher.refused
        metrics.late_documents.inc(max(0, late - self._counted[0]))
        metrics.series_refused.inc(max(0, refused - self._counted[1]))
        self._counted = (late, refused)
        metrics.series.labels(partition).set(watcher.series_count)
        if watcher.watermark_ms is not None:
            metrics.watermark.labels(partition).set(watcher.watermark_ms / 1000)


class Scoring:
    """The score role: its agent, its ticks, and what it tells the transport.

    ``journal_taken`` is called for each partition that is assigned here, before its first slab; ``hear`` is told
    what was heard in each slab that is done, and ``listening`` hears the documents that were scored in it.
    """

    def __init__(
        self,
        settings: Settings,
        scorer: SlabScorer,
        outputs: Outputs,
        executor: Executor,
        metrics: Metrics,
        progress: Progress,
        counts: Mapping[str, int],
        journal_taken: Callable[[Place], None],
        failed: Failed,
        hear: Callable[[Heard], None] | None = None,
        listening: Listening | None = None,
    ) -> None:
        self._hear = hear
        self._settings = settings
        self._outputs = outputs
        self._metrics = metrics
        self._progress = progress
        self._listening = listening
        self._journal_taken = journal_taken
        self._observations = settings.topics.observations
        self._homes = counts[self._observations]
        self._clocks: dict[Place, SourceClock] = {}
        self._told: dict[Place, float] = {}
        self._lanes: Lanes[Work] = Lanes(executor, scorer.compute, self._send, self._sent, failed)
        self.consumer: Any = None

    # The agent

    async def score_documents(self, stream: Any) -> None:
        """Receive slabs; :meth:`SlabScorer.compute` works on them; :meth:`_send` sends what came of it."""
        async for slab in stream.noack():
            self._metrics.records_in.labels(slab.place.topic).inc(len(slab))
            self._lanes.enter(slab)

    async def _send(self, slab: Slab, work: Work) -> None:
        clock = self._clocks.get(slab.place, SourceClock()).heard(work.event_ms, work.broker_ms)
        observations = [msgspec.structs.replace(message, event_ms=clock.event_ms) for message in work.observations]
        await self._outputs.deliver([*work.outputs, *self._as_outputs(observations)])
        self._clocks[slab.place] = clock

    def _sent(self, slab: Slab, work: Work) -> None:
        self.consumer.finish(slab)
        self._told[slab.place] = time.monotonic()
        if self._hear is not None and work.heard is not None:
            self._hear(work.heard)
        topic, metrics = slab.place.topic, self._metrics
        metrics.records_scored.labels(topic).inc(work.scored)
        for stage, count in work.dead.items():
            metrics.dead_letters.labels(topic, stage).inc(count)
        metrics.slab_seconds.observe(time.monotonic() - slab.arrived)
        now_ms = time.time() * 1000
        if self._listening is not None:
            for part in work.slices:
                self._listening.offer(part)
        for record in slab.records:
            if record.timestamp is not None:
                metrics.end_to_end_seconds.observe(max(0.0, (now_ms - record.timestamp) / 1000))

    def _as_outputs(self, observations: list[Observations]) -> list[Output]:
        # gather returns one message per home, in order, and whole rounds of them where a slab was split.
        return [
            Output(self._observations, at % self._homes, None, encode(message))
            for at, message in enumerate(observations)
        ]

    # Ticks

    async def tell_the_time(self) -> None:
        """Every ``watch.idle_seconds``, move the clock of each partition that is ours and has nothing to read."""
        while True:
            await asyncio.sleep(min(1.0, self._settings.watch.idle_seconds))
            if self.consumer is None:
                continue
            for place in self.consumer.ledger.places():
                due = time.monotonic() - self._told.get(place, 0.0) >= self._settings.watch.idle_seconds
                if due and self._is_idle(place):
                    self._lanes.enter_message(place, partial(self._tick, place))

    async def _tick(self, place: Place) -> None:
        following = self.consumer.ledger.expected(place)
        if following is None or not self.consumer.idle(place, FRESH_SECONDS):
            return
        moment = self._clocks.get(place, SourceClock()).idle(int(time.time() * 1000))
        messages = tick(
            topic=place.topic,
            partition=place.partition,
            next_offset=following,
            event_ms=moment,
            partitions=self._homes,
        )
        await self._outputs.deliver(self._as_outputs(messages))
        self._told[place] = time.monotonic()

    def _is_idle(self, place: Place) -> bool:
        return bool(self.consumer.idle(place, FRESH_SECONDS)) and not self._lanes.busy(place)

    # What the transport asks

    async def start_at(self, committed: Mapping[Place, int | None]) -> Mapping[Place, int | None]:
        return committed

    def remember(self, place: Place, note: str) -> None:
        self._clocks[place] = from_note(note)
        self._told.pop(place, None)
        self._journal_taken(place)

    def note(self, place: Place) -> str:
        return self._clocks.get(place, SourceClock()).note()

    async def drain(self) -> None:
        await self._lanes.retire(DRAIN_SECONDS)

    def committed(self, offsets: Mapping[Place, int]) -> None:
        self._progress.moved()
        self._metrics.commits.labels("score").inc()


class Watching:
    """The watch role: one deterministic :class:`Watcher` per observations partition that is assigned here.

    ``primed`` are snapshots of watchers that history has taught, by partition, for those without a snapshot;
    ``listener`` makes one who hears of every window that the watcher of a partition closes.
    """

    def __init__(
        self,
        settings: Settings,
        store: SnapshotStore,
        outputs: Outputs,
        executor: Executor,
        metrics: Metrics,
        progress: Progress,
        counts: Mapping[str, int],
        primed: Mapping[int, bytes],
        failed: Failed,
        listener: Callable[[int], Listener] | None = None,
    ) -> None:
        self._listener = listener
        self._settings = settings
        self._store = store
        self._outputs = outputs
        self._executor = executor
        self._metrics = metrics
        self._progress = progress
        self._alerts = settings.topics.alerts
        self._alert_partitions = counts[self._alerts]
        self._partitions = counts[settings.topics.observations]
        self._sources = {stream.topic: counts[stream.topic] for stream in settings.streams.values()}
        self._primed = primed
        for state in get_args(AlertState):
            for rule in settings.rules:  # a counter that begins at 1 has, to Prometheus, never increased
                metrics.alerts.labels(state, rule.severity)
        self._notes: dict[Place, str] = {}
        self._watches: dict[Place, Watch] = {}
        self._lanes: Lanes[list[Alert]] = Lanes(executor, self._apply, self._send, self._sent, failed)
        self.consumer: Any = None

    # The agent

    async def watch_observations(self, stream: Any) -> None:
        """Receive slabs; the partition's watcher applies them; what became due is sent."""
        async for slab in stream.noack():
            self._lanes.enter(slab)

    def _apply(self, slab: Slab) -> list[Alert]:
        watch = self._watches[slab.place]
        with watch.lock:
            if slab.dropped:
                raise Dropped
            watch.unsent = True
            return self._apply_all(slab, watch.watcher)

    def _apply_all(self, slab: Slab, watcher: Watcher) -> list[Alert]:
        alerts: list[Alert] = []
        for record in slab.records:
            try:
                observations = _observations.decode(record.value or b"")
            except msgspec.MsgspecError as exc:
                log.error("not an observations message, passed over", slab=repr(slab), error=str(exc)[:200])
                continue
            alerts += watcher.apply(observations)
            self._metrics.observations.inc(len(observations.items))
        return alerts

    async def _send(self, slab: Slab, alerts: list[Alert]) -> None:
        """Alerts, then the snapshot that knows of them, then (:meth:`_sent`) the input's offset: in this order."""
        await self._outputs.deliver(
            Output(self._alerts, partition_by_key(key, self._alert_partitions), key, value)
            for key, value in ((alert.alert_id.encode(), encode(alert)) for alert in alerts)
        )
        watch = self._watches[slab.place]
        watch.applied, watch.unsent = slab.end, False
        if time.monotonic() - watch.saved_at >= self._settings.watch.snapshot_seconds:
            await self._snapshot(slab.place, watch)

    async def _snapshot(self, place: Place, watch: Watch) -> None:
        taken = await asyncio.get_running_loop().run_in_executor(self._executor, watch.take)
        if taken is None:
            return
        applied, data = taken
        watch.note = await self._store.save(Snapshot(place.partition, applied, self._partitions, data, watch.slot))
        watch.slot = (watch.slot + 1) % SLOTS
        watch.saved, watch.saved_at = applied, time.monotonic()
        self.consumer.ledger.finish_through(place, applied)
        self._metrics.snapshots.inc()

    def _sent(self, slab: Slab, alerts: list[Alert]) -> None:
        """Make room for the next slab. The offsets of this one are finished by the snapshot that holds it."""
        self.consumer.release(slab)
        for alert in alerts:
            self._metrics.alerts.labels(alert.state, alert.severity).inc()
            if alert.state == "firing" and (end_ms := parse_time(alert.window.end)) is not None:
                self._metrics.alert_delay.observe(max(0.0, time.time() - end_ms / 1000))
        self._watches[slab.place].report(self._metrics)

    # What the transport asks

    async def start_at(self, committed: Mapping[Place, int | None]) -> Mapping[Place, int | None]:
        """Where each partition's newest usable snapshot ends; the earliest where there is none."""
        watches = await asyncio.gather(*(self._restore(place) for place in committed))
        for place in self._watches.keys() - committed.keys():
            self._metrics.partition_left(str(place.partition))
        self._watches = dict(zip(committed, watches, strict=True))
        if self._listener is not None:
            for place, watch in self._watches.items():
                watch.watcher.listener = self._listener(place.partition)
        return {place: watch.applied if watch.applied >= 0 else None for place, watch in self._watches.items()}

    async def _restore(self, place: Place) -> Watch:
        snapshot = await self._store.newest(place.partition, self._notes.get(place, ""))
        arguments = (place.partition, self._settings.watch, self._settings.rules, self._sources)
        if snapshot is not None and snapshot.partitions != self._partitions:
            raise TopicsError(
                f"{place.topic} has {self._partitions} partitions, its snapshots know {snapshot.partitions}: "
                "series would move between watchers. Take a new --prefix, or delete the records of "
                f"{self._settings.topics.state} to begin anew"
            )
        if snapshot is not None:
            try:
                watcher = await asyncio.to_thread(Watcher.restore, snapshot.data, *arguments)
                return Watch(watcher, snapshot.offset, (snapshot.slot + 1) % SLOTS)
            except SnapshotError as exc:
                log.warning("a snapshot is dropped, the log rebuilds the watcher", reason=str(exc)[:300])
        primed = self._primed.get(place.partition)
        return Watch(Watcher(*arguments) if primed is None else Watcher.restore(primed, *arguments), -1)

    def remember(self, place: Place, note: str) -> None:
        self._notes[place] = note

    def note(self, place: Place) -> str:
        watch = self._watches.get(place)
        return watch.note if watch is not None else ""

    async def drain(self) -> None:
        """Let what is being sent end, then keep what was counted, so that a successor need not count it again."""
        await self._lanes.retire(DRAIN_SECONDS)
        places = self.consumer.ledger.places()
        saves = [self._snapshot(place, self._watches[place]) for place in places if place in self._watches]
        try:
            await asyncio.wait_for(asyncio.gather(*saves), timeout=DRAIN_SECONDS)
        except (TimeoutError, DeliveryError) as exc:
            log.warning("no last snapshot; the log is read again from the one before", reason=repr(exc)[:200])

    def watches(self) -> list[Watch]:
        """The watchers of the partitions that are assigned here now."""
        here = set(self.consumer.ledger.places()) if self.consumer is not None else set()
        return [watch for place, watch in self._watches.items() if place in here]

    def committed(self, offsets: Mapping[Place, int]) -> None:
        self._progress.moved()
        self._metrics.commits.labels("watch").inc()


_observations = msgspec.json.Decoder(Observations)
