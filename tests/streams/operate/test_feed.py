"""Files reach the input topic whole, keyed, in order of their times; sending twice adds no ids."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.errors import InputError, TopicsError
from streams.operate import feed
from streams.settings import Settings

Read = Callable[[Settings, str], list[Any]]
JANUARY_2_MS = 1_577_923_200_000


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.jsonl"
    days = [3, 1, 2, 1]
    documents: list[dict[str, object]] = [
        {"id": f"d{n}", "text": f"t{n}", "published_at": f"2020-01-0{day}T00:00:00Z"} for n, day in enumerate(days)
    ]
    path.write_text("\n".join(map(json.dumps, [*documents, {"id": "untimed", "text": "x"}])) + "\n{broken\n")
    return path


def test_a_file_arrives_whole_and_keyed(
    settings: Settings, history: Path, read_topic: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    before = time.time_ns() // 1_000_000
    assert feed.ingest_file(settings, history, "news") == 0
    told = capsys.readouterr()
    assert told.out == f"5 sent to {settings.topics.inputs[0]}, 1 could not be\n"
    assert "row 6: not JSON" in told.err
    records = read_topic(settings, settings.topics.inputs[0])
    assert {record.key.decode(): json.loads(record.value)["text"] for record in records} == {
        "d0": "t0",
        "d1": "t1",
        "d2": "t2",
        "d3": "t3",
        "untimed": "x",
    }
    assert all(record.timestamp >= before - 1000 for record in records), "retention goes by this timestamp"


def test_sending_a_file_twice_sends_the_same_ids_to_the_same_places(
    settings: Settings, history: Path, read_topic: Read
) -> None:
    feed.ingest_file(settings, history, settings.topics.inputs[0])
    feed.ingest_file(settings, history, settings.topics.inputs[0])
    places = {(record.key, record.partition) for record in read_topic(settings, settings.topics.inputs[0])}
    assert len(places) == 5


def test_a_replay_goes_by_event_time_and_leaves_out_what_has_none(
    settings: Settings, history: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    send = feed.KafkaProducer.send

    def noting(producer: Any, topic: str, *, key: bytes, value: bytes) -> Any:
        sent.append(key)
        return send(producer, topic, key=key, value=value)

    monkeypatch.setattr(feed.KafkaProducer, "send", noting)
    assert feed.replay(settings, history, "news", speed=0, shift_to_now=False) == 0
    assert sent == [b"d1", b"d3", b"d2", b"d0"]
    told = capsys.readouterr()
    assert told.out == f"4 sent to {settings.topics.inputs[0]}, 2 could not be\n"
    assert "row 5: no published_at" in told.err


def test_a_shifted_replay_ends_now_and_keeps_its_distances(settings: Settings, history: Path, read_topic: Read) -> None:
    before = time.time_ns() // 1_000_000
    feed.replay(settings, history, "news", speed=0, shift_to_now=True)
    after = time.time_ns() // 1_000_000
    documents = [json.loads(record.value) for record in read_topic(settings, settings.topics.inputs[0])]
    times = {document["id"]: document["published_at"] for document in documents}
    assert before <= times["d0"] <= after
    assert times["d0"] - times["d1"] == 2 * 24 * 3600 * 1000


def test_the_pace_is_event_seconds_per_second() -> None:
    class Waiting:
        def __init__(self) -> None:
            self.asked: list[float] = []

        def wait(self, seconds: float) -> bool:
            self.asked.append(seconds)
            return len(self.asked) == 3

    stop = Waiting()
    pace = feed._pace(1_000_000, 60.0, stop)  # type: ignore[arg-type]
    assert [pace(1_000_000), pace(1_000_000 + 3_600_000), pace(1_000_000 + 7_200_000)] == [True, True, False]
    assert stop.asked[0] == 0.0
    assert 55 < stop.asked[1] <= 60
    assert 115 < stop.asked[2] <= 120


def test_a_stopped_feed_says_so(
    settings: Settings, history: Path, read_topic: Read, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(feed, "_pace", lambda *_: lambda event_ms: event_ms < JANUARY_2_MS)
    assert feed.replay(settings, history, "news", speed=1, shift_to_now=False) == feed.INTERRUPTED
    assert capsys.readouterr().out.endswith("stopped early\n")
    assert len(read_topic(settings, settings.topics.inputs[0])) == 2


def test_what_nothing_would_read_is_refused(settings: Settings, history: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing would read it"):
        feed.ingest_file(settings, history, "tweets")
    (tmp_path / "untimed.jsonl").write_text('{"text": "x"}')
    with pytest.raises(InputError, match="published_at"):
        feed.replay(settings, tmp_path / "untimed.jsonl", "news", speed=0, shift_to_now=False)


def test_a_missing_topic_is_named_with_what_to_do(settings: Settings, history: Path) -> None:
    streams = {"news": settings.streams["news"].model_copy(update={"topic": "never-made"})}
    with pytest.raises(TopicsError, match=r"never-made.*tocsin topics create"):
        feed.ingest_file(settings.model_copy(update={"streams": streams}), history, "news")
