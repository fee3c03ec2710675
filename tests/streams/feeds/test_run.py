"""The verb: everything on the topic once, a report of what failed and why, metrics, a clean end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.demo.processes import environment
from streams.errors import InputError
from streams.feeds.run import run
from streams.feeds.settings import FeedsSettings
from streams.operate.admin import create_topics, partition_counts
from streams.operate.client import kafka_python_options
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.settings import Settings
from tests.streams.feeds.newsstand import Newsstand, item, open_newsstand, rss


@pytest.fixture
def stand() -> Iterator[Newsstand]:
    with open_newsstand() as newsstand:
        yield newsstand


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    feeds = FeedsSettings(private_hosts=("127.0.0.1",), host_seconds=0, timeout_seconds=3, every_seconds=10, port=0)
    with EmbeddedBroker() as servers:
        made = on_embedded(Settings(feeds=feeds, state_dir=tmp_path), servers)
        create_topics(made)
        yield made


@pytest.fixture
def read_topic(settings: Settings) -> Callable[[], list[dict[str, Any]]]:
    def read() -> list[dict[str, Any]]:
        consumer = KafkaConsumer(**kafka_python_options(settings), enable_auto_commit=False)
        partitions = [TopicPartition("news", n) for n in range(partition_counts(settings, ["news"])["news"])]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends, found = consumer.end_offsets(partitions), []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=10_000).values():
                found += [(record.key.decode(), json.loads(record.value)) for record in records]
        consumer.close()
        assert all(key == document["id"] for key, document in found)
        return [document for _, document in found]

    return read


def listed(folder: Path, stand: Newsstand, *kinds: str) -> Path:
    path = folder / "feeds.txt"
    path.write_text("".join(f"{stand.url(kind)}\n" for kind in kinds))
    return path


def test_one_look_sends_what_is_new_and_says_what_failed(
    settings: Settings, stand: Newsstand, tmp_path: Path, capsys: pytest.CaptureFixture[str], read_topic: Any
) -> None:
    path = listed(tmp_path, stand, "good", "atom", "missing", "metadata", "undated")
    assert run(settings, [path], "news", once=True) == 0
    told = capsys.readouterr().out
    assert f"failed: 127.0.0.1:{stand.port}/missing: status 404\n" in told
    assert "/metadata: refused: 169.254.169.254 is not a public address" in told
    assert "5 feeds: 3 with something new, 0 without, 2 failed, 0 left alone for now\n" in told
    assert "22 documents sent, 0 known already, 1 undated" in told
    assert len({document["id"] for document in read_topic()}) == 22


def test_the_report_for_machines_has_a_line_for_each_feed(
    settings: Settings, stand: Newsstand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, [listed(tmp_path, stand, "missing", "gone")], "news", once=True, as_json=True) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(line["feed"].rpartition("/")[2], line["kind"], line["reason"]) for line in lines} == {
        ("missing", "failed", "status 404"),
        ("gone", "failed", "status 410"),
    }


def test_a_topic_that_nothing_reads_is_refused(settings: Settings, stand: Newsstand, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing would read it"):
        run(settings, [listed(tmp_path, stand, "good")], "tweets", once=True)


async def test_the_process_goes_on_reading_until_it_is_stopped(
    settings: Settings, stand: Newsstand, tmp_path: Path, read_topic: Any
) -> None:
    stand.now_serving["live"] = ("", rss([item(1)]).encode())
    given = environment(settings, os.environ) | {"TOCSIN_LOG": '{"format": "json"}'}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tocsin", "ingest", "rss", str(listed(tmp_path, stand, "live", "missing"))),
        env=given,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        port, failing = 0, ""
        while not (port and failing):
            line = await process.stderr.readline()
            assert line, "it ended"
            told = json.loads(line)
            port = told.get("port", port)
            failing = told["reason"] if told["event"] == "a feed fails" else failing
        assert failing == "status 404"
        while stand.asked["live"] < 2:  # every ten seconds
            stand.now_serving["live"] = ("", rss([item(2), item(1)]).encode())
            await asyncio.sleep(0.1)
        async with aiohttp.ClientSession() as http:
            shown = ""
            while 'tocsin_feeds{state="answers"} 1.0' not in shown or "tocsin_feed_documents_total 2.0" not in shown:
                async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    shown = await answer.text()
            async with http.get(f"http://127.0.0.1:{port}/healthz") as answer:
                assert answer.status == 200
        assert 'tocsin_feeds{state="fails"} 1.0' in shown
        assert 'tocsin_feed_polls_total{outcome="failed"} 1.0' in shown
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert sorted(document["title"] for document in await asyncio.to_thread(read_topic)) == [
        "Acme falls 1",
        "Acme falls 2",
    ]
