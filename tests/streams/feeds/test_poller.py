"""Looks at a real server: what is new is sent once, what is hostile does no harm and holds up nobody."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from streams.errors import DeliveryError
from streams.feeds.manners import Hosts, next_wait
from streams.feeds.memory import Memory
from streams.feeds.poller import Outcome, Poller
from streams.feeds.settings import FeedsSettings
from streams.feeds.sources import Feed
from tests.streams.feeds.newsstand import BODIES, ETAG, HARMLESS, HOSTILE, Newsstand, item, open_newsstand, rss

HOSTS = [f"127.1.0.{n + 1}" for n in range(len(HARMLESS) + len(HOSTILE))]


class Sent:
    """What was delivered, in order; told to, it refuses."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.away = False

    async def deliver(self, documents: Sequence[tuple[str, bytes]]) -> None:
        if self.away:
            raise DeliveryError("away")
        for name, value in documents:
            document = json.loads(value)
            assert document["id"] == name
            self.documents.append(document)

    def titles(self) -> list[str]:
        return [document["title"] for document in self.documents]


@asynccontextmanager
async def polling(
    sent: Sent, path: Path | str = ":memory:", hosts: Sequence[str] = ("127.0.0.1",), **changes: Any
) -> AsyncIterator[Poller]:
    given = {"private_hosts": tuple(hosts), "host_seconds": 0.0, "timeout_seconds": 3.0, **changes}
    memory = Memory(path)
    poller = Poller(FeedsSettings.model_validate(given), memory, sent.deliver)
    try:
        yield poller
    finally:
        await poller.close()
        memory.close()


async def look(poller: Poller, stand: Newsstand, kind: str, **named: Any) -> Outcome:
    return await poller.poll(Feed(stand.url(kind), **named))


async def test_hostile_feeds_do_no_harm_and_hold_up_no_others() -> None:
    sent = Sent()
    kinds = [*HOSTILE, *HARMLESS]
    with open_newsstand(HOSTS) as stand:
        async with polling(sent, hosts=HOSTS) as poller:
            looks = [poller.poll(Feed(stand.url(kind, host))) for kind, host in zip(kinds, HOSTS, strict=True)]
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            outcomes = dict(zip(kinds, await asyncio.gather(*looks), strict=True))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert {kind: outcomes[kind].kind for kind in HOSTILE} == dict.fromkeys(HOSTILE, "failed")
    assert {kind: outcomes[kind].kind for kind in HARMLESS} == dict.fromkeys(HARMLESS, "new")
    for kind, reason in {
        "metadata": "169.254.169.254 is not a public address",
        "mapped": "is not a public address",
        "file": "redirected to no http",
        "loop": "more than 5 redirects",
        "laughs": "declares entities",
        "entity": "declares entities",
        "bomb": "larger than feeds.max_bytes",
        "endless": "larger than feeds.max_bytes",
        "announced": "larger than feeds.max_bytes",
        "drip": "not done within 3 s",
        "silent": "not done within 3 s",
        "unclosed": "too much time or memory",
        "missing": "status 404",
    }.items():
        assert reason in outcomes[kind].reason, kind
    assert outcomes["endless"].seconds < outcomes["drip"].seconds
    assert grown < 200 * 1024, "kilobytes; the bomb alone would be a million"
    assert not any(
        "<" in document["title"] + document["body"] for document in sent.documents if "xss" in document["id"]
    )
    assert sum(outcome.sent for outcome in outcomes.values()) == len(sent.documents)


