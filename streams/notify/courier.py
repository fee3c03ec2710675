"""A courier carries what waits for one sink, one message at a time, for as long as it takes.

One at a time, so that a crash repeats at most one message per sink. A sink that fails is left alone for a
while that doubles up to half a minute, and a message that failed for a while of its own, so that one
message which a sink chokes on does not hold up the others. Couriers do not know each other: a dead sink
holds up nobody else.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import get_args

from streams import logs
from streams.metrics import Metrics
from streams.notify.outbox import Delivery, Outbox
from streams.notify.sinks import Alertmanager, Outcome, OutcomeKind, Sink

FIRST_PAUSE_SECONDS = 0.5
LONGEST_SINK_PAUSE_SECONDS = 30.0
LONGEST_MESSAGE_PAUSE_SECONDS = 300.0
RESOLVED_REPEAT_MS = 5 * 60 * 1000
"""Alertmanager is told for this long that an incident is over, in case it lost the first message."""

log = logs.get(__name__)


def pause_seconds(failures: int, longest: float, chance: float) -> float:
    """How long to wait after ``failures`` in a row (at least 1); ``chance`` in [0, 1) spreads it by a half.

    >>> [pause_seconds(n, 30.0, 0.0) for n in (1, 2, 3, 20)]
    [0.25, 0.5, 1.0, 15.0]
    """
    full = min(longest, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 30))
    return full * (0.5 + 0.5 * chance)


class Courier:
    """Delivers to one sink. ``clock`` gives wall-clock milliseconds; :meth:`wake` says that mail came in."""

    def __init__(self, sink: Sink, outbox: Outbox, metrics: Metrics, clock: Callable[[], int]) -> None:
        self.sink = sink
        self._outbox = outbox
        self._metrics = metrics
        self._clock = clock
        self._failures = 0
        self._mail = asyncio.Event()
        self._stopping = asyncio.Event()
        for kind in get_args(OutcomeKind):  # a counter that begins at 1 has, to Prometheus, never increased
            metrics.notifications.labels(sink.name, kind)
        self.report()

    def wake(self) -> None:
        self._mail.set()

    def stop(self) -> None:
        """Finish the message in hand and carry no more."""
        self._stopping.set()
        self._mail.set()

    async def run(self) -> None:
        """Carry until stopped."""
        while not self._stopping.is_set():
            self._mail.clear()
            delivery = self._outbox.due(self.sink.name, self._clock())
            if delivery is None:
                await self._until_due()
                continue
            outcome = await self.sink.send(delivery.alert)
            self._settle(delivery, outcome)
            if outcome.kind == "failed":
                await self._rest(pause_seconds(self._failures, LONGEST_SINK_PAUSE_SECONDS, random.random()))  # noqa: S311

    def report(self) -> None:
        """Bring the gauges of this sink up to date."""
        waiting, oldest_ms = self._outbox.backlog(self.sink.name)
        age = 0.0 if oldest_ms is None else max(0.0, (self._clock() - oldest_ms) / 1000)
        self._metrics.outbox_pending.labels(self.sink.name).set(waiting)
        self._metrics.outbox_oldest_seconds.labels(self.sink.name).set(age)

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        self._metrics.notifications.labels(self.sink.name, outcome.kind).inc()
        named = {"sink": self.sink.name, "transition": delivery.alert.transition_id[:64]}
        if outcome.kind == "sent":
            self._outbox.settle(delivery)
            if self._failures:
                log.info("sink takes alerts again", **named)
            self._failures = 0
        elif outcome.kind == "refused":
            self._outbox.settle(delivery)
            self._failures = 0
            log.error("sink refused an alert for good", reason=outcome.reason, **named)
        else:
            self._failures += 1
            attempts = delivery.attempts + 1
            pause = pause_seconds(attempts, LONGEST_MESSAGE_PAUSE_SECONDS, random.random())  # noqa: S311 - no secret
            self._outbox.put_off(delivery, self._clock() + int(pause * 1000))
            log.warning("alert not delivered, kept", reason=outcome.reason, attempts=attempts, **named)
        self.report()

    async def _until_due(self) -> None:
        due_ms = self._outbox.next_due_ms(self.sink.name)
        wait = None if due_ms is None else max(0.0, (due_ms - self._clock()) / 1000)
        try:
            await asyncio.wait_for(self._mail.wait(), wait)
        except TimeoutError:
            return

    async def _rest(self, seconds: float) -> None:
        """Leave the sink alone, whatever comes in; only a stop ends it early."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


async def remind(
    sink: Alertmanager, outbox: Outbox, clock: Callable[[], int], every_seconds: float, stopping: asyncio.Event
) -> None:
    """Tell an Alertmanager again, ``every_seconds``, what fires and what was lately resolved.

    It forgets a firing alert that nobody repeats. Incidents with a delivery still waiting are left out: the
    courier will tell of them, in order.
    """
    while not stopping.is_set():
        try:
            await asyncio.wait_for(stopping.wait(), every_seconds)
        except TimeoutError:
            standing = list(outbox.standing(sink.name, clock() - RESOLVED_REPEAT_MS))
            for first in range(0, len(standing), 100):
                outcome = await sink.send_all(standing[first : first + 100])
                if outcome.kind != "sent":
                    log.warning("alertmanager not reminded", sink=sink.name, reason=outcome.reason)
                    break
