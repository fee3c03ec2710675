from __future__ import annotations

import msgspec
import pytest

from streams.records import ScoredEntity, SentimentProbs
from streams.watch.series import kind_of, matches, observe, plain
from tests.streams.watch.newsroom import BAD, CALM, MONDAY, Voice, scored

DOCUMENT = scored(Voice(MONDAY, negative=False, topic="Recall"), 0)


def test_an_entity_counts_by_the_sentiment_toward_it_and_the_rest_by_the_documents() -> None:
    entity = ScoredEntity("Acme", "acme", None, None, "negative", BAD)
    document = msgspec.structs.replace(DOCUMENT, entities=(entity,))
    assert observe(document, ("en",)) == [
        ("entity:acme", 0.9, True),
        ("entity:acme|topic:Recall", 0.9, True),
        ("topic:Recall", 0.05, False),
        ("stream:news", 0.05, False),
    ]


def test_an_entity_named_twice_counts_once_by_the_mean() -> None:
    twice = tuple(ScoredEntity(name, "acme", None, None, "negative", p) for name, p in (("Acme", BAD), ("ACME", CALM)))
    document = msgspec.structs.replace(DOCUMENT, entities=twice, topic="")
    assert observe(document, ("en",)) == [("entity:acme", 0.475, True), ("stream:news", 0.05, False)]


def test_a_language_the_release_cannot_read_stays_out_unless_asked_for() -> None:
    foreign = msgspec.structs.replace(DOCUMENT, lang="de")
    assert observe(foreign, ("en",)) == []
    assert len(observe(foreign, ("en",), count_unknown_language=True)) == 4


def test_zero_is_a_probability_and_a_tie_is_negative() -> None:
    tie = SentimentProbs(0.0, 0.0, 0.0)
    document = msgspec.structs.replace(DOCUMENT, entities=(), topic="", sentiment_probs=tie)
    assert observe(document, ("en",)) == [("stream:news", 0.0, True)]


def test_bars_and_line_breaks_in_names_cannot_forge_a_series() -> None:
    entity = ScoredEntity("x", "acme|topic:Recall\nstream:news", None, None, "negative", BAD)
    document = msgspec.structs.replace(DOCUMENT, entities=(entity,), topic="Fed | Central Banks")
    names = [name for name, _, _ in observe(document, ("en",))]
    assert names[0] == "entity:acme/topic:Recall stream:news"
    assert names[2] == "topic:Fed / Central Banks"
    assert len(plain("a" * 1000)) == 200


@pytest.mark.parametrize(
    ("series", "patterns", "covered"),
    [
        ("entity:acme", ["entity"], True),
        ("entity:acme|topic:Recall", ["entity"], False),
        ("entity:acme|topic:Recall", ["entity|topic"], True),
        ("entity:acme", ["entity:a?me"], True),
        ("entity:acme", ["entity:acm"], False),
        ("entity:a.me", ["entity:a.m*"], True),
        ("entity:axme", ["entity:a.m*"], False),
    ],
)
def test_rules_name_kinds_or_patterns(series: str, patterns: list[str], covered: bool) -> None:
    assert matches(series, patterns) is covered


def test_the_kind_of_a_series_does_not_depend_on_its_names() -> None:
    assert [kind_of(s) for s in ("stream:news", "topic:a:b", "entity:x|topic:y")] == ["stream", "topic", "entity|topic"]
