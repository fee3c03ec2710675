"""Ends a process that no longer makes progress, so that its supervisor starts another one.

A thread, because a stuck event loop cannot watch itself. What is not acknowledged is read again by whoever
takes over, so ending hard is safe.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streams import logs
from streams.errors import EXIT_RESTART

log = logs.get(__name__)

LOOP_SECONDS = 10.0
"""An event loop that has not run for this long is stuck."""
COMMIT_SECONDS = 120.0
"""Lag without a commit for this long: sends, the model or the group are stuck."""
REJOIN_SECONDS = 120.0
"""A member that waits this long to join its group again hangs (seen after broker restarts)."""
HALTED_SECONDS = 5.0
"""A watchdog second that lasted longer: the process was stopped or the machine slept, so nothing is judged."""


@dataclass
class Progress:
    """What the watched role reports of itself, from its event loop.

    ``behind``: it has lag. ``rejoining``: it waits to join its group again.
    """

    name: str
    behind: bool = False
    rejoining: bool = False
    commit_seconds: float = COMMIT_SECONDS
    beaten: float = field(default_factory=time.monotonic)
    moved_at: float = field(default_factory=time.monotonic)
    joined_at: float = field(default_factory=time.monotonic)
    committed_at: float | None = None
    """Of the last commit, on the monotonic clock; ``None`` before the first."""

    def beat(self, now: float | None = None) -> None:
        """The event loop runs."""
        self.beaten = time.monotonic() if now is None else now

    def moved(self, now: float | None = None) -> None:
        """Offsets were committed."""
        self.moved_at = self.committed_at = time.monotonic() if now is None else now

    def restart(self, now: float) -> None:
        """Judge from ``now`` on."""
        self.beaten = self.moved_at = self.joined_at = now

    def verdict(self, now: float) -> str | None:
        """Why the process has to end, or ``None``. Pure."""
        if now - self.beaten > LOOP_SECONDS:
            return f"{self.name}: the event loop has not run for {now - self.beaten:.0f} s"
        if not self.behind:
            self.moved_at = now
        elif now - self.moved_at > self.commit_seconds:
            return f"{self.name}: there is lag and nothing was committed for {now - self.moved_at:.0f} s"
        if not self.rejoining:
            self.joined_at = now
        elif now - self.joined_at > REJOIN_SECONDS:
            return f"{self.name}: waiting to rejoin the group for {now - self.joined_at:.0f} s"
        return None


class Watchdog(threading.Thread):
    """Looks every second; on a verdict it writes every thread's traceback to stderr and ends the process."""

    def __init__(self, watched: list[Progress], failing: Callable[[str], None] = lambda reason: None) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._watched = watched
        self._failing = failing
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until :meth:`end`."""
        looked = time.monotonic()
        while not self._ended.wait(1.0):
            now = time.monotonic()
            if now - looked > HALTED_SECONDS:
                for progress in self._watched:
                    progress.restart(now)
            looked = now
            for progress in self._watched:
                reason = progress.verdict(now)
                if reason is not None:
                    self._bite(reason)

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()

    def _bite(self, reason: str) -> None:
        deadline(5.0, "the log does not take the watchdog's last words")
        self._failing(reason)
        log.critical("no progress, ending the process", reason=reason)
        end_process()


def end_process(status: int = EXIT_RESTART, *, tracebacks: bool = True) -> None:
    """End at once, without clean-up: what was not acknowledged is read again."""
    if tracebacks:
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    sys.stderr.flush()
    os._exit(status)


def deadline(seconds: float, reason: str) -> threading.Timer:
    """End the process after ``seconds`` unless the returned timer is cancelled."""

    def late() -> None:
        log.critical("not in time, ending the process", reason=reason, seconds=seconds)
        end_process()

    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    return timer
