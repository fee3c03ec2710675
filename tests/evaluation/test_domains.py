"""The sequence of domains: as many rows as asked for, none twice, each domain in words of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evaluation.dialects import Dialect
from tests.evaluation.domains import write_sequence
from tests.trainer.sets import SENTIMENT_WORDS, write_sets
from trainer.data import Example


def texts(place: Path, name: str, part: str) -> list[str]:
    return [json.loads(line)["text"] for line in (place / name / f"{part}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sequence")
    names = write_sequence(write_sets(tmp_path_factory.mktemp("data")), place, 60, 20)
    assert names == ["02-finance-tweets", "03-headlines"]
    return place


def test_tests_are_not_taught(place: Path) -> None:
    for name in ("02-finance-tweets", "03-headlines"):
        taught, tested = texts(place, name, "train"), texts(place, name, "test")
        assert len(taught) == 60
        assert 5 <= len(tested) <= 20
        assert not set(taught) & set(tested)


def test_words_of_mood_are_others_in_each_domain(place: Path) -> None:
    known = {word for some in SENTIMENT_WORDS.values() for word in some}
    said = [{word for text in texts(place, name, "train") for word in text.lower().split()} for name in
            ("02-finance-tweets", "03-headlines")]  # fmt: skip
    assert all(len(words & known) < len(known) / 2 for words in said)
    strange = [{word for word in words if word.isalpha()} - known for words in said]
    assert strange[0] - strange[1]
    assert strange[1] - strange[0]


def test_two_dialects_share_no_words_of_their_own() -> None:
    rows = [Example(text, "x", sentiment=mood) for text, mood in (("so good", 2), ("so bad", 0), ("so so", 1))]
    one, other = (Dialect(rows, name).words for name in ("a", "b"))
    assert one.keys() == other.keys() >= {"good", "bad"}
    assert not set(one.values()) & set(other.values())
