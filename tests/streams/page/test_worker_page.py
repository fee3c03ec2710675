"""The page of a running worker, on the embedded broker: documents, alerts and words go through Kafka and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from confluent_kafka import Producer

from streams.demo.processes import free_port
from streams.operate import admin
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.records import encode
from streams.settings import ScoringSettings, Settings, WatchSettings, WebSettings
from tests.streams.notify.receiving import transition
from tests.streams.page.test_model import SIGNAL
from tests.streams.test_worker import Running

PATIENCE = aiohttp.ClientTimeout(total=90)


async def told(http: aiohttp.ClientSession, url: str, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first frame of the stream of events that is ``enough``; connects again while nobody answers yet."""
    while True:
        try:
            async with http.get(f"{url}/events", timeout=PATIENCE) as answer:
                async for line in answer.content:
                    frame: dict[str, Any] = json.loads(line.removeprefix(b"data: ")) if line.strip() else {}
                    if frame and enough(frame):
                        return frame
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.2)


async def test_documents_alerts_and_words_go_through_the_worker(tiny_registry: Path, tmp_path: Path) -> None:
    with EmbeddedBroker() as servers:
        given = Settings(
            state_dir=tmp_path,
            scoring=ScoringSettings(registry=str(tiny_registry), threads=1),
            watch=WatchSettings(idle_seconds=0.5),
            web=WebSettings(port=free_port()),
        )
        settings = on_embedded(given, servers)
        admin.create_topics(settings)
        url = f"http://127.0.0.1:{settings.web.port}"
        producer = Producer({"bootstrap.servers": servers})
        for n in range(8):
            value = json.dumps({"id": str(n), "title": f"Acme {n}", "text": "fraud at Acme", "entities": ["Acme"]})
            producer.produce("news", value, partition=n % 4)
        producer.produce(settings.topics.alerts, encode(transition()), key="a1", partition=1)
        producer.produce(settings.topics.drift, encode(SIGNAL), key=SIGNAL.key, partition=0)
        assert producer.flush(10) == 0
        running = Running(settings)
        try:
            async with aiohttp.ClientSession() as http:
                frame = await told(http, url, lambda frame: "alerts" in frame)
                assert frame["alerts"][0]["alert"]["alert_id"] == "a1"
                counted: list[dict[str, Any]] = []

                def all_scored(frame: dict[str, Any]) -> bool:
                    counted.append(frame["status"])
                    return bool(frame["status"]["scored"] == 8)

                await told(http, url, all_scored)
                frame = await told(http, url, lambda frame: len(frame.get("documents", ())) == 8)
                assert {document["title"] for document in frame["documents"]} == {f"Acme {n}" for n in range(8)}
                assert counted[-1]["release"]
                assert [one["role"] for one in counted[-1]["readings"]] == ["serves"]
                frame = await told(http, url, lambda frame: "drifts" in frame)
                assert [alarm["detector"] for alarm in frame["drifts"]] == ["mix"]
                assert "line" in frame
                headers = {"X-Tocsin": "page"}
                body = b'{"verdict": "acknowledge", "by": "ada"}'
                async with http.post(f"{url}/alerts/a1", data=body, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                frame = await told(http, url, lambda frame: any(each["said"] for each in frame.get("alerts", ())))
                assert frame["alerts"][0]["said"][0]["by"] == "ada"
                async with http.get(f"{url}/events", timeout=PATIENCE):
                    assert await asyncio.to_thread(running.stop) == 0, "an open page does not hold the worker up"
        finally:
            running.stop()
