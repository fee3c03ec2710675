"""Lanes: compute ahead, send in order, nothing behind a slab that was not acknowledged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from streams.delivery.lanes import Dropped, Lanes
from streams.delivery.slabs import Place, Slab

NEWS = Place("news", 0)
REVIEWS = Place("reviews", 0)


class Desk:
    """A hand-written edge: computing may be held per slab, acknowledging too; the log says what happened."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []
        self.errors: list[BaseException] = []
        self.hold_compute: dict[int, threading.Event] = {}
        self.hold_acknowledgement: dict[int, asyncio.Event] = {}
        self.refused: set[int] = set()
        self.executor = ThreadPoolExecutor(4)
        self.lanes: Lanes[int] = Lanes(self.executor, self.compute, self.send, self.sent, self.errors.append)

    def compute(self, slab: Slab) -> int:
        if slab.start in self.hold_compute:
            while not self.hold_compute[slab.start].wait(0.01):
                if slab.dropped:
                    self.log.append(("noticed", slab.start))
                    raise Dropped
        self.log.append(("computed", slab.start))
        return slab.start

    async def send(self, slab: Slab, work: int) -> None:
        self.log.append(("sending", work))
        if work in self.hold_acknowledgement:
            await self.hold_acknowledgement[work].wait()
        if work in self.refused:
            raise ConnectionError("not acknowledged")

    def sent(self, slab: Slab, work: int) -> None:
        self.log.append(("acknowledged", work))

    def of(self, what: str) -> list[int]:
        return [n for kind, n in self.log if kind == what]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def _slab(start: int, place: Place = NEWS) -> Slab:
    return Slab(place, start, start + 1, [])


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the thing awaited is a log
            await asyncio.sleep(0.001)


async def test_slabs_are_sent_in_order_though_computed_out_of_order(desk: Desk) -> None:
    desk.hold_compute[0] = threading.Event()
    for start in range(3):
        desk.lanes.enter(_slab(start))
    await _until(lambda: desk.of("computed") in ([1, 2], [2, 1]))
    assert desk.of("sending") == []
    desk.hold_compute[0].set()
    await _until(lambda: len(desk.of("acknowledged")) == 3)
    assert desk.of("sending") == desk.of("acknowledged") == [0, 1, 2]


async def test_nothing_of_the_next_slab_is_sent_before_the_last_is_acknowledged(desk: Desk) -> None:
    desk.hold_acknowledgement[0] = asyncio.Event()
    desk.lanes.enter(_slab(0))
    desk.lanes.enter(_slab(1))
    await _until(lambda: 1 in desk.of("computed") and desk.of("sending") == [0])
    desk.hold_acknowledgement[0].set()
    await _until(lambda: desk.of("acknowledged") == [0, 1])
    order = [entry for entry in desk.log if entry[0] != "computed"]
    assert order == [("sending", 0), ("acknowledged", 0), ("sending", 1), ("acknowledged", 1)]


async def test_a_slab_whose_output_is_refused_stops_its_lane_and_says_so(desk: Desk) -> None:
    desk.refused.add(0)
    desk.lanes.enter(_slab(0))
    desk.lanes.enter(_slab(1))
    await _until(lambda: bool(desk.errors) and not desk.lanes.busy(NEWS))
    assert desk.of("sending") == [0]
    assert desk.of("acknowledged") == []
    assert [type(error) for error in desk.errors] == [ConnectionError]


async def test_another_partitions_lane_goes_on(desk: Desk) -> None:
    desk.hold_acknowledgement[0] = asyncio.Event()
    desk.lanes.enter(_slab(0))
    desk.lanes.enter(_slab(7, REVIEWS))
    await _until(lambda: desk.of("acknowledged") == [7])
    desk.hold_acknowledgement[0].set()
    await _until(lambda: desk.of("acknowledged") == [7, 0])


async def test_a_message_keeps_its_place_between_slabs(desk: Desk) -> None:
    async def tick() -> None:
        desk.log.append(("tick", 0))

    desk.hold_acknowledgement[0] = asyncio.Event()
    desk.lanes.enter(_slab(0))
    desk.lanes.enter_message(NEWS, tick)
    desk.lanes.enter(_slab(1))
    await _until(lambda: desk.of("sending") == [0])
    desk.hold_acknowledgement[0].set()
    await _until(lambda: desk.of("acknowledged") == [0, 1])
    order = [entry for entry in desk.log if entry[0] in ("acknowledged", "tick")]
    assert order == [("acknowledged", 0), ("tick", 0), ("acknowledged", 1)]


async def test_retiring_waits_for_what_is_being_sent_and_drops_the_rest(desk: Desk) -> None:
    desk.hold_acknowledgement[0] = asyncio.Event()
    desk.hold_compute[2] = threading.Event()
    slabs = [_slab(start) for start in range(3)]
    for slab in slabs:
        desk.lanes.enter(slab)
    await _until(lambda: desk.of("sending") == [0] and 1 in desk.of("computed"))
    retiring = asyncio.ensure_future(desk.lanes.retire(5.0))
    await _until(lambda: desk.of("noticed") == [2])
    desk.hold_acknowledgement[0].set()
    await retiring
    assert desk.of("sending") == desk.of("acknowledged") == [0]
    assert [slab.dropped for slab in slabs] == [False, True, True]
    assert desk.errors == []


async def test_a_send_that_outlasts_the_retirement_is_not_acknowledged(desk: Desk) -> None:
    desk.hold_acknowledgement[0] = asyncio.Event()
    desk.lanes.enter(_slab(0))
    await _until(lambda: desk.of("sending") == [0])
    await desk.lanes.retire(0.0)
    desk.hold_acknowledgement[0].set()
    await asyncio.sleep(0)
    assert desk.of("acknowledged") == []
    desk.lanes.enter(_slab(0))
    await _until(lambda: desk.of("acknowledged") == [0])
