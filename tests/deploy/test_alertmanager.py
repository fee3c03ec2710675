"""Alertmanager's routing, by its own tool, and a real Alertmanager between tocsin and the teams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streams.alerting import AlertmanagerSettings
from streams.demo.processes import free_port
from streams.notify.sinks import Alertmanager, session
from streams.settings import NotifySettings
from tests.deploy.conftest import Tool, alertmanager_program
from tests.streams.notify.receiving import Server, receiving, transition

CONFIG = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"


def test_the_configuration_is_sound(amtool: Tool) -> None:
    checked = amtool("check-config", CONFIG)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=NegativeSpike", "entity=acme", "severity=critical", "team=risk"], "risk"),
        (["alertname=NegativeSpike", "entity=acme", "severity=warning", "team=brand"], "brand"),
        (["alertname=NegativeSpike", "entity=acme", "severity=critical"], "opinion"),
        (["alertname=NoData", "stream=news", "severity=warning"], "opinion"),
        (["alertname=TocsinBehind", "severity=warning", "team=platform"], "platform"),
        (["alertname=TocsinDown", "severity=critical", "team=platform"], "platform-page"),
        (["alertname=TocsinWatchdog", "severity=none", "team=platform"], "dead-mans-switch"),
    ],
)
def test_each_team_hears_of_its_own(amtool: Tool, labels: list[str], receiver: str) -> None:
    routed = amtool("config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert (routed.stdout.split(), routed.returncode) == ([receiver], 0), routed.stderr


@asynccontextmanager
async def alertmanager(folder: Path, receivers: str) -> AsyncIterator[str]:
    """A real one under the committed configuration, but impatient and with ``receivers`` for receivers; its address."""
    text = CONFIG.read_text(encoding="utf-8").replace("http://receivers.example.org", receivers)
    for slow, quick in (("group_wait: 10s", "group_wait: 1s"), ("group_interval: 1m", "group_interval: 1s")):
        assert slow in text
        text = text.replace(slow, quick)
    (folder / "alertmanager.yml").write_text(text, encoding="utf-8")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        alertmanager_program(),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        stderr=(folder / "log").open("wb"),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http:
            while not await _ready(http, url):
                assert process.returncode is None, (folder / "log").read_text()
                await asyncio.sleep(0.1)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def heard(server: Server, path: str, count: int = 1) -> list[Any]:
    """The messages that came to ``path``, once there are ``count``."""
    while len(found := [request.json for request in server.requests if request.path == path]) < count:
        await server.until(len(server.requests) + 1)
    return found


async def test_tocsins_alerts_are_received_grouped_routed_and_resolved(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    started, ended = ((now - timedelta(minutes=ago)).strftime("%Y-%m-%dT%H:%M:%SZ") for ago in (30, 1))
    async with receiving() as teams, alertmanager(tmp_path, teams.url) as url, session() as http:
        sink = Alertmanager(AlertmanagerSettings(url=url), http, "tocsin", NotifySettings())
        recall, earnings = (
            transition(alert_id=name, series=f"entity:acme|topic:{name}", starts_at=started)
            for name in ("Recall", "Earnings")
        )
        foreign = transition(alert_id="other", series="entity:bolt", starts_at=started, labels={"team": "brand"})
        assert (await sink.send_all([recall, earnings, foreign])).kind == "sent"

        [risk] = await heard(teams, "/risk")
        assert risk["groupLabels"] == {"alertname": "NegativeSpike", "entity": "acme"}
        assert sorted(alert["labels"]["topic"] for alert in risk["alerts"]) == ["Earnings", "Recall"]
        assert risk["status"] == "firing"
        assert "Acme recalls kettles" in str(risk["alerts"])
        [brand] = await heard(teams, "/brand")
        assert [alert["labels"]["entity"] for alert in brand["alerts"]] == ["bolt"]

        over = [
            transition(
                alert_id=one.alert_id, series=one.series, starts_at=started, state="resolved", sequence=2, ends_at=ended
            )
            for one in (recall, earnings)
        ]
        assert (await sink.send_all(over)).kind == "sent"
        *_, last = await heard(teams, "/risk", 2)
        assert last["status"] == "resolved"
        assert len(await heard(teams, "/brand")) == 1, "the other team's alert still stands"


async def test_the_dead_mans_switch_is_fed_and_what_is_down_speaks_for_what_is_not_ready(tmp_path: Path) -> None:
    def platform(name: str, severity: str) -> dict[str, Any]:
        labels = {"alertname": name, "severity": severity, "team": "platform", "job": "tocsin-worker", "instance": "w1"}
        return {"labels": labels}

    names = (("TocsinWatchdog", "none"), ("TocsinDown", "critical"), ("TocsinNotReady", "warning"))
    async with receiving() as teams, alertmanager(tmp_path, teams.url) as url, aiohttp.ClientSession() as http:
        async with http.post(f"{url}/api/v2/alerts", json=[platform(*name) for name in names]) as answer:
            assert answer.status == 200
        [fed] = await heard(teams, "/dead-mans-switch")
        assert fed["alerts"][0]["labels"]["alertname"] == "TocsinWatchdog"
        [page] = await heard(teams, "/platform-page")
        assert [alert["labels"]["alertname"] for alert in page["alerts"]] == ["TocsinDown"]
        async with http.get(f"{url}/api/v2/alerts") as answer:
            states = {each["labels"]["alertname"]: each["status"]["state"] for each in await answer.json()}
        assert states["TocsinNotReady"] == "suppressed"
