"""When to ask whom: one request a host at a time, a rest between two, and longer waits for what fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LONGEST_BACKOFF_SECONDS = 86_400.0
JITTER = 0.1
MOST_KNOWN = 1_000


def next_wait(every_seconds: float, failures: int, asked_for: float, dice: random.Random) -> float:
    """Seconds until a feed is asked again that failed ``failures`` times in a row; at most a day, a tenth more or less.

    A wait that the server ``asked_for`` is never cut short.

    >>> [round(next_wait(300, n, 0, random.Random(1)) / 300) for n in (0, 1, 2, 3)]
    [1, 2, 4, 7]
    """
    wait = min(every_seconds * 2.0 ** min(failures, 20), max(LONGEST_BACKOFF_SECONDS, every_seconds))
    return max(wait * dice.uniform(1 - JITTER, 1 + JITTER), asked_for)


@dataclass
class _Host:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_at: float = 0.0
    away_until: float = 0.0
    queue: int = 0


class Hosts:
    """Turns at hosts. ``clock`` is monotonic, in seconds."""

    def __init__(self, rest_seconds: float, clock: Callable[[], float]) -> None:
        self._rest = rest_seconds
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for our turn at the host ``name``, and give it its rest afterwards."""
        host = self._hosts.setdefault(name, _Host())
        host.queue += 1
        try:
            async with host.lock:
                await asyncio.sleep(max(0.0, host.free_at - self._clock()))
                try:
                    yield
                finally:
                    host.free_at = self._clock() + self._rest
        finally:
            host.queue -= 1
            self._forget()

    def leave_alone(self, name: str, seconds: float) -> None:
        """Remember that the host asked all of us to stay away."""
        host = self._hosts.setdefault(name, _Host())
        host.away_until = max(host.away_until, self._clock() + seconds)

    def away_seconds(self, name: str) -> float:
        """For how long yet the host wants to be left alone."""
        host = self._hosts.get(name)
        return max(0.0, host.away_until - self._clock()) if host is not None else 0.0

    def _forget(self) -> None:
        """Keep no hosts that nobody waits for and that have rested."""
        if len(self._hosts) > MOST_KNOWN:
            now = self._clock()
            self._hosts = {
                name: host
                for name, host in self._hosts.items()
                if host.queue or max(host.free_at, host.away_until) > now
            }
