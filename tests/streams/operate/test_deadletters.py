"""Dead letters are shown with where and why, go back once, whole, and never a third time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.errors import InputError
from streams.operate import deadletters
from streams.operate.client import kafka_python_options
from streams.operate.terminal import harmless
from streams.records import Origin, Rejection
from streams.scoring.dead_letters import dead_letter
from streams.settings import Settings
from streams.topics import REPLAYS_HEADER, dead_letter_value, error_headers

Read = Callable[[Settings, str], list[Any]]
Bury = Callable[..., None]


@pytest.fixture
def bury(settings: Settings) -> Any:
    """Put a dead letter of the news topic where a worker would."""
    producer = KafkaProducer(**kafka_python_options(settings), acks="all", max_request_size=2 * 1024 * 1024)
    topic = settings.topics.inputs[0]

    def send(
        value: bytes | None,
        *,
        offset: int = 0,
        stage: str = "decode",
        message: str = "not JSON",
        headers: tuple[tuple[str, bytes], ...] = (),
        origin_topic: str = topic,
        key: bytes | None = b"k",
    ) -> None:
        kept, digest = dead_letter_value(value)
        errors = error_headers(Origin(origin_topic, 2, offset), stage, "DecodeError", message)
        producer.send(
            settings.topics.dead_letters(topic),
            key=key,
            value=kept,
            headers=[*headers, *errors, *digest],
            timestamp_ms=1_700_000_000_000 + offset,
        ).get(10)

    yield send
    producer.close()


def test_letters_are_shown_with_origin_stage_and_reason(
    settings: Settings, bury: Bury, capsys: pytest.CaptureFixture[str]
) -> None:
    for offset in range(5):
        bury(b"{", offset=offset, message=f"reason {offset}")
    bury(b"{}", offset=9, stage="validate")
    assert deadletters.show(settings, topic=None, stage="decode", limit=2, as_json=True) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["message"] for row in rows] == ["reason 3", "reason 4"]
    assert rows[0]["origin"] == {"topic": settings.topics.inputs[0], "partition": 2, "offset": 3}
    assert (rows[0]["stage"], rows[0]["error"], rows[0]["time"]) == ("decode", "DecodeError", "2023-11-14T22:13:20Z")


def test_a_table_obeys_nothing_that_a_record_says(
    settings: Settings, bury: Bury, capsys: pytest.CaptureFixture[str]
) -> None:
    bury(b"\x1b[2J", message="\x1b[2J[red]wiped[/red]\u202egnp.exe")
    deadletters.show(settings, topic=settings.topics.inputs[0], stage=None, limit=20, as_json=False)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]wiped[/red]gnp.exe" in shown


def test_a_replay_restores_the_record_and_happens_once(settings: Settings, bury: Bury, read_topic: Read) -> None:
    news = settings.topics.inputs[0]
    bury(b"\xff\x00raw", headers=(("trace", b"\x01"),))
    bury(None, offset=1)
    bury(b"{", offset=2, key=None)
    assert deadletters.replay(settings, topic=None, dry_run=False) == 0
    sent = sorted(read_topic(settings, news), key=lambda record: record.value or b"")
    second, third, first = sent
    assert (first.key, first.value, first.partition) == (b"k", b"\xff\x00raw", 2)
    assert first.headers == [("trace", b"\x01"), (REPLAYS_HEADER, b"1")]
    assert first.timestamp == 1_700_000_000_000
    assert (second.key, second.value) == (b"k", None)
    assert (third.key, third.value) == (None, b"{")
    deadletters.replay(settings, topic=None, dry_run=False)
    assert len(read_topic(settings, news)) == 3


def test_a_dry_run_sends_nothing_and_forgets_itself(
    settings: Settings, bury: Bury, read_topic: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    bury(b"{")
    deadletters.replay(settings, topic=None, dry_run=True)
    assert capsys.readouterr().out.startswith("1 would be sent back")
    assert read_topic(settings, settings.topics.inputs[0]) == []
    deadletters.replay(settings, topic=None, dry_run=False)
    assert len(read_topic(settings, settings.topics.inputs[0])) == 1


def test_what_cannot_or_must_not_go_back_stays(
    settings: Settings, bury: Bury, read_topic: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    bury(b"x" * 1_000_000, offset=0)
    bury(b"{", offset=1, headers=((REPLAYS_HEADER, b"2"),))
    bury(b"{", offset=2, origin_topic="somebody-elses")
    bury(b"{", offset=3, headers=((REPLAYS_HEADER, b"1"),))
    deadletters.replay(settings, topic=settings.topics.inputs[0], dry_run=False)
    assert capsys.readouterr().out.startswith("1 sent back, 1 refused")
    (sent,) = read_topic(settings, settings.topics.inputs[0])
    assert sent.headers == [(REPLAYS_HEADER, b"2")]
    assert read_topic(settings, settings.topics.dead_letters(settings.topics.inputs[0]))[0].value == b"x" * 65_536


def test_a_record_that_was_ahead_of_its_time_gets_a_new_timestamp(
    settings: Settings, bury: Bury, read_topic: Read
) -> None:
    bury(b"{}", stage="validate")
    deadletters.replay(settings, topic=None, dry_run=False)
    (sent,) = read_topic(settings, settings.topics.inputs[0])
    assert sent.timestamp > 1_700_000_000_000


def test_an_unknown_topic_is_answered_with_the_known_ones(settings: Settings) -> None:
    with pytest.raises(InputError, match=settings.topics.inputs[1]):
        deadletters.show(settings, topic="tweets", stage=None, limit=1, as_json=True)


def test_what_a_worker_adds_is_taken_off_again() -> None:
    class Original:
        offset, timestamp, key, value = 7, 1_700_000_000_000, b"k", b"{"
        headers = (("trace", b"\x01"), (REPLAYS_HEADER, b"1"))

    refusal = Rejection("score", "InferenceError", "boom", "id")
    made = dead_letter("t.news.dlq", 2, Original(), Origin("news", 2, 7), refusal, "r1", 3)

    class Consumed:
        topic, partition, offset, timestamp = "t.news.dlq", 2, 0, 1_700_000_000_000
        key, value, headers = made.key, made.value, made.headers

    letter = deadletters.DeadLetter.parse(Consumed)
    assert (letter.origin, letter.stage, letter.replays) == (Origin("news", 2, 7), "score", 1)
    assert letter.fate("news")[0] == "sent"
    assert letter.original_headers() == [("trace", b"\x01"), (REPLAYS_HEADER, b"2")]


def test_headers_that_are_not_what_they_should_be_become_blanks() -> None:
    class Odd:
        topic, partition, offset, timestamp = "d", 0, 7, -1
        key, value = None, b"v"
        headers = (("__connect.errors.partition", b"\xff"), ("__connect.errors.topic", None), (REPLAYS_HEADER, b"-3"))

    letter = deadletters.DeadLetter.parse(Odd)
    assert (letter.origin, letter.replays, letter.as_row()["time"]) == (None, 0, "-1")
    assert letter.fate("news")[0] == "not replayable"


@pytest.mark.parametrize("text", ["\x9b31m", "a\r\nb", "\u2028", "\u200b\u2066", "\ue000"])
def test_nothing_a_terminal_obeys_is_left(text: str) -> None:
    assert harmless("x" + text + "y").isprintable()
