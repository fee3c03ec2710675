"""An alert to notify of, and a sink to receive it: a real HTTP server that can be told how to behave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from streams.records import Alert, Exemplar, Origin, Window

FIRING = Alert(
    alert_id="a1",
    transition_id="t1",
    sequence=1,
    rule="negative-spike",
    rule_version="1",
    series="entity:acme|topic:Earnings",
    state="firing",
    severity="critical",
    starts_at="2026-11-22T07:00:00Z",
    ends_at=None,
    window=Window("2026-11-22T07:00:00Z", "2026-11-22T07:15:00Z", 900),
    observed=12,
    expected=1.25,
    total=15,
    share=0.8,
    baseline_share=0.21,
    score=5.14,
    threshold=3.98,
    exemplars=(
        Exemplar("d1", "Acme recalls kettles", "wire", 1_795_330_800_000, 0.93, 3, Origin("news", 0, 7)),
        Exemplar("d2", "Kettle \x1b[31mburns\x1b[0m\nkitchen", "", 1_795_330_900_000, 0.9, 0, Origin("news", 1, 2)),
    ),
    copies=3,
    release="r1",
    labels={"team": "risk"},
)


def transition(**changes: Any) -> Alert:
    """An alert; ``transition(state="resolved", sequence=2)`` is the same incident's later transition."""
    made = msgspec.structs.replace(FIRING, **changes)
    return msgspec.structs.replace(made, transition_id=f"{made.alert_id}-{made.sequence}")


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Server:
    """What came in, and how it is answered: ``script`` is used up first, then ``behaviour``.

    A status, or ``silent`` (taken, never answered), ``unheard`` (neither taken nor answered, only counted in
    ``unheard``), ``hang up`` (taken, and the connection cut).
    """

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    unheard: int = 0
    behaviour: int | str = 200
    script: list[int | str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    silence: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        arrived = Request(request.path, dict(request.headers), await request.read())
        behaviour = self.script.pop(0) if self.script else self.behaviour
        async with self.changed:
            if behaviour == "unheard":
                self.unheard += 1
            else:
                self.requests.append(arrived)
            self.changed.notify_all()
        if behaviour in ("silent", "unheard"):
            await self.silence.wait()
        if behaviour == "hang up":
            assert request.transport is not None
            request.transport.abort()
        if isinstance(behaviour, str):
            return web.Response()
        headers = {"Location": f"{self.url}/elsewhere"} if 300 <= behaviour < 400 else {}
        return web.Response(status=behaviour, headers=headers, text="secret-path not \x1b[2J welcome" * 500)

    async def until(self, count: int) -> list[Request]:
        """Wait until ``count`` requests have come in, unheard ones included."""
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: len(self.requests) + self.unheard >= count), 30)
        return self.requests

    def transitions(self) -> list[str]:
        """The idempotency keys in the order they came."""
        return [request.headers["Idempotency-Key"] for request in self.requests]


@asynccontextmanager
async def serving(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The URL of a server on a free port whose every request ``handle`` answers."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def receiving() -> AsyncIterator[Server]:
    """A sink's server."""
    one = Server()
    async with serving(one.handle) as one.url:
        try:
            yield one
        finally:
            one.silence.set()
