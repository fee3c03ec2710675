"""Documents by POST: who may, what is taken, and that an answer means an acknowledgement."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from confluent_kafka import Consumer

from streams.delivery.outputs import Outputs
from streams.demo.processes import environment
from streams.errors import DeliveryError, SettingsError
from streams.operate import admin, endpoint
from streams.operate.client import aiokafka_options
from streams.operate.embedded import PARTITIONS, EmbeddedBroker, on_embedded
from streams.settings import Settings

TOKEN = "the-long-one-of-sixteen"


@pytest.fixture
async def taking() -> AsyncIterator[tuple[str, str, endpoint.Endpoint]]:
    with EmbeddedBroker() as servers:
        outputs = Outputs(aiokafka_options(on_embedded(Settings(), servers), "feed"))
        await outputs.start()
        made = endpoint.Endpoint("news", PARTITIONS, TOKEN, outputs)
        runner = web.AppRunner(made.application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/documents", servers, made
        await runner.cleanup()
        await outputs.stop()


async def post(url: str, body: bytes, token: str = TOKEN) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.json()


def read(servers: str, count: int) -> dict[str, list[Any]]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe(["news"])
    found: dict[str, list[Any]] = {}
    while sum(map(len, found.values())) < count:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            found.setdefault(message.key().decode(), []).append((message.partition(), json.loads(message.value())))
    consumer.close()
    return found


async def test_what_is_answered_is_on_the_topic_keyed_by_id(taking: tuple[str, str, Any]) -> None:
    url, servers, made = taking
    lines = [
        b'{"id": "a", "text": "one"}',
        b"{",
        b'{"id": 7, "title": "two"}',
        b"",
        b'{"id": "c"}',
        b'{"text": "three"}',
    ]
    status, told = await post(url, b"\n".join(lines))
    assert status == 200
    assert (told["sent"], told["refused"]) == (3, 2)
    assert [error["line"] for error in told["errors"]] == [2, 4]
    found = read(servers, 3)
    assert {"a", "7"} < found.keys()
    [(_, named)] = next(found[key] for key in found if key not in ("a", "7"))
    assert named["text"] == "three"
    assert named["id"] in found
    assert (made.sent, made.refused) == (3, 2)


async def test_the_same_sent_again_goes_to_the_same_place_under_the_same_id(taking: tuple[str, str, Any]) -> None:
    url, servers, _ = taking
    body = json.dumps({"text": "spread\nover lines"}, indent=2).encode()
    assert [(await post(url, body))[0] for _ in range(2)] == [200, 200]
    [twice] = read(servers, 2).values()
    assert twice[0] == twice[1]


async def test_without_the_token_nothing_is_taken(taking: tuple[str, str, Any]) -> None:
    url, _, made = taking
    for token in ("", "wrong", TOKEN + "x"):
        assert (await post(url, b'{"text": "x"}', token))[0] == 401
    assert made.sent == 0


async def test_a_request_without_any_document_is_refused(taking: tuple[str, str, Any]) -> None:
    url, _, _ = taking
    for body in (b"[1, 2]", b"\xff\xfe", b"[" * 5000):
        assert (await post(url, body))[0] == 400


async def test_a_request_that_is_too_large_is_refused(
    taking: tuple[str, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, made = taking
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with http.post(url, data=b"x" * (endpoint.MOST_BYTES + 1), headers=headers) as answer:
            assert answer.status == 413
    assert made.sent == 0


async def test_what_the_broker_does_not_acknowledge_is_to_be_sent_again(
    taking: tuple[str, str, endpoint.Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(outputs: Any) -> None:
        raise DeliveryError("away")

    url, _, made = taking
    monkeypatch.setattr(made.outputs, "deliver", refuse)
    status, told = await post(url, b'{"text": "x"}')
    assert status == 503
    assert "again" in told["error"]
    assert made.sent == 0


def test_a_short_token_is_none() -> None:
    with pytest.raises(SettingsError, match="at least 16"):
        endpoint.run(Settings(), "news", "127.0.0.1", 0, "short")


async def test_the_verb_takes_documents_until_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    with EmbeddedBroker() as servers:
        settings = on_embedded(Settings(), servers)
        admin.create_topics(settings)
        given = environment(settings, os.environ) | {"TOCSIN_LOG": '{"format": "json"}'}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tocsin", "ingest", "http", "--topic", "reviews"),
            *("--token-file", str(tmp_path / "token"), "--port", "0"),
            env=given,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            url = ""
            while not url:
                line = await process.stderr.readline()
                assert line, "it ended"
                told = json.loads(line)
                url = told.get("url", "")
                assert not url or told["topic"] == "reviews"
            assert (await post(url, b'{"text": "x"}'))[0] == 200
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
