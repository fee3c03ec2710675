"""The counting itself, on records written by hand: a right run gives no finding, each wrong one gives its own.

A verifier that finds nothing must be known to be able to.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from tests.broker.books import Books, Names, Stored
from tests.broker.recount import crc32

PARTITIONS = 2
NAMES = Names("t", ("t-news",))
PLACE = ("t-news", 0)
PROBS = {"negative": 0.7, "neutral": 0.2, "positive": 0.1}


def sent(offset: int) -> SimpleNamespace:
    return SimpleNamespace(topic="t-news", partition=0, offset=offset, value=b"in-%d" % offset, key=None, headers=[])


def scored(offset: int, **changes: Any) -> SimpleNamespace:
    record = {
        "id": f"d{offset}", "origin": {"topic": "t-news", "partition": 0, "offset": offset}, "stream": "news",
        "event_ms": 1000 + offset, "lang": "en", "topic": "Legal", "sentiment_probs": PROBS, "signature": "00ff",
        "entities": [{"id": "acme", "sentiment_probs": PROBS}], "release": "r", **changes,
    }  # fmt: skip
    return SimpleNamespace(topic=NAMES.scored, value=json.dumps(record).encode(), headers=[])


def observations(home: int, offsets: range, **changes: Any) -> SimpleNamespace:
    """The message that partition ``home`` must get of the records ``offsets`` as :func:`scored` makes them."""
    series = ["entity:acme", "entity:acme|topic:Legal", "topic:Legal", "stream:news"]
    mine = [name for name in series if zlib.crc32(name.split("|")[0].encode()) % PARTITIONS == home]
    message = {
        "topic": "t-news", "partition": 0, "first": offsets.start, "last": offsets.stop - 1,
        "event_ms": 1000 + offsets.stop, "release": "r",
        "documents": [[offset, 1000 + offset, f"d{offset}", "", "", 255] for offset in offsets],
        "items": [[name, at, 0.7, True] for at in range(len(offsets)) for name in mine], **changes,
    }  # fmt: skip
    return SimpleNamespace(
        topic=NAMES.observations, partition=home, offset=offsets.start, value=json.dumps(message).encode(), headers=[]
    )


def letter(offset: int, value: bytes, **said: str) -> SimpleNamespace:
    told = {"topic": "t-news", "partition": "0", "offset": str(offset), "stage": "decode",
            "exception.class.name": "Bad", **said}  # fmt: skip
    headers = [(f"__connect.errors.{name}", text.encode()) for name, text in told.items()]
    return SimpleNamespace(topic="t.t-news.dlq", partition=0, offset=0, value=value, headers=headers)


def right_run() -> list[SimpleNamespace]:
    """Three records, scored in slabs of two and one."""
    return [
        *(sent(offset) for offset in range(3)),
        *(scored(offset) for offset in range(3)),
        *(observations(home, offsets) for offsets in (range(2), range(2, 3)) for home in range(PARTITIONS)),
    ]


def kept(records: list[SimpleNamespace]) -> Books:
    books = Books(NAMES, PARTITIONS)
    for record in records:
        books.take(record)
    return books


def test_a_right_run_gives_no_finding() -> None:
    books = kept(right_run())
    assert books.missing() == 0
    books.check_commit(PLACE, 3)
    stored = Stored("d2", "t-news", 0, 2, hashlib.sha256(b"in-2").digest()[:8])
    report = books.judge([stored])
    assert not report.findings, report.told()
    assert (report.records, report.scored, report.dead, report.repeats) == (3, 3, 0, 0)


def test_a_repeated_slab_cut_anew_is_counted_and_is_no_finding() -> None:
    again = [scored(1), scored(2), *(observations(home, range(1, 3)) for home in range(PARTITIONS))]
    report = kept(right_run() + again).judge()
    assert not report.findings, report.told()
    assert (report.repeats, report.repeated_observations) == (2, 2)


def test_a_slab_that_overlaps_the_mark_counts_only_what_is_new() -> None:
    run = [record for record in right_run() if record.topic != NAMES.observations]
    run += [observations(home, offsets) for offsets in (range(2), range(3)) for home in range(PARTITIONS)]
    report = kept(run).judge()
    assert not report.findings, report.told()


def test_an_idle_tick_covers_nothing() -> None:
    ticks = [observations(home, range(3, 3), event_ms=9000) for home in range(PARTITIONS)]
    report = kept(right_run() + ticks).judge()
    assert not report.findings, report.told()
    assert report.repeated_observations == 0


LOST = [record for record in right_run() if record.value != scored(1).value]
WRONG = {
    "lost": LOST,
    "both": [*right_run(), letter(1, b"in-1")],
    "changed": [*right_run(), scored(1, release="other")],
    "gap": [record for record in right_run() if record.topic != NAMES.observations]
    + [observations(home, range(1, 3)) for home in range(PARTITIONS)],
    "miscounted": [*right_run()[:-1], observations(PARTITIONS - 1, range(2, 3), items=[])],
    "letter": [*right_run(), sent(3), letter(3, b"another")],
}


@pytest.mark.parametrize("kind", WRONG)
def test_each_wrong_run_gives_its_finding(kind: str) -> None:
    assert kind in kept(WRONG[kind]).judge().findings


def test_a_letter_without_an_origin_is_a_finding() -> None:
    assert "letter" in kept([*right_run(), letter(1, b"x", partition="")]).judge().findings


def test_an_observation_with_another_number_is_a_finding() -> None:
    run = right_run()
    run[3] = scored(0, sentiment_probs={"negative": 0.6, "neutral": 0.2, "positive": 0.2})
    assert set(kept(run).judge().findings) == {"miscounted"}


@pytest.mark.parametrize("taken", [LOST, [r for r in right_run() if r.topic != NAMES.observations]])
def test_a_commit_ahead_of_what_is_processed_or_observed_is_a_finding(taken: list[SimpleNamespace]) -> None:
    books = kept(taken)
    books.check_commit(PLACE, 3)
    assert "early" in books.report.findings


def test_what_the_broker_acknowledged_and_does_not_have_is_a_finding() -> None:
    absent = Stored("x", "t-news", 0, 7, b"12345678")
    other = Stored("x", "t-news", 0, 1, b"12345678")
    assert kept(right_run()).judge([absent, other]).counts["input"] == 2


def test_the_checksum_is_crc_32() -> None:
    for text in ("", "a", "entity:acme", "stream:news", "topic:Légal"):
        assert crc32(text.encode()) == zlib.crc32(text.encode())
