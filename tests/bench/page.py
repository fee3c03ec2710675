"""The live page in Chromium: how soon it is painted, and how far it is behind the stream.

    python tests/bench/page.py [--loads 10] [--documents 10]

A worker with the tiny release of the tests on the embedded broker. Paint: navigation to first contentful paint. Update:
from the moment a document is handed to the producer to the moment its title stands on the page; the embedded
broker itself takes up to half a second to answer a fetch. JSON on stdout: seconds, median and worst.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from playwright.async_api import Error, Page, async_playwright

from models.registry import Registry
from streams.demo.processes import free_port
from streams.operate import admin
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.settings import ScoringSettings, Settings, WebSettings
from tests.models.tiny import build_tiny_release
from tests.streams.test_worker import Running

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", type=int, default=10)
    parser.add_argument("--documents", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as servers:
        root = Path(folder) / "registry"
        Registry(root).promote(build_tiny_release(root).name)
        given = Settings(
            state_dir=Path(folder),
            scoring=ScoringSettings(registry=str(root), threads=1),
            web=WebSettings(port=free_port()),
        )
        settings = on_embedded(given, servers)
        admin.create_topics(settings)
        running = Running(settings)
        try:
            found = asyncio.run(measure(settings, servers, options.loads, options.documents))
        finally:
            running.stop()
    print(json.dumps(found, indent=2))  # noqa: T201


async def measure(settings: Settings, servers: str, loads: int, documents: int) -> dict[str, Any]:
    """The figures."""
    async with async_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = await browser.new_page()
        url = f"http://127.0.0.1:{settings.web.port}/"
        await opened(page, url)
        painted = [await paint(page, url) for _ in range(loads)]
        await page.locator("#link[data-state=live]").wait_for(timeout=60_000)
        behind = [await update(page, servers, number) for number in range(documents)]
        await browser.close()
    return {"first_paint_seconds": spread(painted), "update_seconds": spread(behind)}


async def opened(page: Page, url: str) -> None:
    """Wait until the worker answers."""
    while True:
        try:
            await page.goto(url)
            return
        except Error:
            await asyncio.sleep(0.2)


async def paint(page: Page, url: str) -> float:
    await page.goto(url)
    await page.wait_for_function(f"({PAINTED}) !== null")
    milliseconds: float = await page.evaluate(PAINTED)
    return milliseconds / 1000


async def update(page: Page, servers: str, number: int) -> float:
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    title = f"Document number {number} of the bench"
    value = json.dumps({"title": title, "text": "fraud at Acme", "entities": ["Acme"]})
    began = time.perf_counter()
    producer.produce("news", value, partition=number % 4)
    producer.flush(10)
    await page.get_by_text(title).wait_for(timeout=60_000)
    return time.perf_counter() - began


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"median": round(ordered[len(ordered) // 2], 3), "worst": round(ordered[-1], 3)}


if __name__ == "__main__":
    main()
