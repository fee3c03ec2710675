"""Rows keep their meaning, splits do not leak, and what cannot be read is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.labels import ASPECTS, FINANCE, SENTIMENTS
from tests.trainer.sets import write_rows, write_sets
from trainer.data import EntityLabel, Example, aspect_of, normalised, once, part_of, parts, read_rows, read_set, sample
from trainer.errors import DataError
from trainer.recipe import Recipe, gather


def test_copies_of_a_text_fall_on_one_side_of_the_split() -> None:
    for number in range(300):
        text = f"Acme beats estimates, story {number}"
        copies = (f"{text} https://t.co/{number}", text.upper(), text.replace(",", " -"), f"  {text}!!")
        assert {part_of(copy) for copy in copies} == {part_of(text)}


def test_a_tenth_of_the_texts_is_held_back() -> None:
    rows = [Example(f"story number {number}", "x") for number in range(4_000)]
    split = parts(rows)
    assert sum(map(len, split.values())) == 4_000
    assert 120 < len(split["validation"]) < 280
    assert 120 < len(split["test"]) < 280


def test_normalising_keeps_letters_and_digits_of_every_script() -> None:
    assert normalised("Ünïcode, 株価 42% https://a.b/c?d #tag") == "ünïcode 株価 42 tag"


def test_a_set_is_read_with_its_labels(tmp_path: Path) -> None:
    root = write_sets(tmp_path)
    topic = read_set(root, "twitter_fin_news_topic")[0]
    assert topic.sentiment is None
    assert FINANCE[dict(topic.topics)["finance"]] in ("Earnings", "IPO", "Energy | Oil")
    tweet = read_set(root, "twitter_fin_news_sentiment")[0]
    assert (tweet.head, tweet.topics) == ("price", ())
    headlines = read_set(root, "sentfin")
    mixed = next(example for example in headlines if example.mixed)
    assert mixed.sentiment is None
    assert len(mixed.entities) == 2
    assert {mixed.text[entity.start : entity.end] for entity in mixed.entities} <= set(mixed.text.split())


def test_repeats_are_read_once(tmp_path: Path) -> None:
    rows = [{"text": "Good phone!", "sentiment": "positive"}, {"text": "good phone", "sentiment": "negative"}]
    write_rows(tmp_path / "newsmtsc" / "train.jsonl.gz", rows)
    (example,) = read_set(tmp_path, "newsmtsc")
    assert example.sentiment == SENTIMENTS.index("positive")


def test_a_name_is_found_as_a_word_and_not_inside_one(tmp_path: Path) -> None:
    row = {"text": "Capital gains at ITA, ita says", "entities": [{"name": "ita", "sentiment": "negative"}]}
    missing = {"text": "nobody here", "entities": [{"name": "ITA", "sentiment": "negative"}]}
    write_rows(tmp_path / "sentfin" / "train.jsonl.gz", [row, missing])
    (example,) = read_set(tmp_path, "sentfin")
    assert example.text[example.entities[0].start : example.entities[0].end] == "ITA"


@pytest.mark.parametrize(
    "row", [{"topic": "IPO"}, {"text": "x", "topic": "Weather"}, {"text": "x", "sentiment": "angry"}, ["text"]]
)
def test_a_row_that_cannot_be_read_is_an_error(tmp_path: Path, row: object) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError):
        read_rows(path)


def test_own_rows_may_carry_any_labels(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [
        {"text": "Acme files", "topic": "IPO", "sentiment": "neutral", "head": "price"},
        {"text": "Bad Acme", "entities": [{"name": "Acme", "start": 4, "end": 8, "sentiment": "negative"}]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    first, second = read_rows(path)
    assert (first.source, first.head, first.topics) == ("mine", "price", (("finance", FINANCE.index("IPO")),))
    assert second.entities[0].sentiment == 0


def test_unknown_and_missing_sets_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no reader"):
        read_set(tmp_path, "weather")
    with pytest.raises(DataError, match="there is no"):
        read_set(tmp_path, "sentfin")


def test_a_sample_is_the_same_for_a_seed() -> None:
    rows = [Example(str(number), "x") for number in range(50)]
    assert sample(rows, 10, 1) == sample(rows, 10, 1) != sample(rows, 10, 2)
    assert sample(rows, 100, 1) == rows


def test_a_review_without_an_annotated_opinion_has_no_sentiment(tmp_path: Path) -> None:
    rows = [
        {"text": "it has a red button", "sentiment": "neutral"},
        {"text": "the battery dies", "sentiment": "negative", "aspects": [{"name": "battery life", "score": -2}]},
        {"text": "dim screen, poor sound", "sentiment": "negative", "aspects": [{"name": "lcd"}, {"name": "volume"}]},
    ]
    write_rows(tmp_path / "hu_liu_product_reviews" / "train.jsonl.gz", rows)
    battery, both = read_set(tmp_path, "hu_liu_product_reviews")
    assert (battery.sentiment, battery.topics) == (0, (("aspects", ASPECTS.index("Battery | Power")),))
    assert (both.sentiment, both.topics) == (0, ())


@pytest.mark.parametrize(
    ("name", "label"), [("picture quality", "Picture | Screen"), ("ease of use", "Ease of Use"), ("zen micro", None)]
)
def test_an_aspect_is_sorted_by_its_words(name: str, label: str | None) -> None:
    assert aspect_of(name) == label


def test_copies_are_kept_once_and_contradictions_not_at_all() -> None:
    good, bad = Example("Good phone!", "x", sentiment=2), Example("good phone", "x", sentiment=0)
    topic = Example("GOOD PHONE https://a.b", "x", topics=(("finance", 3),))
    named = Example("good phone", "x", entities=(EntityLabel(5, 10, 2),))
    other = Example("bad phone", "x", sentiment=0)
    assert once([good, good, other, topic, named]) == [good, other, topic, named]
    assert once([good, other, bad, topic]) == [other]
    assert once([topic, Example("good phone", "x", topics=(("finance", 4),))]) == []


def test_what_is_held_back_is_trained_on_through_no_other_set(tmp_path: Path) -> None:
    """The same texts in a public set, in a second one with other letters and links, and in a file of one's own."""
    texts = [f"Acme {number} shares rise on results" for number in range(400)]
    write_rows(tmp_path / "sentfin" / "train.jsonl.gz", [{"text": text, "sentiment": "positive"} for text in texts])
    shouted = [{"text": f"{text.upper()}!! https://t.co/x", "topic": "Earnings"} for text in texts]
    write_rows(tmp_path / "twitter_fin_news_topic" / "train.jsonl.gz", shouted)
    own = tmp_path / "own.jsonl"
    own.write_text("\n".join(json.dumps({"text": f"  {text}", "stars": 5}) for text in texts * 2))
    sources = {"sentfin": 10_000, "twitter_fin_news_topic": 10_000, "cases_rivals": 20, str(own): 10_000}
    rows = gather(tmp_path, Recipe(sources=sources))
    sides = {part: {normalised(row.text) for row in some} for part, some in rows.items()}
    assert all(sides.values())
    assert not sides["train"] & (sides["validation"] | sides["test"])
    assert not sides["validation"] & sides["test"]
    assert {row.source for row in rows["train"]} == {"sentfin", "twitter_fin_news_topic", "own", "cases_rivals"}
    assert len([row for row in rows["train"] if row.source == "own"]) == len(sides["train"]) - 60
