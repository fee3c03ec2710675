"""Health and metrics of a long-running process, on loopback unless the settings say otherwise.

``/healthz`` answers 200 while the process can still do its job and 503 once it can't (a supervisor should
restart it); ``/readyz`` answers 200 only when every condition for work is met, and says which are not.
"""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.errors import SettingsError
from streams.settings import WebSettings


@dataclass
class Health:
    """What a process knows of itself. ``conditions`` must all hold for readiness; each is set by its owner.

    ``beat`` is called by the main loop; without a beat for ``stall_seconds`` the process is not healthy.
    """

    stall_seconds: float = 30.0
    conditions: dict[str, bool] = field(default_factory=dict)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    failure: str = ""
    _beaten: float = field(default_factory=time.monotonic)

    def expect(self, *names: str) -> None:
        """Declare conditions for readiness; they do not hold until :meth:`hold` says so."""
        for name in names:
            self.conditions.setdefault(name, False)

    def hold(self, name: str, holds: bool = True) -> None:
        """State whether condition ``name`` holds now."""
        self.conditions[name] = holds

    def beat(self) -> None:
        """Say that the main loop is alive."""
        self._beaten = time.monotonic()

    def fail(self, reason: str) -> None:
        """Say that the process cannot go on; the first reason stays."""
        self.failure = self.failure or reason

    @property
    def stalled_seconds(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._beaten

    @property
    def alive(self) -> bool:
        return not self.failure and self.stalled_seconds < self.stall_seconds

    @property
    def ready(self) -> bool:
        return self.alive and all(self.conditions.values())

    def report(self) -> dict[str, object]:
        """Everything above as plain JSON values."""
        return {
            "alive": self.alive,
            "ready": self.ready,
            "failure": self.failure,
            "stalled_seconds": round(self.stalled_seconds, 1),
            "conditions": dict(self.conditions),
            "facts": dict(self.facts),
        }


class _Readiness(Collector):
    """Whether the process may be given work, as a metric: Prometheus does not look at ``/readyz``."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("tocsin_ready", "Whether every condition for work holds.", value=self._health.ready)


def application(registry: CollectorRegistry, health: Health) -> web.Application:
    """The pages of one process."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response(health.report(), status=200 if health.alive else 503)

    async def readyz(_: web.Request) -> web.Response:
        return web.json_response(health.report(), status=200 if health.ready else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return app


async def serve(
    settings: WebSettings,
    registry: CollectorRegistry,
    health: Health,
    *,
    chosen: bool = True,
    extend: Callable[[web.Application], None] | None = None,
) -> tuple[web.AppRunner, int]:
    """Start serving; returns the runner (``await runner.cleanup()`` ends it) and the port in use.

    ``extend`` adds further pages.

    A port that nobody has ``chosen`` gives way to a free one where it is taken, so that several processes
    run on one host without further settings.

    Raises:
        SettingsError: the address cannot be bound, because another process has it or it is not ours.
    """
    app = application(registry, health)
    if extend is not None:
        extend(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as exc:
        await runner.cleanup()
        if not chosen and exc.errno == errno.EADDRINUSE:
            return await serve(settings.model_copy(update={"port": 0}), registry, health, extend=extend)
        raise SettingsError(
            f"cannot serve health and metrics on {settings.host}:{settings.port}: {exc.strerror or exc}; "
            "choose another port in the settings (0 takes any free one)"
        ) from exc
    registry.register(_Readiness(health))
    port: int = runner.addresses[0][1]
    return runner, port


@contextmanager
def served_beside(
    settings: WebSettings, registry: CollectorRegistry, health: Health, *, chosen: bool = True
) -> Iterator[int]:
    """Serve from a thread while the body runs, for a process whose own work blocks; gives the port in use.

    Raises:
        SettingsError: as :func:`serve`.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="web", daemon=True)
    thread.start()
    try:
        starting = serve(settings, registry, health, chosen=chosen)
        runner, port = asyncio.run_coroutine_threadsafe(starting, loop).result()
        try:
            yield port
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
