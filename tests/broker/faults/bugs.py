"""Mistakes that delivery could have made, each planted in place of the right code: the verifier has to find them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from streams.agents import Scoring, Watching
from streams.delivery.lanes import Lanes
from streams.delivery.outputs import Output, Outputs
from streams.records import Alert, Observations
from streams.watch.watcher import Watcher
from tests.broker.faults.moments import die


def plant(name: str) -> None:
    """Put the mistake ``name`` (a key of ``BUGS``) into this process."""
    BUGS[name]()


def _stock_consumer() -> None:
    """A slab counts as done when the agent's loop body ends, as Faust acknowledges events, not when it is sent."""

    async def score_documents(self: Scoring, stream: Any) -> None:
        async for slab in stream.noack():
            self._lanes.enter(slab)
            self.consumer.ledger.finish(slab.place, slab.end)

    Scoring.score_documents = score_documents  # type: ignore[method-assign]


def _unawaited_sends() -> None:
    """Outputs are handed to the producer and taken for delivered."""
    running: set[asyncio.Task[None]] = set()
    send_all = Outputs._send_all

    async def handed_over(self: Outputs, topic: str, partition: int, outputs: list[Output]) -> None:
        task = asyncio.ensure_future(send_all(self, topic, partition, outputs))
        running.add(task)
        task.add_done_callback(running.discard)

    Outputs._send_all = handed_over  # type: ignore[method-assign,assignment]


def _eager_lanes() -> None:
    """Slab n+1 is sent as soon as it is computed, whether slab n is acknowledged or not."""

    async def no_turn(self: Lanes[Any], ahead: asyncio.Task[bool] | None) -> bool:
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        return True

    Lanes._turn = no_turn  # type: ignore[method-assign]


def _plain_counters() -> None:
    """The watcher counts what it gets and keeps no high-water mark."""
    apply = Watcher.apply

    def count_again(self: Watcher, observations: Observations) -> list[Alert]:
        self.sources.marks.pop((observations.topic, observations.partition), None)
        return apply(self, observations)

    Watcher.apply = count_again  # type: ignore[method-assign]


def _snapshot_first(*, fatal: bool) -> None:
    """Alerts are sent after the snapshot that knows of them; ``fatal``: the process dies in between."""
    deliver: Callable[..., Any] = Watching._send

    async def send(self: Watching, slab: Any, alerts: list[Alert]) -> None:
        watch = self._watches[slab.place]
        watch.applied, watch.unsent = slab.end, False
        if alerts:
            await self._snapshot(slab.place, watch)
            if fatal:
                die()
        await deliver(self, slab, alerts)

    Watching._send = send  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "stock-consumer": _stock_consumer,
    "unawaited-sends": _unawaited_sends,
    "eager-lanes": _eager_lanes,
    "plain-counters": _plain_counters,
    "snapshot-first": lambda: _snapshot_first(fatal=False),
    "snapshot-first-and-die": lambda: _snapshot_first(fatal=True),
}
