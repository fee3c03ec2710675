"""A lane per source partition: slabs are computed ahead, but sent and acknowledged strictly in order.

Slab n+1 sends nothing until slab n is acknowledged, so that what a partition has sent never has a hole: whoever
reads the outputs may skip repeats by one high-water mark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

from streams import logs
from streams.delivery.slabs import Place, Slab

log = logs.get(__name__)

Work = TypeVar("Work")


class Dropped(Exception):
    """Raised by a computation that noticed that its slab was dropped."""


class Lanes(Generic[Work]):
    """Runs ``compute`` (in ``executor``) ahead, then ``send`` in order of entry, for each partition.

    ``send`` has to wait for every acknowledgement. ``sent`` is called after it, on the event loop. The first
    exception of either ends the lane for good and goes to ``failed``, which is expected to end the process.
    """

    def __init__(
        self,
        executor: Executor,
        compute: Callable[[Slab], Work],
        send: Callable[[Slab, Work], Awaitable[None]],
        sent: Callable[[Slab, Work], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._executor = executor
        self._compute = compute
        self._send = send
        self._sent = sent
        self._failed = failed
        self._tails: dict[Place, asyncio.Task[bool]] = {}
        self._working: dict[asyncio.Task[bool], Slab | None] = {}
        self._sending: set[asyncio.Task[bool]] = set()

    def enter(self, slab: Slab) -> None:
        """Take a slab; returns at once. The transport bounds how many are in hand."""
        self._queue(slab.place, slab, self._pass(slab, self._tails.get(slab.place)))

    def enter_message(self, place: Place, send: Callable[[], Awaitable[None]]) -> None:
        """Send something that belongs between the slabs of ``place``, such as an idle tick."""
        self._queue(place, None, self._interject(send, self._tails.get(place)))

    def busy(self, place: Place) -> bool:
        """Whether something of ``place`` is still on its lane."""
        tail = self._tails.get(place)
        return tail is not None and not tail.done()

    async def retire(self, seconds: float) -> None:
        """Drop what has not begun to send; wait up to ``seconds`` for what has. The lanes are empty afterwards.

        A send that is cut off here is not acknowledged: its slab is read and sent again.
        """
        for task, slab in list(self._working.items()):
            if task not in self._sending:
                if slab is not None:
                    slab.dropped = True
                task.cancel()
        sending = set(self._sending)
        if sending:
            _, late = await asyncio.wait(sending, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                log.warning("sends were cut off, their slabs will be read again", slabs=len(late))
        if self._working:
            await asyncio.wait(set(self._working), timeout=1.0)
        self._tails.clear()

    def _queue(self, place: Place, slab: Slab | None, passing: Awaitable[bool]) -> None:
        task = asyncio.ensure_future(passing)
        self._tails[place] = task
        self._working[task] = slab
        task.add_done_callback(self._leave)

    async def _pass(self, slab: Slab, ahead: asyncio.Task[bool] | None) -> bool:
        work = await asyncio.get_running_loop().run_in_executor(self._executor, self._compute, slab)
        if not await self._turn(ahead):
            return False
        await self._send(slab, work)
        self._sent(slab, work)
        return True

    async def _interject(self, send: Callable[[], Awaitable[None]], ahead: asyncio.Task[bool] | None) -> bool:
        if not await self._turn(ahead):
            return False
        await send()
        return True

    async def _turn(self, ahead: asyncio.Task[bool] | None) -> bool:
        """Wait for the one ahead. False where it failed or was dropped: then nothing behind it may be sent."""
        if ahead is not None:
            await asyncio.wait({ahead})
            if ahead.cancelled() or ahead.exception() is not None or not ahead.result():
                return False
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        return True

    def _leave(self, task: asyncio.Task[bool]) -> None:
        slab = self._working.pop(task, None)
        self._sending.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Dropped):
            log.error("a slab failed", slab=repr(slab), error=repr(error)[:500])
            self._failed(error)
