"""Who is let in, what every answer says to the browser, and what a word on an alert must look like."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from streams.page.access import Access
from tests.streams.page.newsroom import Newsroom

TOKEN = "the-long-one-of-sixteen"
OURS = {"X-Tocsin": "page", "Content-Type": "application/json"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def room() -> AsyncIterator[Newsroom]:
    made = Newsroom()
    made.live_through(1.1, {"acme": 6})
    made.crisis("acme")
    async with made.open():
        yield made


def an_alert(room: Newsroom) -> str:
    return room.page.board.since(-1).alerts[0].alert.alert_id


async def frame(http: aiohttp.ClientSession, url: str, **more: Any) -> dict[str, Any]:
    """The first frame of a stream of events."""
    async with http.get(f"{url}/events", **more) as answer:
        assert answer.status == 200
        line = await answer.content.readline()
    found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return found


async def test_the_first_frame_holds_everything(http: aiohttp.ClientSession, room: Newsroom) -> None:
    told = await frame(http, room.url)
    assert "entity:acme" in told["order"]
    assert told["mixes"]["entity:acme"][0] >= 20
    alert = next(each for each in told["alerts"] if each["alert"]["series"] == "entity:acme")
    assert alert["alert"]["exemplars"]
    assert alert["alert"]["evidence"]["background"]["negative"] == []
    assert told["status"]["standing"] >= 1


async def test_no_answer_lets_a_browser_load_or_frame_anything_foreign(
    http: aiohttp.ClientSession, room: Newsroom
) -> None:
    paths = ("/", "/page/page.js", "/page/page.css", "/series?name=entity:acme", "/search?words=ac", "/page/no.js")
    for path in paths:
        async with http.get(room.url + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/page/..%2f..%2fsite.py", "/page/index.html", "/page/%2e%2e/site.py"])
async def test_only_the_pages_own_files_are_served(http: aiohttp.ClientSession, room: Newsroom, path: str) -> None:
    from yarl import URL

    async with http.get(URL(room.url + path, encoded=True)) as answer:
        assert answer.status == 404


async def test_on_loopback_only_loopbacks_names_are_answered(http: aiohttp.ClientSession, room: Newsroom) -> None:
    for path in ("/", "/events", "/series?name=entity:acme"):
        async with http.get(room.url + path, headers={"Host": "rebound.example"}) as answer:
            assert answer.status == 421
    async with http.get(f"{room.url}/metrics", headers={"Host": "worker-1"}) as answer:
        assert answer.status == 200, "Prometheus knows us by any name"


async def test_another_sites_page_cannot_speak_through_ours(http: aiohttp.ClientSession, room: Newsroom) -> None:
    url, body = f"{room.url}/alerts/{an_alert(room)}", b'{"verdict": "dismiss"}'
    for headers in ({}, {**OURS, "Origin": "https://evil.example"}):
        async with http.post(url, data=body, headers=headers) as answer:
            assert answer.status == 403
    assert room.broker.said == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"verdict": "like"}', b'{"verdict": "dismiss", "more": 1}', b"[" * 8000, b"\xff"]
)
async def test_a_word_that_is_none_is_refused(http: aiohttp.ClientSession, room: Newsroom, body: bytes) -> None:
    async with http.post(f"{room.url}/alerts/{an_alert(room)}", data=body, headers=OURS) as answer:
        assert answer.status == 400
    assert room.broker.said == []


async def test_a_word_is_cleaned_and_bounded(http: aiohttp.ClientSession, room: Newsroom) -> None:
    body = json.dumps({"verdict": "confirm", "by": "Ada\x1b[31m" + "x" * 500, "note": "so\nit is"})
    async with http.post(f"{room.url}/alerts/{an_alert(room)}", data=body, headers=OURS) as answer:
        assert answer.status == 200
    [word] = room.broker.said
    assert word.by.startswith("Ada[31mx")
    assert len(word.by) == 100
    assert word.note == "so it is"
    assert word.key == f"{an_alert(room)}:verdict".encode()


async def test_of_an_alert_nobody_knows_nothing_can_be_said(http: aiohttp.ClientSession, room: Newsroom) -> None:
    async with http.post(f"{room.url}/alerts/none", data=b'{"verdict": "dismiss"}', headers=OURS) as answer:
        assert answer.status == 404


async def test_open_to_others_without_a_token_there_is_no_page(http: aiohttp.ClientSession) -> None:
    async with Newsroom(host="0.0.0.0").open() as url:
        for path in ("/", "/events", "/page/page.js", "/login"):
            async with http.get(url + path) as answer:
                assert answer.status == 403
        async with http.get(f"{url}/healthz") as answer:
            assert answer.status == 200


async def test_a_token_opens_the_page_and_nothing_else_does(http: aiohttp.ClientSession) -> None:
    room = Newsroom(token=TOKEN, host="0.0.0.0")
    async with room.open() as url:
        for path in ("/events", "/series?name=x", "/search?words=x"):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"tocsin_page={TOKEN}"}):
                async with http.get(url + path, headers=headers) as answer:
                    assert answer.status == 401
        async with http.get(f"{url}/", allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/login"
        assert (await frame(http, url, headers={"Authorization": f"Bearer {TOKEN}"}))["version"] >= 0
        async with http.post(f"{url}/login", data={"token": TOKEN}, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie


async def test_too_many_lookers_are_turned_away(
    http: aiohttp.ClientSession, room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.page.site.MOST_LOOKERS", 1)
    async with http.get(f"{room.url}/events") as first:
        await first.content.readline()
        async with http.get(f"{room.url}/events") as second:
            assert second.status == 503


def test_a_session_of_one_token_is_none_of_another() -> None:
    assert Access("0.0.0.0", TOKEN).admits(Access("0.0.0.0", TOKEN).session, "")
    assert not Access("0.0.0.0", "another-long-token").admits(Access("0.0.0.0", TOKEN).session, "")
    assert not Access("0.0.0.0", "").admits(Access("0.0.0.0", "").session, "Bearer ")
