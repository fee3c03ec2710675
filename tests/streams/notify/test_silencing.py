"""An acknowledged incident is silent in Alertmanager, once, and until it is over; nothing here holds up an alert."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from streams.alerting import AlertmanagerSettings
from streams.notify.sinks import Alertmanager, session
from streams.settings import NotifySettings
from tests.streams.notify.receiving import Server, serving, transition

ON_IT = transition(sequence=2, acknowledged_by="ann", reason="acknowledged")
OVER = transition(sequence=3, acknowledged_by="ann", state="resolved", ends_at="2026-11-22T09:00:00Z")
FILTER = re.compile(r'^(\w+)="(.*)"$')


@dataclass
class Keeper:
    """The part of an Alertmanager that keeps silences, as its API v2 describes it."""

    url: str = ""
    alerts: int = 0
    silences: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.headers.get("Authorization", "")))
        match request.method, request.path:
            case "POST", "/api/v2/alerts":
                self.alerts += 1
                return web.json_response({})
            case "POST", "/api/v2/silences":
                body = await request.json()
                assert set(body) == {"matchers", "startsAt", "endsAt", "createdBy", "comment"}
                name = f"s{len(self.silences)}"
                self.silences[name] = {**body, "id": name, "status": {"state": "active"}}
                return web.json_response({"silenceID": name})
            case "GET", "/api/v2/silences":
                wanted = [FILTER.match(one).groups() for one in request.query.getall("filter")]  # type: ignore[union-attr]
                return web.json_response([one for one in self.silences.values() if self.matches(one, wanted)])
            case "DELETE", path:
                self.silences[path.rpartition("/")[2]]["status"]["state"] = "expired"
                return web.Response()
        return web.Response(status=404)

    @staticmethod
    def matches(silence: dict[str, Any], wanted: list[Any]) -> bool:
        return {(m["name"], m["value"]) for m in silence["matchers"]} >= {(a, b) for a, b in wanted}

    def active(self) -> list[dict[str, Any]]:
        return [one for one in self.silences.values() if one["status"]["state"] == "active"]


@pytest.fixture
async def keeper() -> AsyncIterator[Keeper]:
    one = Keeper()
    async with serving(one.handle) as one.url:
        yield one


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with session() as one:
        yield one


def told_to(url: str, http: aiohttp.ClientSession, **settings: Any) -> Alertmanager:
    return Alertmanager(AlertmanagerSettings(url=url, **settings), http, "tocsin", NotifySettings())


async def test_an_acknowledged_incident_is_silenced_once_and_until_it_is_over(
    keeper: Keeper, http: aiohttp.ClientSession
) -> None:
    sink = told_to(keeper.url, http)
    for alert in (transition(), ON_IT, ON_IT):
        assert (await sink.send(alert)).kind == "sent"
    [silence] = keeper.active()
    matchers = {m["name"]: m["value"] for m in silence["matchers"]}
    assert matchers["series"] == "entity:acme|topic:Earnings"
    assert matchers["team"] == "risk"
    assert all(m["isEqual"] and not m["isRegex"] for m in silence["matchers"])
    assert silence["createdBy"] == "ann"
    assert silence["startsAt"] < silence["endsAt"]
    await sink.send(OVER)
    assert keeper.active() == []
    assert keeper.alerts == 4


async def test_silences_of_others_and_of_other_incidents_stay(keeper: Keeper, http: aiohttp.ClientSession) -> None:
    sink = told_to(keeper.url, http)
    await sink.send(transition(alert_id="b2", acknowledged_by="bob"))
    await sink.send(ON_IT)
    assert len(keeper.active()) == 2
    await sink.send(OVER)
    [left] = keeper.active()
    assert left["comment"].endswith("b2")


async def test_who_wants_none_asks_for_none(keeper: Keeper, http: aiohttp.ClientSession) -> None:
    await told_to(keeper.url, http, silence_hours=0).send(ON_IT)
    assert keeper.silences == {}
    assert len(keeper.asked) == 1


async def test_silences_are_asked_for_with_the_token(
    keeper: Keeper, http: aiohttp.ClientSession, tmp_path: Any
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    await told_to(keeper.url, http, bearer_token_file=token).send(ON_IT)
    assert set(keeper.asked) == {("POST", "Bearer s3cret"), ("GET", "Bearer s3cret")}


@pytest.mark.parametrize("behaviour", [404, 503, "hang up"])
async def test_what_cannot_be_silenced_is_delivered_all_the_same(
    server: Server, http: aiohttp.ClientSession, behaviour: int | str
) -> None:
    server.script, server.behaviour = [200], behaviour
    assert (await told_to(server.url, http).send(ON_IT)).kind == "sent"
    first, *rest = [request.path for request in server.requests]
    assert (first, set(rest)) == ("/api/v2/alerts", {"/api/v2/silences"})
