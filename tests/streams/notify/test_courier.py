"""A courier never gives up, never hurries a sick sink, and never holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams.alerting import AlertmanagerSettings, WebhookSettings
from streams.metrics import Metrics
from streams.notify import courier as module
from streams.notify.courier import Courier, pause_seconds, remind
from streams.notify.outbox import Arrival, Outbox
from streams.notify.sinks import Alertmanager, Outcome, Webhook, session
from streams.records import Alert
from streams.settings import NotifySettings
from tests.streams.notify.receiving import Server

Make = Callable[..., Alert]


class Clock:
    """Wall time that only a test moves."""

    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds: what is tested is the order of things, not the waiting."""
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.002)
    monkeypatch.setattr(module, "LONGEST_SINK_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LONGEST_MESSAGE_PAUSE_SECONDS", 0.01)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "o.sqlite")


def now_ms() -> int:
    import time

    return time.time_ns() // 1_000_000


def put(box: Outbox, *alerts: Alert, channels: tuple[str, ...], at: int = 0) -> None:
    box.store("alerts", [(Arrival(one, 0, at), channels) for one in alerts], {0: at + 1}, now_ms())


@asynccontextmanager
async def running(*couriers: Courier) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(courier.run()) for courier in couriers]
    yield
    for courier in couriers:
        courier.stop()
    await asyncio.wait_for(asyncio.gather(*tasks), 20)


async def test_a_sink_that_fails_gets_everything_in_order_once_it_is_back(
    server: Server, outbox: Outbox, metrics: Metrics, alert: Make
) -> None:
    async with session() as http:
        hook = Webhook(WebhookSettings(url=SecretStr(server.url)), http, "tocsin", NotifySettings())
        server.script = [503, "hang up", 302, 429, 404]
        put(outbox, alert(), alert(state="resolved", sequence=2), channels=(hook.name,))
        async with running(Courier(hook, outbox, metrics, now_ms)):
            await server.until(7)
    assert server.transitions() == ["a1-1"] * 6 + ["a1-2"]
    assert outbox.backlog(hook.name) == (0, None)
    count = metrics.registry.get_sample_value
    assert count("tocsin_notifications_total", {"sink": hook.name, "outcome": "failed"}) == 5
    assert count("tocsin_notifications_total", {"sink": hook.name, "outcome": "sent"}) == 2
    assert count("tocsin_outbox_pending", {"sink": hook.name}) == 0


async def test_a_dead_sink_holds_up_nobody(server: Server, outbox: Outbox, metrics: Metrics, alert: Make) -> None:
    async with session() as http:
        live = Webhook(WebhookSettings(url=SecretStr(server.url)), http, "tocsin", NotifySettings())
        dead = Webhook(WebhookSettings(url=SecretStr("http://127.0.0.1:1/")), http, "tocsin", NotifySettings())
        put(outbox, *(alert(alert_id=f"i{n}") for n in range(20)), channels=(dead.name, live.name))
        async with running(Courier(dead, outbox, metrics, now_ms), Courier(live, outbox, metrics, now_ms)):
            await server.until(20)
    assert outbox.backlog(dead.name)[0] == 20
    assert metrics.registry.get_sample_value("tocsin_outbox_pending", {"sink": dead.name}) == 20


async def test_one_message_that_a_sink_chokes_on_does_not_hold_up_the_others(
    outbox: Outbox, metrics: Metrics, alert: Make
) -> None:
    delivered: list[str] = []
    complete = asyncio.Event()

    class Choking:
        name = "choking"

        async def send(self, alert: Alert) -> Outcome:
            if alert.alert_id == "poison":
                return Outcome("failed", "status 500")
            delivered.append(alert.alert_id)
            if len(delivered) == 5:
                complete.set()
            return Outcome("sent")

    put(outbox, alert(alert_id="poison"), *(alert(alert_id=f"i{n}") for n in range(5)), channels=("choking",))
    async with running(Courier(Choking(), outbox, metrics, now_ms)):
        await asyncio.wait_for(complete.wait(), 20)
    assert delivered == [f"i{n}" for n in range(5)]
    assert outbox.backlog("choking")[0] == 1


async def test_mail_that_comes_later_is_carried(server: Server, outbox: Outbox, metrics: Metrics, alert: Make) -> None:
    async with session() as http:
        hook = Webhook(WebhookSettings(url=SecretStr(server.url)), http, "tocsin", NotifySettings())
        courier = Courier(hook, outbox, metrics, now_ms)
        async with running(courier):
            for number in range(1, 4):
                put(outbox, alert(sequence=number), channels=(hook.name,), at=number)
                courier.wake()
                await server.until(number)
    assert server.transitions() == ["a1-1", "a1-2", "a1-3"]


async def test_the_age_of_the_oldest_is_a_gauge(outbox: Outbox, metrics: Metrics, alert: Make) -> None:
    class Never:
        name = "never"

        async def send(self, alert: Alert) -> Outcome:
            raise AssertionError

    clock = Clock()
    outbox.store("alerts", [(Arrival(alert(), 0, 0), ("never",))], {0: 1}, clock())
    courier = Courier(Never(), outbox, metrics, clock)
    clock.now_ms += 90_000
    courier.report()
    assert metrics.registry.get_sample_value("tocsin_outbox_oldest_seconds", {"sink": "never"}) == 90


async def test_alertmanager_is_reminded_of_what_fires_and_of_what_lately_ended(
    server: Server, outbox: Outbox, metrics: Metrics, alert: Make
) -> None:
    clock = Clock()
    async with session() as http:
        sink = Alertmanager(AlertmanagerSettings(url=server.url), http, "tocsin", NotifySettings())
        put_at = [(Arrival(one, 0, 0), (sink.name,)) for one in (alert(), alert(alert_id="over", state="resolved"))]
        outbox.store("alerts", put_at, {0: 1}, clock())
        stopping = asyncio.Event()
        async with running(Courier(sink, outbox, metrics, clock)):
            await server.until(2)
        reminder = asyncio.create_task(remind(sink, outbox, clock, 0.005, stopping))
        both = (await server.until(3))[2].json
        clock.now_ms += module.RESOLVED_REPEAT_MS + 1
        later = (await server.until(len(server.requests) + 2))[-1].json
        stopping.set()
        await reminder
    assert {one["annotations"]["alert_id"] for one in both} == {"a1", "over"}
    assert {one["annotations"]["alert_id"] for one in later} == {"a1"}


@pytest.mark.parametrize("failures", [1, 5, 50, 5000])
def test_pauses_grow_to_a_bound(failures: int) -> None:
    assert 0 < pause_seconds(failures, 30.0, 0.999) <= 30.0
    assert pause_seconds(failures + 1, 30.0, 0.5) >= pause_seconds(failures, 30.0, 0.5)
