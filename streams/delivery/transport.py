"""Faust's Kafka transport with slabs: one event is what one fetch brought of one partition.

Everything that Faust does per event (four tasks, a lock, a queue, sensors) is then done once per some hundred
records. Groups, rebalancing, agents and services stay Faust's. Its offset arithmetic does not: offsets are
committed from :class:`~streams.delivery.ledger.Ledger`, a seek or an assignment begins the ledger anew, and a
slab that does not continue where the last one ended is refused and fetched again.

Private methods of faust-streaming 0.15.3 are overridden here: it is pinned.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Protocol

import faust.streams
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams import logs
from streams.delivery.fetching import Fetching, SlabThread
from streams.delivery.ledger import Ledger
from streams.delivery.slabs import Place, Slab
from streams.errors import BrokerError

log = logs.get(__name__)

COMMIT_SECONDS = 10.0
"""The last commit of a partition that moves away waits this long for the broker; not committed is only read again."""


class Role(Protocol):
    """What a role (score, watch) adds to the transport. Called on the event loop."""

    async def start_at(self, committed: Mapping[Place, int | None]) -> Mapping[Place, int | None]:
        """From the committed offsets of the assigned partitions, where to read on; ``None``: the earliest."""

    def remember(self, place: Place, note: str) -> None:
        """The metadata that came with the committed offset of ``place``."""

    def note(self, place: Place) -> str:
        """The metadata to commit with the offset of ``place``."""

    async def drain(self) -> None:
        """Partitions are about to move, or the process to stop: finish what is being sent, drop the rest."""

    def committed(self, offsets: Mapping[Place, int]) -> None:
        """The broker took these offsets."""


def require_compiled_streams() -> None:
    """Refuse to start without Faust's compiled stream iterator.

    The pure Python one lets a record of an older generation be acknowledged unprocessed.

    Raises:
        BrokerError: it is missing.
    """
    if faust.streams._CStreamIterator is None:
        raise BrokerError(
            "faust-streaming's compiled stream iterator is missing, and the uncompiled one can lose records: "
            "install a wheel of faust-streaming 0.15.3 for this Python, and unset NO_CYTHON"
        )


class SlabConsumer(driver.Consumer):  # type: ignore[misc]
    """Delivers slabs and commits from the ledger."""

    logger = logging.getLogger("mode.tocsin")

    _thread: SlabThread

    def __init__(self, *args: Any, **options: Any) -> None:
        transport = args[0] if args else options["transport"]
        self.fetching: Fetching = transport.app.fetching
        self.role: Role = transport.app.role
        self.ledger = Ledger()
        self._in_hand: Counter[Place] = Counter()
        self._full: set[Place] = set()
        self._room = asyncio.Event()
        super().__init__(*args, **options)
        self._commit_every = None

    def _new_consumer_thread(self) -> SlabThread:
        return SlabThread(self, loop=self.loop, beacon=self.beacon)

    # Delivery

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's signature
        """One message for each partition that a fetch brought something of; its value is the slab."""
        cuts, _ = await self._wait_next_records(timeout)
        for place, cut in (cuts or {}).items():
            if self.should_stop or not self.flow_active or cut.generation != self.app.consumer_generation_id:
                return  # what was fetched and not delivered is fetched again: the ledger begins anew
            tp = TP(place.topic, place.partition)
            slab = Slab(Place(*place), cut.start, cut.end, cut.records, cut.generation)
            if not self.ledger.deliver(slab.place, slab.start, slab.end):
                await self._realign(slab)
            elif not slab.records:
                self.ledger.finish(slab.place, slab.end)
            else:
                self._hold(slab.place)
                yield tp, self._message_of(tp, slab)

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:  # noqa: ASYNC109
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active = self._get_active_partitions()
        if active:
            return await self._getmany(active, timeout), active
        # Every partition holds as many slabs as it may. Faust would sleep for a second here.
        self._room.clear()
        await self.wait(self._room, timeout=timeout)
        return {}, active

    def _message_of(self, tp: TP, slab: Slab) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic, tp.partition, slab.end - 1, time.time(), 0, (), None, slab, None, 0, 0, tp,
            generation_id=slab.generation,
        )  # fmt: skip

    async def _realign(self, slab: Slab) -> None:
        expected = self.ledger.expected(slab.place)
        if expected is None:
            return
        log.warning("a slab does not continue the last one, reading again", slab=repr(slab), expected=expected)
        placed = await self._thread.place_at({slab.place: expected})
        for place, offset in placed.items():
            if offset != expected:
                self.ledger.begin(place, offset)
            self._read_offset[TP(*place)] = None

    def _hold(self, place: Place) -> None:
        self._in_hand[place] += 1
        if self._in_hand[place] >= self.fetching.slabs_ahead:
            self._full.add(place)
            self._get_active_partitions().discard(place)

    def release(self, slab: Slab) -> None:
        """The slab no longer takes memory here: its partition may be fetched from again."""
        place = slab.place
        if slab.generation != self.app.consumer_generation_id or not self._in_hand[place]:
            return
        self._in_hand[place] -= 1
        if place in self._full:
            self._full.discard(place)
            if TP(*place) not in self._paused_partitions:
                self._get_active_partitions().add(TP(*place))
            self._room.set()
            self._thread.look_again()

    def finish(self, slab: Slab) -> None:
        """All outputs of ``slab`` are acknowledged: its offsets may be committed once those before it are."""
        if slab.generation == self.app.consumer_generation_id:
            self.ledger.finish(slab.place, slab.end)
        self.release(slab)

    # Back-pressure is counted here from the fetch on, so Faust's queues never fill.

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: see :meth:`release`."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing: see :meth:`release`."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: from one slab's last offset to the next one's is no gap."""

    # Commits

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit what the ledger says; what the broker does not take is offered again next time."""
        assigned = self.assignment()
        offsets = {place: offset for place, offset in self.ledger.committable().items() if place in assigned}
        if not offsets:
            return False
        notes = {place: self.role.note(place) for place in offsets}
        if not await self._thread.commit_with(offsets, notes):
            return False
        self.ledger.committed(offsets)
        self.role.committed(offsets)
        return True

    async def wait_empty(self) -> None:
        """Finish what is being sent, drop what is not, commit. Bounded, unlike Faust's."""
        await self.role.drain()
        try:
            await asyncio.wait_for(self.commit(), timeout=COMMIT_SECONDS)
        except TimeoutError:
            log.warning("the last commit was not answered; its slabs will be read again")

    # Rebalancing

    async def perform_seek(self) -> None:
        """Begin the ledger of every assigned partition where the role wants to read on."""
        places = [Place(*tp) for tp in self.assignment()]
        if not places:
            return
        try:
            commits = await self._thread.committed(places)
            for place in places:
                self.role.remember(place, commits[place].metadata if place in commits else "")
            starts = await self.role.start_at({p: commits[p].offset if p in commits else None for p in places})
            placed = await self._thread.place_at(starts)
        except IllegalStateError:
            log.info("the group rebalanced again while partitions were placed")
            return
        self._strike(self.ledger.places())
        for place, offset in placed.items():
            self.ledger.begin(place, offset)
            self._read_offset[TP(*place)] = None
        log.info("reading", partitions={f"{p.topic}-{p.partition}": at for p, at in sorted(placed.items())})

    async def seek(self, partition: TP, offset: int) -> None:
        """Seek one partition; its ledger begins anew."""
        await super().seek(partition, offset)
        self._strike([Place(*partition)])
        self.ledger.begin(Place(*partition), offset)
        self._read_offset[partition] = None

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let Faust stop the flow, drain and commit (:meth:`wait_empty`), then strike the partitions."""
        await super().on_partitions_revoked(revoked)
        self._strike(Place(*tp) for tp in revoked)

    def _strike(self, places: Iterable[Place]) -> None:
        gone = list(places)
        self.ledger.forget(gone)
        for place in gone:
            self._in_hand.pop(place, None)
            self._full.discard(place)

    # What the role and the watchdog ask

    def idle(self, place: Place, freshness: float) -> bool:
        """Whether ``place`` is ours, nothing of it is in hand and it had no lag ``freshness`` seconds ago or less."""
        expected = self.ledger.expected(place)
        if not self.flow_active or expected is None or self._in_hand[place]:
            return False
        end = self._thread.end(place)
        return end is not None and end[0] <= expected and end[1] <= freshness

    def lags(self) -> dict[Place, int]:
        """Records of each partition that are not worked through yet, those in hand included.

        Counted from where the ledger stands, not from aiokafka's position: what was fetched and never delivered
        is lag, and the watchdog sees it.
        """
        found = {}
        for place in self.ledger.places():
            end, expected = self._thread.end(place), self.ledger.expected(place)
            if end is not None and expected is not None:
                in_hand = self.ledger.outstanding(place) if self._in_hand[place] else 0
                found[place] = max(0, end[0] - expected) + in_hand
        return found

    def rejoining(self) -> bool:
        """Whether the member waits to join its group again."""
        return self._thread.rejoining()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust's check only logs, and counts events; ``streams.delivery.watchdog`` acts."""


class Transport(driver.Transport):  # type: ignore[misc]
    """The aiokafka transport whose consumer delivers slabs."""

    Consumer = SlabConsumer
