"""``tocsin demo``: everything on one machine, over the sample stream, until it has rung and the day is over."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from streams.demo.follow import Follower
from streams.demo.processes import Process, arrange, cancel_on_signals, environment
from streams.demo.replay import DayReplay
from streams.demo.sample import SEED, SampleRecord, history
from streams.demo.screen import Screen, hour
from streams.demo.stories import CHAPTERS, today
from streams.demo.verdict import judge, lines
from streams.operate.admin import create_topics
from streams.operate.embedded import BANNER, EmbeddedBroker, on_embedded
from streams.settings import Settings

SPEED = 720.0
"""Event seconds per second: the day takes a bit more than a minute."""
READY_SECONDS = 300.0
DRAIN_SECONDS = 180.0
QUIET_SECONDS = 4.0
"""After the last record the line is given this long without a new alert before the verdict."""
REPORT_SECONDS = 3.0
INTERRUPTED = 130
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
    130 when it was interrupted before.

    Raises:
        BrokerError: the embedded broker is not installed, or a process of the demo ended.
    """
    screen = Screen(console if console is not None else Console(highlight=False, soft_wrap=True), time.monotonic())
    screen.console.print(BANNER, style="bold yellow", markup=False)
    with EmbeddedBroker() as servers, tempfile.TemporaryDirectory(prefix="tocsin-demo-") as folder:
        arranged = arrange(on_embedded(settings, servers), Path(folder), WATCHLIST)
        create_topics(arranged)
        demo = Demo(arranged, Path(folder), screen, today(seed))
        try:
            return asyncio.run(demo.play(history(seed), SPEED if speed is None else speed, keep_running))
        except (KeyboardInterrupt, asyncio.CancelledError):
            screen.console.print("stopped; the broker and all that it held are gone", style="dim")
            return INTERRUPTED if demo.status is None else demo.status


class Demo:
    """One showing: the processes, the replay of ``day``, and what is read back. ``status`` is None until judged."""

    def __init__(self, settings: Settings, folder: Path, screen: Screen, day: Sequence[SampleRecord]) -> None:
        self.status: int | None = None
        self._settings = settings
        self._folder = folder
        self._screen = screen
        self._day = day
        self._worker = Process("worker", folder)
        self._notifier = Process("notifier", folder)
        self._archive = Process("archive", folder)
        self._follower = Follower(settings)

    async def play(self, past: Sequence[SampleRecord], speed: float, keep_running: bool) -> int:
        """Start, prime, replay, wait, judge; stop everything at the end, or when interrupted."""
        cancel_on_signals()
        relay: asyncio.Task[None] | None = None
        try:
            await self._start(past)
            relay = asyncio.create_task(self._relay())
            await self._through_the_day(DayReplay(self._settings, self._day, speed))
            self.status = self._conclude()
            if keep_running:
                await self._stay()
            return self.status
        finally:
            await asyncio.gather(self._worker.stop(), self._notifier.stop(), self._archive.stop())
            if relay is not None:
                relay.cancel()
            self._follower.close()

    async def _start(self, past: Sequence[SampleRecord]) -> None:
        prime = self._folder / "history.jsonl"
        prime.write_bytes(b"".join(record.value + b"\n" for record in past))
        inherited = environment(self._settings, os.environ)
        web = self._settings.web
        self._screen.say(
            f"a worker, a notifier and an archive start; {len(past)} documents of two quiet weeks say what is normal"
        )
        await self._worker.start(["worker", "--prime", str(prime)], inherited, self._folder)
        await self._notifier.start(["notify"], inherited, self._folder)
        await self._archive.start(["archive"], inherited, self._folder)
        with self._screen.console.status("listening to the past"):
            await self._notifier.ready(self._settings.notify.port, READY_SECONDS)
            await self._archive.ready(self._settings.archive.port, READY_SECONDS)
            await self._worker.ready(web.port, READY_SECONDS)
        self._screen.say("ready; metrics at /metrics, health at /healthz")
        self._screen.say(f"watch it live at http://{web.host}:{web.port}/", "bold")

    async def _through_the_day(self, replay: DayReplay) -> None:
        """Replay, tell what happens meanwhile, and wait until every record has come out and all is quiet."""
        self._screen.say(f"a day of {len(self._day)} records, {replay.speed:g} times as fast as it happened", "bold")
        sending = asyncio.create_task(replay.send())
        chapters = list(CHAPTERS)
        reported, scored = time.monotonic(), 0
        quiet_since, deadline = reported, float("inf")
        while True:
            fresh = await self._look()
            now = time.monotonic()
            while chapters and replay.hour >= chapters[0][0]:
                self._screen.say(f"{hour(chapters[0][0])}  {chapters.pop(0)[1]}", "cyan")
            tally = self._follower.tally
            behind = len(self._day) - tally.settled()
            if now - reported >= REPORT_SECONDS and behind:
                self._report(replay, (tally.scored.total() - scored) / (now - reported))
                reported, scored = now, tally.scored.total()
            if sending.done():
                sending.result()
                deadline = min(deadline, now + DRAIN_SECONDS)
                quiet_since = now if behind or fresh else quiet_since
                if now - quiet_since >= QUIET_SECONDS or now > deadline:
                    return

    async def _look(self) -> int:
        """Read back what has come; how many alert transitions there were. Ends the demo where a process ended."""
        fresh = await asyncio.to_thread(self._follower.poll)
        self._worker.check()
        self._notifier.check()
        self._archive.check()
        return len(fresh)

    def _report(self, replay: DayReplay, rate: float) -> None:
        tally = self._follower.tally
        on_their_way = max(0, replay.sent - tally.settled())
        self._screen.say(
            f"{hour(replay.hour)}  {tally.scored.total()} scored ({rate:.0f}/s), {tally.dead.total()} dead letters, "
            f"{on_their_way} on their way",
            "dim",
        )

    def _conclude(self) -> int:
        tally = self._follower.tally
        verdict = judge(self._day, tally)
        said = lines(self._day, tally, verdict)
        delivered = self._screen.delivered
        rang = [delivered[key] for alert in verdict.rightful if (key := (alert.series, alert.starts_at)) in delivered]
        if rang:
            said.append(f"the first rightful alert was delivered {min(rang):.0f} s after the start")
        self._screen.conclude(said, verdict.good)
        return 0 if verdict.good else 1

    async def _relay(self) -> None:
        async for line in self._notifier.lines():
            self._screen.relay(line)

    async def _stay(self) -> None:
        servers, prefix = ",".join(self._settings.brokers), self._settings.prefix
        self._screen.say(f"still running on {servers}, prefix {prefix}; Ctrl-C ends it", "bold")
        while True:
            await self._look()
