"""The worst moments to die, found on the wire: aiokafka's connection is watched, the code under test is not touched.

*sent* is right after a request was written: nobody can tell whether the broker has it. *stored* is when the
broker's answer has arrived and nobody in this process has seen it yet.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest

PRODUCED = {
    "scored": ".scored.v1",
    "observations": ".observations.v1",
    "alert": ".alerts.v1",
    "snapshot": ".state.v1",
}
MOMENTS = (
    *(f"{what}-{when}" for what in (*PRODUCED, "commit") for when in ("sent", "stored")),
    *("rejoin-sent", "rejoin-stored", "takeover-sent", "takeover-stored"),
)


def kill_at(moment: str, number: int) -> None:
    """-9 for this process at the ``number``-th such moment."""
    if moment not in MOMENTS:
        raise ValueError(f"{moment!r} is none of {', '.join(MOMENTS)}")
    wanted, _, when = moment.rpartition("-")
    watch_requests(_Death(wanted, number), stored=when == "stored")


class _Death:
    """Counts requests of a kind; says when it is time."""

    def __init__(self, wanted: str, number: int) -> None:
        self._wanted = wanted
        self._left = number
        self._groups: Counter[str] = Counter()

    def is_due(self, request: Any) -> bool:
        if self._wanted not in self._kinds(request):
            return False
        self._left -= 1
        return self._left == 0

    def _kinds(self, request: Any) -> set[str]:
        """What ``request`` is, of the scoring group only where it is about groups."""
        if isinstance(request, ProduceRequest):
            topics = [topic for topic, _ in request._topics]
            return {what for what, ending in PRODUCED.items() if any(topic.endswith(ending) for topic in topics)}
        if isinstance(request, OffsetCommitRequest):
            return {"commit"} if request._consumer_group.endswith("-score") else set()
        if isinstance(request, SyncGroupRequest) and request._group.endswith("-score"):
            self._groups["synced"] += 1
            return {"takeover"} if self._groups["synced"] > 1 else set()
        if isinstance(request, JoinGroupRequest) and request._group.endswith("-score"):
            return {"rejoin"} if self._groups["synced"] else set()
        return set()


def watch_requests(death: _Death, *, stored: bool) -> None:
    """Ask ``death`` about every request of this process, and die where it says so."""
    send: Callable[..., Any] = AIOKafkaConnection.send

    def send_or_die(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
        due = death.is_due(request)
        answer = send(self, request, expect_response)
        if not due:
            return answer
        return _die_on(answer) if stored else die()

    AIOKafkaConnection.send = send_or_die  # type: ignore[method-assign]


async def _die_on(answer: Any) -> None:
    await answer
    die()


def die() -> None:
    """What the kernel's out-of-memory killer or a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)
