"""The dashboards: fresh, sound, and every query answered by a real Prometheus that scraped tocsin at work."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from confluent_kafka import Producer

from models.registry import Registry
from streams.demo.processes import Process, arrange, environment, free_port
from streams.operate import admin
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.records import AlertFeedback, encode
from streams.settings import DriftSettings, ScoringSettings, Settings, WatchSettings
from tests.deploy.conftest import Tool, program
from tests.deploy.test_prometheus import known_metrics
from tests.models.tiny import build_tiny_release, remember
from tests.streams.test_worker import Running

DEPLOY = Path(__file__).parents[2] / "deploy"
BOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
REFRESH = "run: python deploy/grafana/generate.py"
PATIENCE_SECONDS = 90.0
VARIABLES = {"$__rate_interval": "15s", "$kind": "entity", "$name": ".*"}
OF_SERIES = {
    f"tocsin_series_{name}"
    for name in (
        *("negative_share", "usual_share", "negative_stories", "usual_low", "usual_high"),
        *("score_ratio", "ringing", "documents"),
    )
}
OF_A_PROCESS = {
    "tocsin_core_seconds_total",
    "tocsin_core_seconds_per_million_documents",
    "tocsin_cost_per_million_documents",
}


def queries() -> list[str]:
    """Every query of every panel, with its variables filled in."""
    found: list[str] = []
    for path in BOARDS:
        board = json.loads(path.read_text(encoding="utf-8"))
        found += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [each.replace(name, value) for each in found]
    return sorted(set(found))


def test_the_dashboards_are_fresh() -> None:
    generate = pytest.importorskip(
        "deploy.grafana.generate", reason="no grafana-foundation-sdk: the JSON is not checked"
    )
    written = {path.name: path.read_text(encoding="utf-8") for path in BOARDS}
    assert written == {name: generate.text(board) for name, board in generate.boards()}, REFRESH


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_has_a_name_that_stays_and_panels_that_explain_themselves(path: Path) -> None:
    board = json.loads(path.read_text(encoding="utf-8"))
    assert board["uid"] == f"tocsin-{path.stem}"
    assert board["annotations"]["list"][0]["expr"] == "tocsin_series_ringing == 1"
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${source}"
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_every_query_parses(promtool: Tool, tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": expression} for number, expression in enumerate(queries())]
    assert len(rules) > 40
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked = promtool("check", "rules", tmp_path / "queries.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("expression", queries())
def test_every_metric_of_a_query_exists(expression: str) -> None:
    read = set(re.findall(r"\b(?:tocsin[_:][a-z0-9_:]+|up)\b", re.sub(r'"[^"]*"', "", expression)))
    assert read
    assert read <= known_metrics() | OF_SERIES | OF_A_PROCESS


@asynccontextmanager
async def prometheus(folder: Path, worker: int, notifier: int, trainer: int) -> AsyncIterator[str]:
    """A real one under the committed configuration, but impatient; its address."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    for committed, here in (
        *(("localhost:6066", f"localhost:{worker}"), ("localhost:6067", f"localhost:{notifier}")),
        *(("scrape_interval: 15s", "scrape_interval: 1s"), ("evaluation_interval: 15s", "evaluation_interval: 1s")),
    ):
        assert committed in text
        text = text.replace(committed, here)
    text = text.replace("  # - job_name: tocsin-trainer", "  - job_name: tocsin-trainer")
    text = text.replace(
        '  #   static_configs:\n  #     - targets: ["localhost:6071"]',
        f'    static_configs:\n      - targets: ["localhost:{trainer}"]',
    )
    assert f"localhost:{trainer}" in text
    (folder / "prometheus.yml").write_text(text, encoding="utf-8")
    (folder / "tocsin.rules.yml").write_bytes((DEPLOY / "prometheus" / "tocsin.rules.yml").read_bytes())
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stderr=(folder / "prometheus.log").open("wb"),
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def documents(now: datetime) -> Iterator[bytes]:
    """Two hours of news on Acme up to ``now``, then more of the same."""
    minute = -120
    while True:
        at = now + timedelta(minutes=min(minute, 0))
        told = {"text": "fraud at Acme" if minute % 3 else "Acme opens", "published_at": at.isoformat()}
        yield json.dumps(told | {"entities": ["Acme"], "id": f"d{minute}"}).encode()
        minute += 1


async def unanswered(http: aiohttp.ClientSession, url: str, wanted: list[str]) -> list[str]:
    """Those of ``wanted`` to which Prometheus has no data yet."""
    left = []
    for expression in wanted:
        try:
            async with http.get(f"{url}/api/v1/query", params={"query": expression}) as answer:
                told: Any = await answer.json()
                if answer.status != 200 or not told["data"]["result"]:
                    left.append(expression)
        except aiohttp.ClientError:
            left.append(expression)
    return left


async def test_every_query_is_answered_by_a_prometheus_that_scraped_tocsin(tmp_path: Path) -> None:
    program("prometheus")
    registry = tmp_path / "registry"
    Registry(registry).promote(remember(build_tiny_release(registry)).name)
    watchlist = tmp_path / "watchlist.toml"
    watchlist.write_text('[[entity]]\nid = "acme"\nname = "Acme"\n')
    with EmbeddedBroker() as servers:
        given = Settings(
            scoring=ScoringSettings(registry=str(registry), threads=1),
            drift=DriftSettings(sample_share=0.5),
            watch=WatchSettings(idle_seconds=0.5, snapshot_seconds=1.0, grace_seconds=0),
        )
        settings = arrange(on_embedded(given, servers), tmp_path, watchlist)
        admin.create_topics(settings)
        producer, feed = Producer({"bootstrap.servers": servers}), documents(datetime.now(UTC))

        def publish(count: int) -> None:
            for n in range(count):
                producer.produce("news", next(feed), partition=n % 4)
            assert producer.flush(10) == 0

        publish(120)
        running, notifier = Running(settings), Process("notifier", tmp_path)
        trainer, trainer_port = Process("trainer", tmp_path), free_port()
        given = environment(settings, os.environ)
        await notifier.start(["notify"], given, tmp_path)
        await trainer.start(["trainer"], given | {"TOCSIN_TRAINER": json.dumps({"port": trainer_port})}, tmp_path)
        try:
            await notifier.ready(settings.notify.port, PATIENCE_SECONDS)
            await trainer.ready(trainer_port, PATIENCE_SECONDS)
            async with (
                prometheus(tmp_path, settings.web.port, settings.notify.port, trainer_port) as url,
                aiohttp.ClientSession() as http,
            ):
                left, deadline = queries(), asyncio.get_running_loop().time() + PATIENCE_SECONDS
                scraped = False
                while left and asyncio.get_running_loop().time() < deadline:
                    await asyncio.to_thread(publish, 4)
                    seen = await unanswered(http, url, ["tocsin_alert_feedback_total"])
                    if not seen and not scraped:  # only now, so that the counter is seen to rise
                        scraped = True
                        word = AlertFeedback("a1", "confirm", "ada", "", 1)
                        producer.produce(settings.topics.feedback, encode(word), key=word.key, partition=0)
                    left = await unanswered(http, url, left)
                assert left == [], (tmp_path / "prometheus.log").read_text()[-2000:]
        finally:
            await asyncio.gather(notifier.stop(), trainer.stop(), asyncio.to_thread(running.stop))
