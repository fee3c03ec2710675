"""The worker process: score, watch, or both, on one event loop, until stopped.

Exit statuses: 0 after SIGTERM or SIGINT, 2 for what needs a person (settings, topics, release), 70 for what a
restart may mend. Ending hard is always safe: what was not acknowledged is read again.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mode
from prometheus_client import CollectorRegistry

from models.errors import ModelError
from streams import logs, web
from streams.agents import Scoring, Watching
from streams.app import TocsinApp, create_app, slab_topic
from streams.delivery.journal import Journal
from streams.delivery.outputs import Outputs
from streams.delivery.slabs import Place
from streams.delivery.snapshots import DirectorySnapshots, SnapshotStore, TopicSnapshots
from streams.delivery.sparing import spare_the_log
from streams.delivery.watchdog import COMMIT_SECONDS, Progress, Watchdog, deadline
from streams.errors import EXIT_RESTART, EXIT_USAGE, SettingsError, TocsinError, TopicsError
from streams.heap import keep_flat
from streams.intake import Intake, WatchList
from streams.metrics import Metrics
from streams.offline.scoring import open_scorer
from streams.operate import admin
from streams.operate.client import aiokafka_options
from streams.page import LivePage
from streams.page.access import Access
from streams.page.gauges import SeriesGauges
from streams.page.model import readings
from streams.page.site import Site
from streams.scoring.hints import hear_hints
from streams.scoring.listening import Listening
from streams.scoring.rollout import Follower, Rollout
from streams.scoring.serving import Live, Serving
from streams.scoring.slab import THREADS, SlabScorer
from streams.settings import Settings

log = logs.get(__name__)

STOP_SECONDS = 27.0
"""A stop that takes longer is cut off: supervisors kill after 30."""
BEAT_SECONDS = 0.5


def run(
    settings: Settings,
    roles: Collection[str] = ("score", "watch"),
    *,
    create_topics: bool = False,
    embedded: bool = False,
    prime: Sequence[str] = (),
    stopping: threading.Event | None = None,
) -> int:
    """Run ``roles`` until SIGTERM, or until ``stopping`` is set (for one who runs it in a thread).

    ``create_topics`` makes missing topics first, ``embedded`` says that the broker is the in-memory one,
    ``prime`` names JSONL histories (``FILE`` or ``STREAM=FILE``) that teach the baselines before the stream
    begins. Returns the exit status.
    """
    if embedded:
        settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"embedded": True})})
    spare_the_log()
    keep_flat()
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the loop takes it over
        if create_topics:
            admin.create_topics(settings)
        counts = admin.require_topics(settings)
        return _Worker(settings, roles, counts, prime, stopping).run()
    except (SettingsError, TopicsError, ModelError) as exc:
        log.error("cannot run", reason=str(exc))
        return EXIT_USAGE
    except TocsinError as exc:
        log.error("cannot run now", reason=str(exc))
        return EXIT_RESTART


class _Worker:
    """Everything of one process, built before its loop runs."""

    def __init__(
        self,
        settings: Settings,
        roles: Collection[str],
        counts: Mapping[str, int],
        prime: Sequence[str],
        stopping: threading.Event | None,
    ) -> None:
        self.settings = settings
        self.counts = counts
        self.stopping = stopping
        self.metrics = Metrics.bind(CollectorRegistry(), settings.cost.core_hour)
        self.health = web.Health()
        self.error: BaseException | None = None
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.outputs = Outputs(
            aiokafka_options(settings, "worker"),
            delivery_seconds=settings.kafka.delivery_timeout_seconds,
        )
        self.executors: list[ThreadPoolExecutor] = []
        self.progress: list[Progress] = []
        self.apps: list[TocsinApp] = []
        self.page = LivePage(settings, counts, self.outputs, self.metrics, self.health) if settings.web.page else None
        self.follower: Follower | None = None
        self.listening: Listening | None = None
        self._receivers: tuple[Any, ...] = ()
        self.score = self._score_role() if "score" in roles else None
        self.watch = self._watch_role(prime) if "watch" in roles else None
        self.process = _Process(_Support(self), *self.apps, loop=self.loop)

    def run(self) -> int:
        try:
            self.process.execute_from_commandline()
            status: Any = 0
        except SystemExit as leaving:
            status = leaving.code
            if status:
                self.error = self.error or leaving.__context__
        except BaseException as exc:
            self.error = self.error or exc
            status = EXIT_RESTART
        finally:
            self.process.left()
            for executor in self.executors:
                executor.shutdown(wait=False, cancel_futures=True)
        error = self.error or self.process.crash_reason
        if isinstance(error, (SettingsError, TopicsError, ModelError)):
            log.error("cannot go on", reason=str(error))
            return EXIT_USAGE
        if status or error is not None:
            log.error("ended by an error; start it again", reason=repr(error)[:500])
            return EXIT_RESTART
        log.info("stopped")
        return 0

    def fail(self, error: BaseException) -> None:
        """Called on the loop: the process cannot go on. It stops, and its supervisor starts it again."""
        if self.error is None:
            self.error = error
            self.health.fail(repr(error)[:200])
            self.process.leave()

    def _score_role(self) -> Scoring:
        settings = self.settings
        self.health.expect("release", "score")
        live = self._serve(Serving.of(open_scorer(settings.scoring), settings))
        self.health.hold("release")
        if self.page is not None:
            self.page.readings = lambda: readings(live)
            self.page.archive.scorers = lambda: [live.current.scorer, *(one.scorer for one in live.beside.values())]
        intake = Intake(settings.intake, WatchList.load(settings.intake.watchlist))
        journal = Journal(settings.state_dir, settings.topics.group("score"))
        progress = self._progress("score", COMMIT_SECONDS)
        self.listening = Listening(settings, self.outputs, self._executor("drift"), self.metrics, self.counts)
        role = Scoring(
            settings,
            SlabScorer(settings, intake, live, journal, self.metrics, self.counts, shown=self.page is not None),
            self.outputs,
            self._executor("score"),
            self.metrics,
            progress,
            self.counts,
            journal.taken,
            self.fail,
            self.page.hear if self.page is not None else None,
            self.listening,
        )
        topics = settings.topics.inputs
        app = create_app(settings, "score", role, topics, slabs_ahead=settings.scoring.slabs_ahead)
        channel = slab_topic(app, topics, sum(self.counts[topic] for topic in topics))
        app.agent(channel, name="score_documents")(role.score_documents)
        self._adopt(app, role, "score")
        return role

    def _serve(self, serving: Serving) -> Live:
        """The first release, and the thread that looks out for the next."""
        chosen = self.settings.scoring
        live = Live(serving, percent=chosen.compared_percent, most_different=chosen.most_different)
        rollout = Rollout(self.settings, live, self.metrics, self._released)
        if rollout.follows:
            self.follower = Follower(rollout, chosen.refresh_seconds)
        self._released(serving, {})
        return live

    def _released(self, serving: Serving, refused: Mapping[str, str]) -> None:
        scorer = serving.scorer
        said = {"release": scorer.release, "provider": scorer.provider, "precision": scorer.precision}
        self.metrics.release.info(said)
        self.health.facts.update(said)
        self.health.facts["refused releases"] = "; ".join(f"{version}: {why}" for version, why in refused.items())

    def _watch_role(self, prime: Sequence[str]) -> Watching:
        settings = self.settings
        self.health.expect("watch")
        progress = self._progress("watch", max(COMMIT_SECONDS, 3 * settings.watch.snapshot_seconds))
        role = Watching(
            settings,
            self._snapshots(),
            self.outputs,
            self._executor("watch"),
            self.metrics,
            progress,
            self.counts,
            _primed(settings, self.counts, prime),
            self.fail,
            self.page.listener if self.page is not None else None,
        )
        if self.page is not None:
            self.page.watches = role.watches
        topics = [settings.topics.observations]
        # One slab at a time: a watcher applies them in order, and its snapshot may not run into the next one.
        app = create_app(settings, "watch", role, topics, slabs_ahead=1)
        app.agent(slab_topic(app, topics, self.counts[topics[0]]), name="watch_observations")(role.watch_observations)
        self._adopt(app, role, "watch")
        return role

    def _snapshots(self) -> SnapshotStore:
        settings = self.settings
        if settings.kafka.embedded:
            return DirectorySnapshots(settings.state_dir / "watch" / settings.prefix)
        state = settings.topics.state
        return TopicSnapshots(state, self.counts[state], self.outputs, aiokafka_options(settings, "watch"))

    def _adopt(self, app: TocsinApp, role: Any, name: str) -> None:
        role.consumer = app.consumer
        self.apps.append(app)

        async def joined(sender: Any, assigned: Any, **_: Any) -> None:
            self.health.hold(name)
            self.health.facts[f"{name} partitions"] = len(assigned)

        async def leaving(sender: Any, revoked: Any, **_: Any) -> None:
            self.health.hold(name, False)

        # The signals hold their receivers weakly.
        self._receivers += (joined, leaving)
        app.on_partitions_assigned.connect(joined)
        app.on_partitions_revoked.connect(leaving)

    def _progress(self, name: str, commit_seconds: float) -> Progress:
        progress = Progress(name, commit_seconds=commit_seconds)
        self.progress.append(progress)
        return progress

    def _executor(self, name: str) -> ThreadPoolExecutor:
        executor = ThreadPoolExecutor(THREADS, thread_name_prefix=name)
        self.executors.append(executor)
        return executor


class _Process(mode.Worker):  # type: ignore[misc]
    """mode's worker without its hands on logging and standard output."""

    logger = logging.getLogger("mode.tocsin")

    def __init__(self, *services: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._deadline: threading.Timer | None = None
        super().__init__(*services, quiet=True, override_logging=False, redirect_stdouts=False, loop=loop)

    def install_signal_handlers(self) -> None:
        """SIGTERM and SIGINT only, and only where signals arrive: in the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self.loop.add_signal_handler(number, self.leave)

    def leave(self) -> None:
        """Stop everything in order; on the loop."""
        if self._deadline is None:
            self._deadline = deadline(STOP_SECONDS, "stopping")
        self._schedule_shutdown(signal.SIGTERM)

    def left(self) -> None:
        """The loop has ended: whoever runs us in a thread lives on."""
        if self._deadline is not None:
            self._deadline.cancel()


class _Support(mode.Service):  # type: ignore[misc]
    """What runs beside the apps: the producer, health and metrics, beats and ticks. Starts first, stops last."""

    logger = logging.getLogger("mode.tocsin")

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._watchdog = Watchdog(worker.progress, worker.health.fail)
        self._runner: Any = None
        super().__init__(loop=worker.loop)

    async def on_start(self) -> None:
        worker = self._worker
        await worker.outputs.start()
        place = worker.settings.web
        chosen = "port" in place.model_fields_set
        extend = None
        if worker.page is not None:
            extend = Site(worker.page, Access(place.host, place.page_token())).add_to
            self.add_future(worker.page.run())
            worker.metrics.registry.register(SeriesGauges(worker.page))
        self._runner, port = await web.serve(
            place, worker.metrics.registry, worker.health, chosen=chosen, extend=extend
        )
        for progress in worker.progress:
            progress.beat()
        self._watchdog.start()
        self.add_future(self._beat())
        if worker.score is not None:
            self.add_future(worker.score.tell_the_time())
        if worker.listening is not None:
            self.add_future(worker.listening.listen())
        if worker.follower is not None:
            worker.follower.start()
            self.add_future(hear_hints(worker.settings, worker.follower.hint))
        log.info("started", web_port=port, **worker.health.facts)

    async def on_stop(self) -> None:
        self._watchdog.end()
        if self._worker.follower is not None:
            self._worker.follower.end()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._worker.outputs.stop()

    async def _beat(self) -> None:
        worker = self._worker
        shown: dict[str, set[Place]] = {}
        while True:
            worker.health.beat()
            for app, progress in zip(worker.apps, worker.progress, strict=True):
                progress.beat()
                lags = app.consumer.lags()
                progress.behind = any(lags.values())
                progress.rejoining = app.consumer.rejoining()
                if progress.committed_at is not None:
                    age = time.monotonic() - progress.committed_at
                    worker.health.facts[f"{progress.name} seconds since commit"] = round(age, 1)
                for place in shown.get(progress.name, set()) - lags.keys():
                    worker.metrics.lag.remove(place.topic, str(place.partition))  # another worker tells of it now
                for place, lag in lags.items():
                    worker.metrics.lag.labels(place.topic, str(place.partition)).set(lag)
                shown[progress.name] = set(lags)
            if worker.stopping is not None and worker.stopping.is_set():
                worker.process.leave()
            await asyncio.sleep(BEAT_SECONDS)


def _primed(settings: Settings, counts: Mapping[str, int], prime: Sequence[str]) -> dict[int, bytes]:
    """Snapshots of watchers that the histories ``prime`` have taught, by observations partition."""
    if not prime:
        return {}
    from streams.offline.history import History
    from streams.watch import priming
    from streams.watch.watcher import Watcher

    sources = {stream.topic: counts[stream.topic] for stream in settings.streams.values()}
    homes = range(counts[settings.topics.observations])
    watchers = [Watcher(home, settings.watch, settings.rules, sources) for home in homes]
    history = History(settings, prime, "priming")
    priming.prime(
        watchers,
        history,
        languages=history.languages,
        count_unknown_language=settings.watch.count_unknown_language,
    )
    log.info("primed", documents=history.documents, errors=history.errors)
    return {watcher.partition: watcher.snapshot() for watcher in watchers}
