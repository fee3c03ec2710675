"""``tocsin demo --learn``: new words come, drift is heard, a cycle learns them, the gate lets it through, workers swap.

The processes are those of the command line: a worker, a trainer, people's feedback from a bundled file. The registry is
a copy that is gone afterwards. In the end a poisoned release is brought, and refused.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from confluent_kafka import Producer
from rich.console import Console

from models.assembly import ensure_shipped
from models.registry import CHAMPION, Registry
from streams.demo import telling
from streams.demo.follow import following, received
from streams.demo.lesson import Lesson, accuracy, lesson, quiet, recent
from streams.demo.processes import Process, arrange, cancel_on_signals, environment, free_port
from streams.demo.run import INTERRUPTED, WATCHLIST
from streams.demo.sample import SEED, SampleRecord
from streams.demo.screen import Screen
from streams.errors import BrokerError, SettingsError
from streams.lessons import DriftSample, DriftSignal
from streams.operate.admin import create_topics
from streams.operate.embedded import BANNER, EmbeddedBroker, on_embedded
from streams.records import ScoredDocument
from streams.settings import Settings

READY_SECONDS = 300.0
SETTLE_SECONDS = 300.0
"""Given to a wave of documents to be scored and heard, and to a worker to follow a new champion."""
CYCLE_SECONDS = 2_400.0
PORTION = 100
"""Documents sent at once: as many as arrive while the ones before are being scored."""
FEEDBACK = Path(__file__).parent / "feedback.jsonl"
"""What people say of documents of :data:`SEED`."""
POISONED = "poisoned"
VERDICTS = ".verdicts"
NEEDED = ("torch", "transformers", "peft")


def run(settings: Settings, *, console: Console | None = None) -> int:
    """Run the demo and say what came of it: 0 where all came about that is told above, 1 where not, 130 interrupted.

    Raises:
        SettingsError: what learning needs is not installed.
        BrokerError: the embedded broker is not installed, or a process of the demo ended.
    """
    require(NEEDED)
    screen = Screen(console if console is not None else Console(highlight=False, soft_wrap=True), time.monotonic())
    screen.console.print(BANNER, style="bold yellow", markup=False)
    with EmbeddedBroker() as servers, tempfile.TemporaryDirectory(prefix="tocsin-learn-") as place:
        folder = Path(place)
        arranged = _arranged(on_embedded(settings, servers), folder)
        create_topics(arranged)
        learning = Learning(arranged, folder, screen, lesson(SEED))
        try:
            status = asyncio.run(learning.play())
        except (KeyboardInterrupt, asyncio.CancelledError):
            screen.console.print("stopped; the broker and all that it held are gone", style="dim")
            return INTERRUPTED
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    worked = sum(one.ru_utime + one.ru_stime for one in used)
    said = f"it took {telling.minutes(screen.seconds)}, and {telling.minutes(worked)} of processor time"
    screen.console.print(said, style="dim")
    return status


def require(names: Iterable[str]) -> None:
    """See that the packages are installed.

    Raises:
        SettingsError: one is not.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"tocsin demo --learn trains a release, and {', '.join(missing)} is not installed: install tocsin with the "
            "extras `train` and `demo` (pip install '.[cpu,demo,train]' in a checkout, or `make demo-learn`)"
        )


def _arranged(settings: Settings, folder: Path) -> Settings:
    """A registry, rows and a trainer of the demo's own; whatever would teach something is sent to be labelled."""
    arranged = arrange(settings, folder, WATCHLIST)
    registry = folder / "registry"
    shipped = ensure_shipped(arranged.scoring.registry)
    shutil.copytree(shipped, registry / shipped.name)
    Registry(registry).promote(shipped.name, reason="as shipped")
    rows = quiet(SEED)
    told: dict[str, Any] = {"port": free_port(), "epochs": 2, "rate": 3e-4, "cooldown_hours": 0.0}
    for name, some in (("anchors", rows.anchors), ("rehearse", rows.rehearsed)):
        told[name] = _written(folder / f"{name}.jsonl", some)
    with told["rehearse"].open("ab") as file:  # what the shipped release was taught besides
        subprocess.run(
            [sys.executable, "-m", "trainer.cases"], stdout=file, check=True, env=environment(arranged, os.environ)
        )
    scoring = {"registry": str(registry), "release": CHAMPION, "embeddings": False}
    return arranged.model_copy(
        update={
            "scoring": arranged.scoring.model_copy(update=scoring),
            "drift": arranged.drift.model_copy(update={"sample_share": 0.5}),
            "trainer": arranged.trainer.model_copy(update=told),
        }
    )


