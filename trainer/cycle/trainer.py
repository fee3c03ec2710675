"""What the trainer does with what it knows: takes in what comes, begins cycles, looks after them, concludes them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.base import find_base
from models.errors import ModelError
from models.registry import CHAMPION, PREVIOUS, Registry
from streams import logs
from streams.errors import TocsinError
from streams.settings import Settings
from streams.web import Health
from trainer import cases
from trainer.cycle.agreement import agreement
from trainer.cycle.choosing import Lessons, choose
from trainer.cycle.job import Job, Learnt, Material, Working, lay_out, read_learnt, read_verdict
from trainer.cycle.mail import Mail
from trainer.cycle.metrics import TrainerMetrics
from trainer.cycle.reasons import FRUITFUL, Known, Reason, cooled_ms, due, lacking
from trainer.cycle.store import Cycle, Store
from trainer.data import Example, read_rows
from trainer.learning.replay import Memory, Remembered

MOST_ATTEMPTS = 3
PATIENCE = 3.0
"""A cycle that takes so many times ``trainer.most_seconds``, and half an hour more, is ended."""
CANDIDATES = ".candidates"
"""Directory of a registry in which candidates lie until they are judged; hidden, so that none can serve."""

log = logs.get(__name__)


class Trainer:
    """What the trainer knows and does; all its methods are called from one thread.

    ``hint`` tells the workers that an alias names another release now.
    """

    def __init__(
        self, settings: Settings, store: Store, metrics: TrainerMetrics, health: Health, hint: Callable[[str, str], Any]
    ) -> None:
        self._settings = settings
        self._hint = hint
        self._told = settings.trainer
        self._store = store
        self._metrics = metrics
        self._health = health
        self._registry = Registry(settings.scoring.registry)
        self._base = self._told.base or find_base()
        self._taxonomies = self._registry.manifest(CHAMPION).labels.topics
        self._own = self._rows(self._told.anchors)
        self._working: Working | None = None
        self._deadline = 0.0
        self._lessons: Lessons | None = None
        self._since_ms = int(store.fact("since", str(now_ms())))
        self.waiting_for = ""
        cycles = store.cycles()
        for cycle in cycles:
            if cycle.outcome is not None:  # killed between concluding it and clearing up
                shutil.rmtree(self._folder(cycle.id), ignore_errors=True)
        if not cycles and not store.memory():
            store.remember(self._first_memory())

    @property
    def working(self) -> bool:
        """Whether a cycle is under way."""
        return self._working is not None

    @property
    def finished(self) -> bool:
        """Whether the process of a cycle has ended and waits to be looked at."""
        return self._working is not None and self._working.status is not None

    def take(self, mail: Mail) -> None:
        """Keep what came, with the offsets behind it."""
        if mail.arrivals.next_offsets:
            self._store.take(mail.arrivals, now_ms(), self._told.most_samples)
            self._lessons = None
        for topic, count in mail.read.items():
            self._metrics.records_in.labels(topic).inc(count)
        for topic, count in mail.unreadable.items():
            self._metrics.unreadable.labels(topic).inc(count)
        for one in mail.arrivals.signals:
            self._metrics.signals.labels(one.calls).inc()
        self._health.beat()

    def report(self, behind: dict[str, int]) -> None:
        """Bring the gauges up to date."""
        for topic, count in behind.items():
            self._metrics.lag.labels(topic).set(count)
        for name, count in self._store.samples_by_slice().items():
            self._metrics.samples.labels(name).set(count)
        self._metrics.memory.set(len(self._store.memory()))
        cycles = self._store.cycles()
        done = [cycle.concluded_ms for cycle in cycles if cycle.concluded_ms is not None]
        self._metrics.last_cycle.set(done[-1] / 1000 if done else 0)
        self._metrics.next_cycle.set(cooled_ms(cycles, self._told.cooldown_hours) / 1000)

    def look(self, now_ms: int, asked: Reason | None = None) -> str | None:
        """Go on with the cycle under way, or begin one where it is due; what became of one that is concluded now."""
        cycle = next((one for one in self._store.cycles() if one.outcome is None), None)
        if cycle is not None:
            return self._go_on(cycle)
        if self._lessons is None:
            self._lessons = self._chosen()
        lessons = self._lessons
        known = self._known(lessons)
        reason = due(known, self._told, now_ms)
        if reason is None and asked is not None and lessons.learn:
            reason = asked
        if reason is None:
            wanting = lacking(known, self._told) or "no drift that calls for training, too few new labels, or cooldown"
            if wanting != self.waiting_for:
                log.info("waiting", reason=wanting, fresh=known.fresh)
            self.waiting_for = self._health.facts["waiting for"] = wanting
            return None
        self._begin(reason, lessons, now_ms)
        return None

    def end(self) -> None:
        """Leave the cycle under way as it is; the next trainer goes on with it."""
        if self._working is not None:
            self._working.end()

    def _chosen(self) -> Lessons:
        samples, words = self._store.samples(), self._store.words()
        self._metrics.agree(agreement(samples, words, self._registry.resolve(CHAMPION).name))
        return choose(
            samples,
            words,
            self._taxonomies,
            learnt=self._store.learnt(),
            own_anchors=[row.text for row in self._own],
            most_of_one=self._told.most_of_one,
        )

    def _known(self, lessons: Lessons) -> Known:
        seen = self._store.seen()
        fresh = sum(given.id not in seen for given in lessons.learn)
        known = Known(
            len(lessons.learn),
            fresh,
            len(self._own) + len(lessons.anchors),
            self._store.signals(),
            self._store.cycles(),
            self._since_ms,
        )
        self._metrics.fresh_labels.set(fresh)
        self._metrics.gate_rows.labels("anchors").set(known.anchors)
        self._metrics.gate_rows.labels("recent").set(len(lessons.recent))
        return known

    def _begin(self, reason: Reason, lessons: Lessons, now_ms: int) -> None:
        number = self._store.next_cycle()
        champion = self._registry.resolve(CHAMPION).name
        version = f"update-{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%d-%H%M%S}-{number}"
        candidates = self._registry.root / CANDIDATES
        shutil.rmtree(candidates, ignore_errors=True)  # a refused candidate is kept until the next cycle
        job = Job(
            cycle=number,
            version=version,
            champion=str(self._registry.resolve(champion).resolve()),
            teacher=self._teacher(champion),
            target=str((candidates / version).resolve()),
            registry=str(self._registry.root.resolve()),
            base=str(self._base.resolve()),
            begun_ms=now_ms,
            drifted=reason.drifted,
            told=reason.told,
            rate=self._told.rate,
            epochs=self._told.epochs,
            seconds=self._told.most_seconds,
            pseudo=self._told.pseudo_labels,
        )
        material = Material(
            lessons.learn, lessons.anchors, lessons.recent, self._own, lessons.unlabelled, self._store.memory()
        )
        lay_out(self._folder(number), job, material)
        cycle = Cycle(number, now_ms, reason.kind, reason.told, champion, version, 0)
        self._store.begin(cycle, [given.id for given in lessons.learn])
        log.info("a cycle begins", cycle=number, reason=reason.told, learn=len(lessons.learn), champion=champion,
                 anchors=len(lessons.anchors) + len(self._own), recent=len(lessons.recent))  # fmt: skip
        for why, count in lessons.set_aside.items():
            self._metrics.set_aside.labels(why).inc(count)
        for kind in ("person", "stars"):
            judged = sum(given.kind == kind for given in (*lessons.anchors, *lessons.recent))
            self._metrics.labels.labels(kind).inc(judged)
        self._work(number)

    def _work(self, number: int) -> None:
        # What a killed trainer had at work ends by itself within a second, before the new one has imported anything.
        attempt = self._store.attempt(number)
        self._working = Working(self._folder(number), self._hear)
        self._deadline = time.monotonic() + PATIENCE * self._told.most_seconds + 1_800
        log.info("a cycle is at work", cycle=number, attempt=attempt)

    def _hear(self, stage: str) -> None:
        """A stage that the working process has come to. On a thread of its own."""
        self._metrics.at(stage)
        self._health.facts["cycle"] = stage
        log.info("cycle", stage=stage)

    def _go_on(self, cycle: Cycle) -> str | None:
        """Look after the process of ``cycle``; conclude it where it has come to something."""
        if self._working is not None:
            if self._working.status is None:
                if time.monotonic() > self._deadline:
                    log.error("a cycle takes too long and is ended", cycle=cycle.id)
                    self._working.end()
                return None
            status, self._working = self._working.status, None
            self._metrics.at("waiting")
            if status:
                log.warning("the process of a cycle has failed", cycle=cycle.id, status=status)
        folder = self._folder(cycle.id)
        learnt, verdict = read_learnt(folder), read_verdict(folder)
        if learnt is not None and learnt.alpha == 0:
            return self._conclude(cycle, "unchanged", learnt, {"told": "no part of the way helps and spoils nothing"})
        if learnt is not None and verdict is not None:
            return self._decide(cycle, learnt, verdict)
        if cycle.attempts >= MOST_ATTEMPTS:
            return self._conclude(cycle, "failed", learnt, {"told": f"given up after {cycle.attempts} attempts"})
        self._work(cycle.id)
        return None

    def _decide(self, cycle: Cycle, learnt: Learnt, verdict: dict[str, Any]) -> str:
        """Put a candidate that passed in its place. Done again after a kill, it does what is left."""
        if not verdict["passed"]:
            return self._conclude(cycle, "refused", learnt, {"verdict": verdict})
        self._metrics.at("promoting")
        why = f"cycle {cycle.id}, {cycle.told}: passed {len(verdict['checks'])} checks against {cycle.champion}"
        if cycle.version not in self._registry.versions():
            self._registry.publish(self._registry.root / CANDIDATES / cycle.version, reason=why)
        alias = "champion" if self._told.promote else "candidate"
        moved = cycle.version in self._registry.aliases().values() or any(
            event.get("to") == cycle.version for event in self._registry.history()
        )
        if not moved and self._registry.resolve(CHAMPION).name != cycle.champion:
            # It was judged against one that is no longer there to be replaced.
            return self._conclude(cycle, "failed", learnt, {"told": "another release became champion meanwhile"})
        if not moved:  # moved already: whoever moved it on since then, or back, knew why
            if self._told.promote:
                self._registry.promote(cycle.version, reason=why)
            else:
                self._registry.nominate(cycle.version, reason=why)
        try:
            self._hint(alias, cycle.version)
        except TocsinError as exc:
            log.warning("no hint was sent; workers look by themselves", reason=str(exc)[:300])
        outcome = "promoted" if self._told.promote else "nominated"
        self._metrics.promotions.inc(outcome == "promoted")
        return self._conclude(cycle, outcome, learnt, {"verdict": verdict})

    def _conclude(self, cycle: Cycle, outcome: str, learnt: Learnt | None, detail: dict[str, Any]) -> str:
        at_ms = now_ms()
        verdict = detail.get("verdict")
        if learnt is not None:
            detail |= {"figures": learnt.figures, "labels": learnt.labels, "distrusted": learnt.distrusted}
        if outcome in FRUITFUL and learnt is not None:
            memory = Memory(self._store.memory())
            memory.add(learnt.remember)
            self._store.conclude(cycle.id, outcome, detail, at_ms, learnt=learnt.ids, memory=memory.rows())
        else:
            self._store.conclude(cycle.id, outcome, detail, at_ms)
        self._lessons = None
        shutil.rmtree(self._folder(cycle.id), ignore_errors=True)
        self._count(outcome, learnt, verdict, (at_ms - cycle.begun_ms) / 1000)
        refused = verdict["refused_by"] if verdict is not None else []
        log.info("a cycle is concluded", cycle=cycle.id, outcome=outcome, version=cycle.version, refused_by=refused,
                 told=detail.get("told", ""), seconds=round((at_ms - cycle.begun_ms) / 1000))  # fmt: skip
        self._health.facts |= {"last cycle": f"{cycle.id} {outcome}", "cycle": "none"}
        return outcome

    def _count(self, outcome: str, learnt: Learnt | None, verdict: dict[str, Any] | None, seconds: float) -> None:
        metrics = self._metrics
        metrics.at("waiting")
        metrics.cycles.labels(outcome).inc()
        metrics.cycle_seconds.observe(seconds)
        for kind, count in learnt.labels.items() if learnt is not None else ():
            metrics.labels.labels(kind).inc(count)
        for why, count in learnt.set_aside.items() if learnt is not None else ():
            metrics.set_aside.labels(why).inc(count)
        for check in verdict["checks"] if verdict is not None else ():
            metrics.checks.labels(check["check"], "held" if check["held"] else "failed").inc()

    def _teacher(self, champion: str) -> str:
        """Another release that can give its opinion: the one before, where it is sound."""
        before = self._registry.aliases().get(PREVIOUS)
        if before is None or before == champion:
            return ""
        try:
            return str(self._registry.resolve(before).resolve())
        except ModelError:
            return ""

    def _first_memory(self) -> list[Remembered]:
        """What the release is known to know: the user's rows, or texts by rule such as the shipped one learnt."""
        rows = self._rows(self._told.rehearse) or cases.rehearsal()
        return Memory([Remembered(row, {}) for row in rows]).rows()

    def _rows(self, path: Path | None) -> list[Example]:
        return [] if path is None else read_rows(path, self._taxonomies)

    def _folder(self, number: int) -> Path:
        return self._settings.state_dir / f"{self._settings.prefix}-cycles" / str(number)


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000
