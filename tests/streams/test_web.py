"""Health and metrics pages, over a real socket."""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from streams.errors import SettingsError
from streams.metrics import Metrics
from streams.settings import WebSettings
from streams.web import Health, serve, served_beside


@pytest.fixture
def health() -> Health:
    return Health(stall_seconds=1000)


@pytest.fixture
async def base(health: Health) -> AsyncIterator[str]:
    registry = CollectorRegistry()
    Metrics.bind(registry, core_hour=1.0).records_scored.labels("news").inc(10)
    runner, port = await serve(WebSettings(port=0), registry, health)
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def fetch(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_process_is_not_ready_before_its_conditions_hold(base: str, health: Health) -> None:
    health.expect("assigned")
    assert (await fetch(f"{base}/readyz"))[0] == 503


async def test_a_process_is_ready_once_its_conditions_hold(base: str, health: Health) -> None:
    health.expect("assigned")
    health.hold("assigned")
    assert (await fetch(f"{base}/readyz"))[0] == 200


async def test_readiness_is_a_metric_too(base: str, health: Health) -> None:
    health.expect("assigned")
    assert "tocsin_ready 0.0" in (await fetch(f"{base}/metrics"))[1]
    health.hold("assigned")
    assert "tocsin_ready 1.0" in (await fetch(f"{base}/metrics"))[1]


async def test_a_failed_process_is_neither_healthy_nor_ready(base: str, health: Health) -> None:
    health.fail("broker gone")
    assert (await fetch(f"{base}/healthz"))[0] == 503
    assert (await fetch(f"{base}/readyz"))[0] == 503


async def test_a_process_whose_loop_stopped_beating_is_not_healthy(base: str, health: Health) -> None:
    health.stall_seconds = 0.0
    assert (await fetch(f"{base}/healthz"))[0] == 503


async def test_the_first_failure_is_the_one_reported(health: Health) -> None:
    health.fail("first")
    health.fail("second")
    assert health.report()["failure"] == "first"


async def test_the_cost_of_a_million_documents_is_computed_from_processor_time(base: str) -> None:
    lines = dict(line.rsplit(" ", 1) for line in (await fetch(f"{base}/metrics"))[1].splitlines() if line[0] != "#")
    seconds = float(lines["tocsin_core_seconds_per_million_documents"])
    assert seconds == pytest.approx(float(lines["tocsin_core_seconds_total"]) / 10 * 1e6)
    assert float(lines["tocsin_cost_per_million_documents"]) == pytest.approx(seconds / 3600)


async def test_a_chosen_port_in_use_is_an_error_that_says_so(base: str, health: Health) -> None:
    port = int(base.rsplit(":", 1)[1])
    with pytest.raises(SettingsError, match="choose another port"):
        await serve(WebSettings(port=port), CollectorRegistry(), health)


async def test_a_default_port_in_use_gives_way_to_a_free_one(base: str, health: Health) -> None:
    taken = int(base.rsplit(":", 1)[1])
    runner, port = await serve(WebSettings(port=taken), CollectorRegistry(), health, chosen=False)
    assert port != taken
    assert (await fetch(f"http://127.0.0.1:{port}/healthz"))[0] == 200
    await runner.cleanup()


def test_a_process_whose_own_work_blocks_serves_beside_it(health: Health) -> None:
    with served_beside(WebSettings(port=0), CollectorRegistry(), health) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert answer.status == 200
        taken = WebSettings(port=port)
        with pytest.raises(SettingsError), served_beside(taken, CollectorRegistry(), health):
            raise AssertionError("two cannot have one port")
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10)