async def test_a_name_that_means_another_address_when_it_is_used_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a name meant before decides nothing: the address that is about to be connected to does."""
    answers = ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1"]

    def lookup(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        found = answers.pop(0)
        family = socket.AF_INET6 if ":" in found else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (found, port, 0, 0) if ":" in found else (found, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    sent = Sent()
    async with polling(sent) as poller:
        for _ in range(3):
            outcome = await poller.poll(Feed(f"http://rebinding.example/{len(answers)}"))
            assert outcome.kind == "failed"
            assert "is not a public address" in outcome.reason
    assert not answers


async def test_a_certificate_of_nobody_we_know_is_refused() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server, polling(Sent()) as poller:
        outcome = await poller.poll(Feed(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
    assert (outcome.kind, outcome.reason) == ("failed", "its certificate does not hold")


async def test_what_a_library_raises_on_an_answer_loses_one_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stumble(*_: Any) -> None:
        raise RecursionError("https://x.example/?token=secret")

    with open_newsstand() as stand:
        async with polling(Sent()) as poller:
            monkeypatch.setattr(poller._fetcher, "_follow", stumble)
            assert (await look(poller, stand, "good")).reason == "the answer cannot be used (RecursionError)"


async def test_a_stranger_cannot_lead_us_to_a_private_host_of_our_own() -> None:
    with open_newsstand(["127.0.0.1", "127.0.0.2"]) as stand, open_newsstand(["127.0.0.1"]) as other:
        stand.now_serving["elsewhere"] = ("", b"")
        sent = Sent()
        async with polling(sent, hosts=["127.0.0.2"]) as poller:
            assert "127.0.0.1 is not a public address" in (await look(poller, other, "good")).reason
            assert (await poller.poll(Feed(stand.url("good", "127.0.0.2")))).kind == "new"
    assert other.asked == {}


async def test_an_unchanged_feed_costs_nothing(tmp_path: Path) -> None:
    sent, path = Sent(), tmp_path / "feeds.sqlite"
    with open_newsstand() as stand:
        async with polling(sent, path) as poller:
            assert (await look(poller, stand, "conditional")).sent == 20
            assert (await look(poller, stand, "conditional")).kind == "unchanged"
            assert (await look(poller, stand, "good")).kind == "new"
            assert (await look(poller, stand, "good")).kind == "unchanged"
        async with polling(sent, path) as poller:
            assert (await look(poller, stand, "conditional")).kind == "unchanged"
    asked = [headers.get("If-None-Match") for headers in stand.seen if headers["path"] == "conditional"]
    assert asked == [None, ETAG, ETAG]
    assert stand.seen[0]["User-Agent"].startswith("tocsin/")
    assert len(sent.documents) == 40


async def test_an_item_is_sent_once_however_it_changes_and_whatever_restarts(tmp_path: Path) -> None:
    sent, path = Sent(), tmp_path / "feeds.sqlite"
    with open_newsstand() as stand:
        stand.now_serving["live"] = ("", rss([item(2), item(1)]).encode())
        async with polling(sent, path) as poller:
            await look(poller, stand, "live", name="Wire")
        stand.now_serving["live"] = ("", rss([item(3), item(2, "Corrected"), item(1), item(3)]).encode())
        async with polling(sent, path) as poller:
            outcome = await look(poller, stand, "live", name="Wire")
    assert (outcome.sent, outcome.known) == (1, 2)
    assert sent.titles() == ["Acme falls 2", "Acme falls 1", "Acme falls 3"]
    assert {document["source"] for document in sent.documents} == {"Wire"}


async def test_what_was_not_acknowledged_is_sent_again_under_the_same_id(tmp_path: Path) -> None:
    sent, path = Sent(), tmp_path / "feeds.sqlite"
    with open_newsstand() as stand:
        async with polling(sent, path) as poller:
            sent.away = True
            with pytest.raises(DeliveryError):
                await look(poller, stand, "good")
            sent.away = False
            assert (await look(poller, stand, "good")).sent == 20
    assert len({document["id"] for document in sent.documents}) == 20


async def test_undated_items_of_a_new_feed_are_not_news_but_later_ones_are() -> None:
    sent = Sent()
    with open_newsstand() as stand:
        async with polling(sent) as poller:
            outcome = await look(poller, stand, "undated")
            assert (outcome.sent, outcome.undated) == (1, 1)
            stand.now_serving["undated"] = ("", rss([item(9, date=""), item(1, date=""), item(2)]).encode())
            began = time.time_ns() // 1_000_000
            assert (await look(poller, stand, "undated")).sent == 1
    assert sent.titles() == ["Acme falls 2", "Acme falls 9"]
    assert sent.documents[1]["published_at"] >= began


async def test_a_time_to_come_is_the_time_of_the_look() -> None:
    sent = Sent()
    with open_newsstand() as stand:
        async with polling(sent) as poller:
            stand.now_serving["live"] = ("", rss([item(0)]).encode())
            await look(poller, stand, "live")
            stand.now_serving["live"] = ("", rss([item(1, date="Mon, 02 Mar 2099 08:00:00 GMT")]).encode())
            await look(poller, stand, "live")
    assert sent.documents[1]["published_at"] <= time.time_ns() // 1_000_000


async def test_what_fails_is_left_alone_for_longer_and_longer(tmp_path: Path) -> None:
    sent, path = Sent(), tmp_path / "feeds.sqlite"
    with open_newsstand() as stand:
        async with polling(sent, path) as poller:
            feed = Feed(stand.url("missing"))
            assert (await poller.poll(feed)).kind == "failed"
            assert (await poller.poll(feed)).kind == "waiting"
            assert poller.due_ms(feed) > time.time_ns() // 1_000_000 + 500_000
        async with polling(sent, path) as poller:
            assert (await poller.poll(feed)).kind == "waiting"
    assert stand.asked["missing"] == 1


async def test_a_host_that_asks_to_be_left_alone_is() -> None:
    with open_newsstand(["127.0.0.1", "127.0.0.2"]) as stand:
        async with polling(Sent(), hosts=["127.0.0.1", "127.0.0.2"]) as poller:
            assert (await look(poller, stand, "busy")).reason == "status 429"
            outcome = await look(poller, stand, "good")
            assert (outcome.kind, outcome.reason[:31]) == ("waiting", "its host asked to be left alone")
            assert poller.due_ms(Feed(stand.url("good"))) > time.time_ns() // 1_000_000 + 3_500_000
            assert (await poller.poll(Feed(stand.url("good", "127.0.0.2")))).kind == "new"
    assert stand.asked == {"busy": 1, "good": 1}


async def test_a_host_is_asked_one_thing_at_a_time() -> None:
    with open_newsstand(["127.0.0.1"], late_seconds=0.05) as stand:
        stand.now_serving |= {f"late{n}": BODIES["good"] for n in range(8)}
        async with polling(Sent()) as poller:
            kinds = [f"late{n}" for n in range(8)] + ["late"]
            assert {one.kind for one in await asyncio.gather(*(look(poller, stand, kind) for kind in kinds))} == {"new"}
    assert stand.most_together == 1


async def test_a_host_gets_its_rest() -> None:
    now, turns = [100.0], []
    hosts = Hosts(0.05, lambda: now[0])
    for _ in range(2):
        async with hosts.turn("a"):
            turns.append(time.monotonic())
    async with hosts.turn("b"):
        turns.append(time.monotonic())
    assert turns[1] - turns[0] >= 0.05
    hosts.leave_alone("a", 60)
    assert (hosts.away_seconds("a"), hosts.away_seconds("b")) == (60, 0)
    now[0] += 61
    assert hosts.away_seconds("a") == 0


def test_waits_grow_to_a_day_spread_a_little_and_are_never_shorter_than_asked_for() -> None:
    dice = random.Random(1)
    waits = [next_wait(300, 0, 0, dice) for _ in range(200)]
    assert 270 <= min(waits) < 280
    assert 320 < max(waits) <= 330
    assert 77_760 <= next_wait(300, 50, 0, dice) <= 95_040
    assert next_wait(300, 0, 7_200, dice) == 7_200
    assert next_wait(200_000, 3, 0, dice) >= 180_000
