"""A slow cluster: what is merely slow must change nothing, and shows what relies on luck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import cycle
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.produce import ProduceRequest

from streams.delivery.outputs import Outputs


def slow_down(what: str, seconds: str) -> None:
    """Delay every produce request (``produce``), or every other delivery of a slab's outputs (``deliver``)."""
    {"produce": _slow_produce, "deliver": _slow_deliver}[what](float(seconds))


def _slow_produce(seconds: float) -> None:
    send: Callable[..., Any] = AIOKafkaConnection.send

    def send_late(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
        if not isinstance(request, ProduceRequest):
            return send(self, request, expect_response)

        async def late() -> Any:
            await asyncio.sleep(seconds)
            return await send(self, request, expect_response)

        return late()

    AIOKafkaConnection.send = send_late  # type: ignore[method-assign]


def _slow_deliver(seconds: float) -> None:
    deliver = Outputs.deliver
    turns = cycle((seconds, 0.0))

    async def deliver_late(self: Outputs, *arguments: Any, **named: Any) -> Any:
        await asyncio.sleep(next(turns))
        return await deliver(self, *arguments, **named)

    Outputs.deliver = deliver_late  # type: ignore[method-assign]