def _written(path: Path, rows: Iterable[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class Learning:
    """One showing: the processes, and what is read back of scored documents, drift signals and samples."""

    def __init__(self, settings: Settings, folder: Path, screen: Screen, told: Lesson) -> None:
        self._settings = settings
        self._folder = folder
        self._screen = screen
        self._lesson = told
        self._environment = environment(settings, os.environ)
        self._worker = Process("worker", folder)
        self._processes = [self._worker]
        self._sent = 0
        self.scored: dict[str, ScoredDocument] = {}
        self.signals: list[DriftSignal] = []
        self.samples: dict[str, DriftSample] = {}
        topics = settings.topics
        self._consumer = following(settings, [topics.scored, topics.drift, topics.drift_samples])

    async def play(self) -> int:
        """The story, in order; stops everything at the end, or when interrupted."""
        cancel_on_signals()
        try:
            return await self._story()
        finally:
            await asyncio.gather(*(process.stop() for process in self._processes))
            self._consumer.close()

    async def _story(self) -> int:
        screen, told, web = self._screen, self._lesson, self._settings.web
        await self._worker.start(["worker"], self._environment, self._folder)
        with screen.console.status("a worker starts"):
            await self._worker.ready(web.port, READY_SECONDS)
        shipped = self._champion()
        screen.say(f"a worker serves {shipped}; releases and drift live at http://{web.host}:{web.port}/", "bold")
        screen.say("an ordinary week comes: invented companies, unlike what the release was taught on", "cyan")
        await self._send(told.ordinary)
        self._drift(0)
        known = len(self.signals)
        screen.say("then everybody talks of a new app, in words that nobody has used before", "cyan")
        await self._send(told.first)
        heard = self._drift(known)
        before = self._told(shipped)
        screen.say(telling.of_samples(self.samples.values()))
        await self._feedback()
        if not await self._cycle() or not await self._swap():
            return self._conclude(before, 0.0, heard, False, [])
        screen.say("more documents about the app come, of which none has been heard before", "cyan")
        await self._send(told.second)
        after = self._told(self._champion())
        refused = await self._poison()
        return self._conclude(before, after, heard, self._champion() != shipped, refused)

    async def _send(self, records: Sequence[SampleRecord]) -> None:
        """Send a wave bit by bit, and wait until it is scored and the drift detectors have heard it."""
        topics = {name: stream.topic for name, stream in self._settings.streams.items()}
        producer: Any = Producer({"bootstrap.servers": ",".join(self._settings.brokers), "log_level": 0})
        with self._screen.console.status("scoring"):
            for at in range(0, len(records), PORTION):
                portion = records[at : at + PORTION]
                for record in portion:
                    producer.produce(topics[record.stream], record.value, record.id, 0)
                if await asyncio.to_thread(producer.flush, 60):
                    raise BrokerError("the embedded broker did not take the documents")
                self._sent += len(portion)
                wanted = {record.id for record in portion}
                await self._until(partial(wanted.issubset, self.scored), "documents were not scored")
                await self._until(self._listened, "the drift detectors did not hear the documents")
        self._screen.say(f"{len(records)} documents came and were scored")

    async def _listened(self) -> bool:
        page = await self._metrics()
        names = ("tocsin_drift_documents_total", "tocsin_drift_skipped_total")
        return sum(value for name in names for _, value in telling.metric(page, name)) >= self._sent

    def _drift(self, known: int) -> bool:
        """Tell of what was heard since the first ``known`` signals; whether some of it calls for training."""
        heard = self.signals[known:]
        for one in heard:
            self._screen.say(f"DRIFT  {telling.of_signal(one)}", "yellow")
        return any(one.calls == "train" for one in heard)

    async def _feedback(self) -> None:
        sender = await self._started("feedback", "feedback", str(FEEDBACK))
        if status := await sender.over():
            raise BrokerError(f"`tocsin feedback` ended with status {status}:\n{sender.tail()}")
        self._screen.say(f"tocsin feedback sends {telling.of_labels(FEEDBACK.read_bytes().splitlines())}")

    async def _cycle(self) -> bool:
        """One run through of the trainer, stage by stage, and the verdict; whether a release was promoted."""
        self._screen.say("tocsin trainer --once", "cyan")
        trainer = await self._started("trainer", "trainer", "--once")
        began, told, stage = time.monotonic(), 0, "listening"
        with self._screen.console.status("") as shown:
            while trainer.ended is None and time.monotonic() < began + CYCLE_SECONDS:
                await asyncio.sleep(0.5)
                self._worker.check()
                told, stage = self._relay(trainer, told, stage)
                shown.update(f"the trainer is {stage}, {time.monotonic() - began:.0f} s")
        status = await trainer.stop()
        self._relay(trainer, told, stage)
        verdict = self._verdict()
        for line in telling.of_verdict(verdict) if verdict else [trainer.tail()]:
            self._screen.console.print(f"         │ {line}", markup=False, style=None if line[:4] == "held" else "red")
        return status == 0

    def _relay(self, trainer: Process, told: int, stage: str) -> tuple[int, str]:
        """Show what the trainer's log says since line ``told``; how many lines there are, and the latest stage."""
        lines = trainer.tail(10_000).splitlines()
        for line in lines[told:]:
            if (shown := telling.of_log(line)) is not None:
                self._screen.say(f"trainer: {shown}")
                stage = shown if " " not in shown else stage
        return len(lines), stage

    def _verdict(self) -> dict[str, Any]:
        """The newest verdict of the registry."""
        kept = sorted((Path(self._settings.scoring.registry) / VERDICTS).glob("*.json"))
        return dict(json.loads(kept[-1].read_bytes())) if kept else {}

    async def _swap(self) -> bool:
        """Wait until the worker's own metrics name the new champion."""
        champion, began = self._champion(), time.monotonic()

        async def names_it() -> bool:
            return bool(telling.metric(await self._metrics(), "tocsin_release_info", release=champion))

        await self._until(names_it, f"the worker does not serve {champion}")
        self._screen.say(
            f"the worker serves {champion}, {time.monotonic() - began:.1f} s later and without a stop", "bold"
        )
        for series, _ in telling.metric(await self._metrics(), "tocsin_release_info"):
            self._screen.say(f"/metrics: {series}")
        return True

    async def _poison(self) -> list[str]:
        """Have a poisoned release judged; the checks that refuse it, by name."""
        rows = _written(self._folder / "recent.jsonl", recent(self._lesson))
        champion, registry = self._champion(), self._settings.scoring.registry
        self._screen.say("somebody brings a release that calls good bad, as labels turned round would teach it", "cyan")
        command = [sys.executable, "-m", "trainer.gate.poisoned", registry, champion, POISONED, str(rows)]
        with self._screen.console.status("the gate is asked"):
            made = await asyncio.create_subprocess_exec(*command, env=self._environment, stderr=asyncio.subprocess.PIPE)
            _, errors = await made.communicate()
            if made.returncode:
                raise BrokerError(f"the poisoned release could not be made:\n{errors.decode()[-2_000:]}")
            options = ["--anchors", str(self._settings.trainer.anchors), "--recent", str(rows), "--json"]
            judge = await self._started("judge", "release", "judge", POISONED, *options)
            said = "\n".join([line async for line in judge.lines()])
            await judge.over()
        try:
            verdict: dict[str, Any] = json.loads(said)
        except ValueError:
            raise BrokerError(f"the gate gave no verdict:\n{judge.tail()}") from None
        for line in telling.of_verdict(verdict):
            if line.startswith("FAILED"):
                self._screen.console.print(f"         │ {line}", style="green", markup=False)
        return [str(name) for name in verdict["refused_by"]]

    async def _started(self, name: str, *arguments: str) -> Process:
        process = Process(name, self._folder)
        self._processes.append(process)
        await process.start(list(arguments), self._environment, self._folder)
        return process

    async def _metrics(self) -> list[str]:
        web = self._settings.web
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http,
            http.get(f"http://{web.host}:{web.port}/metrics") as answer,
        ):
            return (await answer.text()).splitlines()

    async def _until(self, holds: Callable[[], bool | Awaitable[bool]], otherwise: str) -> None:
        """Read back until something ``holds``.

        Raises:
            BrokerError: it does not in time, or the worker has ended.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            await asyncio.to_thread(self._poll)
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            self._worker.check()
            if time.monotonic() > deadline:
                raise BrokerError(f"{otherwise} in {SETTLE_SECONDS:.0f} s\n{self._worker.tail()}")

    def _poll(self) -> None:
        topics = self._settings.topics
        for message in received(self._consumer):
            match message.topic():
                case topics.scored:
                    document = msgspec.json.decode(message.value(), type=ScoredDocument)
                    self.scored[document.id] = document
                case topics.drift:
                    self.signals.append(msgspec.json.decode(message.value(), type=DriftSignal))
                case topics.drift_samples:
                    sample = msgspec.json.decode(message.value(), type=DriftSample)
                    self.samples[sample.id] = sample

    def _champion(self) -> str:
        return Registry(self._settings.scoring.registry).resolve(CHAMPION).name

    def _told(self, release: str) -> float:
        """Say how much of what it read about the app a release called right."""
        said = [(one.id, one.sentiment) for one in self.scored.values() if one.release == release]
        count, right = accuracy(self._lesson.truth, said)
        self._screen.say(f"{release} called {right:.1%} of {count} documents about the app right", "bold")
        return right

    def _conclude(self, before: float, after: float, heard: bool, promoted: bool, refused: list[str]) -> int:
        good = heard and promoted and after > before and bool(refused)
        lines = [f"drift that calls for training was {'heard' if heard else 'NOT heard'}"]
        if promoted:
            lines += [
                f"a cycle learnt, the gate let it through, the worker serves {self._champion()}",
                f"documents about the app called right: {before:.1%} before, {after:.1%} after, of others",
                f"the poisoned release was {'refused by: ' + ', '.join(refused) if refused else 'NOT refused'}",
            ]
        else:
            lines.append("the cycle promoted NOTHING: what the trainer and the gate said stands above")
        self._screen.console.rule("what came of it", style="bold")
        for line in lines:
            self._screen.console.print(line, markup=False)
        self._screen.console.print("GOOD" if good else "NOT GOOD", style="bold green" if good else "bold red")
        return 0 if good else 1
