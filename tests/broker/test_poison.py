"""Records that nobody can read, among good ones: each ends as a dead letter, and the line goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaProducer

from tests.broker.fleet import RESTART, Fleet, eventually
from tests.broker.generator import Generator, stream_of_records
from tests.broker.instance import Instance
from tests.broker.scenario import close_books, come_to_rest, watched_run

CRASH_WORD = "xyzzycrash"
RAISE_WORD = "xyzzyraise"
CRASHED = 134


def record(**fields: object) -> bytes:
    given = {"id": "poison", "text": "Aldermoor opens a branch.", "published_at": "2024-03-02T00:00:00Z", "lang": "en"}
    return json.dumps({**given, **fields}).encode()


def far_ahead() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


POISON: dict[str, Callable[[], bytes]] = {
    "not JSON": lambda: b"<html>oops</html>",
    "empty": lambda: b"",
    "half a record": lambda: record()[:-20],
    "a list": lambda: b'["text"]',
    "a bare string": lambda: b'"text"',
    "no text": lambda: json.dumps({"id": "p", "published_at": "2024-03-02T00:00:00Z"}).encode(),
    "blank text": lambda: record(text=" \u200b "),
    "text is a number": lambda: record(text=17),
    "text is an object": lambda: record(text={"en": "hello"}),
    "NaN": lambda: record()[:-1] + b', "stars": NaN}',
    "infinity": lambda: record()[:-1] + b', "stars": 1e999}',
    "deep nesting": lambda: record()[:-1] + b', "extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "invalid UTF-8": lambda: record().replace(b"branch", b"br\xff\xfench"),
    "tomorrow": lambda: record(published_at=far_ahead()),
    "year 1980": lambda: record(published_at="1980-01-01T00:00:00Z"),
    "not a time": lambda: record(published_at="yesterday evening"),
    "900 kB": lambda: record(text="a " * 450_000),
    "10 MB": lambda: record(text="a " * 5_000_000),
}


def send_among_good(generator: Generator, seed: int, good: int, poison: list[bytes]) -> None:
    """``good`` records with the poison spread evenly among them."""
    every = max(1, good // (len(poison) + 1))
    for number, note in enumerate(stream_of_records(seed, good)):
        generator.send(note)
        if number % every == every - 1 and number // every < len(poison):
            generator.send_raw("news", number % 4, poison[number // every], key=b"poison", name=f"poison-{number}")


@pytest.mark.timeout(400)
def test_every_kind_of_poison_ends_as_a_dead_letter_that_holds_the_original(instance: Instance) -> None:
    """The worker neither dies nor stops, and good neighbours are scored."""
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start()
        send_among_good(generator, 8, 2000, [make() for make in POISON.values()])
        generator.settle()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert (report.scored, report.dead) == (2000, len(POISON))
        assert fleet.exits == []
        assert {said["stage"] for *_, said, _ in verifier.books.letters} == {"size", "decode", "validate"}


def test_a_tombstone_is_a_dead_letter_too(instance: Instance) -> None:
    """A record without a value: producers of compacted topics send them."""
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start()
        generator.send_raw("news", 0, None, key=b"gone", name="tombstone")
        send_among_good(generator, 9, 200, [])
        generator.settle()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert (report.scored, report.dead) == (200, 1)


def mend_after_crashes(fleet: Fleet, faults: str) -> Callable[[], None]:
    """A supervisor for workers whose model dies of one record; bounded, so that a crash loop fails the test."""

    def mend() -> None:
        fleet.mend(faults, also=(CRASHED,))
        assert len(fleet.exits) <= 12, f"the worker keeps dying:\n{fleet.workers[0].said()}"

    return mend


@pytest.mark.timeout(400)
def test_a_record_that_kills_the_scorer_is_found_and_dead_lettered(new_instance: Callable[..., Instance]) -> None:
    """The whole process dies of it, again and again, until the record has been singled out; its neighbours live."""
    faults = f"scorer:exit:{CRASH_WORD}"
    # A static member takes its partitions back at once: no waiting for the dead one's session.
    instance = new_instance(kafka={"instance": "alone"})
    with watched_run(instance) as (generator, verifier, fleet):
        send_among_good(generator, 10, 1500, [record(id="killer", text=f"Dunholt {CRASH_WORD} moves its office.")])
        generator.settle()
        fleet.start(faults=faults)
        come_to_rest(verifier, fleet, seconds=200, mend=mend_after_crashes(fleet, faults))
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert (report.scored, report.dead) == (1500, 1)
        assert CRASHED in fleet.exits
        [(*_, said, letter)] = verifier.books.letters
        assert said["stage"] == "score"
        assert CRASH_WORD.encode() in letter.value


def test_a_record_on_which_scoring_fails_is_found_and_dead_lettered_without_a_death(instance: Instance) -> None:
    """An exception, not a crash: the slab is bisected in the same process."""
    poison = [record(id=f"thrower-{n}", text=f"Dunholt {RAISE_WORD} moves its office {n}.") for n in range(3)]
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start(faults=f"scorer:raise:{RAISE_WORD}")
        send_among_good(generator, 11, 1500, poison)
        generator.settle()
        come_to_rest(verifier, fleet, seconds=120)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert (report.scored, report.dead) == (1500, 3)
        assert fleet.exits == []
        assert {said["stage"] for *_, said, _ in verifier.books.letters} == {"score"}


class Latin(str):
    """A header's name as another language's client may write it: bytes that are no UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def test_a_record_that_no_client_can_read_is_named_with_what_to_do(instance: Instance) -> None:
    """The line cannot go on past it, so the worker says where it stands and ends; what came before is scored."""
    with watched_run(instance) as (generator, verifier, _):
        notes = [note for note in stream_of_records(12, 40) if (note.stream, note.partition) == ("news", 0)]
        for note in notes:
            generator.send(note)
        generator.settle()
        producer = KafkaProducer(bootstrap_servers=instance.servers, acks="all")
        producer.send(instance.topics["news"], value=record(), headers=[(Latin("x"), b"")], partition=0).get(30)
        producer.close()
        worker = instance.worker()
        assert worker.wait(120) == RESTART, worker.said()
        eventually(lambda: verifier.scored == len(notes), "what came before is scored", seconds=30)
        advice = f"--topic {instance.topics['news']}:0 --reset-offsets --to-offset {len(notes) + 1} --execute"
        assert advice in worker.said()


def test_what_is_only_suspicious_is_scored_and_flagged(instance: Instance) -> None:
    """Zero-width and look-alike tricks and lone surrogates are cleaned, not refused."""
    tricks = {
        "zero-width": record(id="z", text="Ald\u200bermoor is ter\u200brible."),
        "look-alike": record(id="l", text="\u0410ldermoor is t\u0435rrible."),
        "lone surrogate": record(id="s").replace(b"branch", b"br\\ud800anch"),
    }
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start()
        for number, value in enumerate(tricks.values()):
            generator.send_raw("news", number, value, name=f"trick-{number}")
        generator.settle()
        come_to_rest(verifier, fleet)
        report = close_books(instance, generator, verifier)
        assert not report.findings, report.told()
        assert (report.scored, report.dead) == (3, 0)
