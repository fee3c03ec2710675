"""``tocsin demo``: everything on one machine, over the sample stream, until it has rung and the day is over."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from streams.demo.follow import Follower
from streams.demo.processes import Process, arrange, environment
from streams.demo.replay import DayReplay
from streams.demo.sample import SEED, SampleRecord, history
from streams.demo.stories import CHAPTERS, today
from streams.demo.verdict import first_firings, judge, lines, ruling
from streams.operate.admin import create_topics
from streams.operate.embedded import BANNER, EmbeddedBroker, on_embedded
from streams.settings import Settings

SPEED = 720.0
"""Event seconds per second: the day takes a bit more than a minute."""
READY_SECONDS = 180.0
DRAIN_SECONDS = 120.0
QUIET_SECONDS = 4.0
"""After the last record the line is given this long without a new alert before the verdict."""
REPORT_SECONDS = 3.0
WATCHLIST = Path(__file__).parent / "watchlist.toml"


def run(
    settings: Settings,
    *,
    speed: float | None = None,
    seed: int = SEED,
    keep_running: bool = False,
    console: Console | None = None,
) -> int:
    """Run the demo and say what came of it.

    Returns 0 when it rang for the crisis and for nothing that must be silent, and lost nothing; 1 when not;
    130 when it was interrupted.

    Raises:
        BrokerError: the embedded broker is not installed, or a process of the demo ended.
    """
    started = time.monotonic()
    screen = console if console is not None else Console(highlight=False, soft_wrap=True)
    screen.print(BANNER, style="bold yellow", markup=False)
    with EmbeddedBroker() as servers, tempfile.TemporaryDirectory(prefix="tocsin-demo-") as folder:
        arranged = arrange(on_embedded(settings, servers), Path(folder), WATCHLIST)
        create_topics(arranged)
        demo = Demo(arranged, Path(folder), screen, started)
        try:
            return asyncio.run(demo.play(seed, SPEED if speed is None else speed, keep_running))
        except (KeyboardInterrupt, asyncio.CancelledError):
            screen.print("stopped; the broker and all it held are gone", style="dim")
            return 130


class Demo:
    """One showing: the processes, the replay and what is seen meanwhile."""

    def __init__(self, settings: Settings, folder: Path, screen: Console, started: float) -> None:
        self._settings = settings
        self._folder = folder
        self._screen = screen
        self._started = started
        self._worker = Process("worker", folder)
        self._notifier = Process("notifier", folder)
        self._follower = Follower(settings)
        self.first_ring_seconds: float | None = None
        self._stories: dict[str, str] = {}

    async def play(self, seed: int, speed: float, keep_running: bool) -> int:
        """Start, prime, replay, wait, judge, stop."""
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        listening: list[asyncio.Task[None]] = []
        try:
            await self._start(seed)
            listening += [asyncio.create_task(self._relay())]
            status = await self._replay(today(seed), speed)
            if keep_running:
                await self._stay()
            return status
        finally:
            await asyncio.gather(self._worker.stop(), self._notifier.stop())
            for each in listening:
                each.cancel()
            self._follower.close()

    async def _start(self, seed: int) -> None:
        past = history(seed)
        prime = self._folder / "history.jsonl"
        prime.write_bytes(b"".join(record.value + b"\n" for record in past))
        inherited = environment(self._settings, os.environ)
        web = self._settings.web
        self._say(f"starting worker and notifier; {len(past)} documents of two quiet weeks teach them what is normal")
        await self._worker.start(["worker", "--prime", str(prime)], inherited, self._folder)
        await self._notifier.start(["notify"], inherited | {"TOCSIN_WEB__PORT": "0"}, self._folder)
        await self._worker.ready(web, READY_SECONDS)
        self._say(f"ready; metrics at http://{web.host}:{web.port}/metrics, health at /healthz")

    async def _replay(self, sent: Sequence[SampleRecord], speed: float) -> int:
        self._stories = {record.id: record.story for record in sent}
        replay = DayReplay(self._settings, sent, speed)
        self._say(f"replaying a day of {len(sent)} records, {speed:.0f} times as fast as it happened", style="bold")
        chapters = iter(CHAPTERS)
        ahead = next(chapters, None)
        sending = asyncio.create_task(replay.send())
        tally, reported, before = self._follower.tally, time.monotonic(), 0
        deadline, quiet_since = float("inf"), time.monotonic()
        while True:
            fresh = await asyncio.to_thread(self._follower.poll)
            now = time.monotonic()
            self._note(fresh)
            while ahead is not None and replay.hour >= ahead[0]:
                self._say(f"{_hour(ahead[0])}  {ahead[1]}", style="cyan")
                ahead = next(chapters, None)
            if now - reported >= REPORT_SECONDS and not (sending.done() and tally.settled() == len(sent)):
                rate = (tally.scored.total() - before) / (now - reported)
                self._say(
                    f"{_hour(replay.hour)}  {tally.scored.total()} scored ({rate:.0f}/s), {tally.dead.total()} dead "
                    f"letters, {replay.sent - tally.settled()} on their way",
                    style="dim",
                )
                reported, before = now, tally.scored.total()
            self._worker.check()
            self._notifier.check()
            if sending.done():
                sending.result()
                deadline = min(deadline, now + DRAIN_SECONDS)
                if tally.settled() < len(sent) or fresh:
                    quiet_since = now
                if now - quiet_since >= QUIET_SECONDS or now > deadline:
                    break
        return self._conclude(sent)

    def _conclude(self, sent: Sequence[SampleRecord]) -> int:
        verdict = judge(sent, self._follower.tally)
        self._screen.rule("what came of it", style="bold")
        for line in lines(sent, self._follower.tally, verdict):
            self._screen.print(line, markup=False)
        if self.first_ring_seconds is not None:
            self._screen.print(f"first rightful alert delivered {self.first_ring_seconds:.1f} s after the start")
        good = verdict.good
        self._screen.print(
            "GOOD: it rang for the crisis, kept still for the rest, and lost nothing"
            if good
            else "NOT GOOD: see above",
            style="bold green" if good else "bold red",
        )
        return 0 if good else 1

    def _note(self, fresh: Sequence[object]) -> None:
        if fresh and self.first_ring_seconds is None:
            rightful = [
                a for a in first_firings(self._follower.tally.transitions) if ruling(a, self._stories) == "rightful"
            ]
            if rightful:
                self.first_ring_seconds = time.monotonic() - self._started

    async def _relay(self) -> None:
        """Show what the notifier's console sink prints."""
        async for line in self._notifier.lines():
            style = "bold red" if line.startswith("FIRING") else "green" if line.startswith("RESOLVED") else None
            self._screen.print(f"  │ {line}", style=style, markup=False)

    async def _stay(self) -> None:
        self._say("still running: Ctrl-C ends it", style="bold")
        self._say(f"the broker is {','.join(self._settings.brokers)}, the prefix {self._settings.prefix}")
        while True:
            await asyncio.to_thread(self._follower.poll)
            self._worker.check()
            self._notifier.check()

    def _say(self, text: str, style: str | None = None) -> None:
        self._screen.print(f"{time.monotonic() - self._started:5.1f} s  {text}", style=style, markup=False)


def _hour(hour: float) -> str:
    minutes = round(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
