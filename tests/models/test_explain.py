"""Attributions name the words that made the call, whichever words stand beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.explain import MOST_UNITS, Attribution, explain
from models.scorer import Scorer
from tests.models.tiny import build_tiny_release


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(build_tiny_release(tmp_path_factory.mktemp("registry")))


def weights(text: str, found: list[Attribution]) -> dict[str, float]:
    return {text[one.start : one.end]: one.weight for one in found}


def test_the_word_that_decides_weighs_most(scorer: Scorer) -> None:
    text = "Acme reports an outage, says its board"
    told = weights(text, explain(scorer, text))
    assert max(told, key=lambda word: told[word]) == "outage"
    assert list(told) == ["Acme", "reports", "an", "outage", ",", "says", "its", "board"]


def test_a_word_against_the_answer_weighs_less_than_nothing(scorer: Scorer) -> None:
    text = "Acme fraud, great food"
    assert weights(text, explain(scorer, text, target="negative"))["great"] < 0
    assert weights(text, explain(scorer, text, target="positive"))["great"] > 0


def test_toward_an_entity_the_words_around_it_count(scorer: Scorer) -> None:
    text = "Acme plunges on fraud probe . . . . . . . . . while rival Globex wins praise"
    at = text.index("Globex")
    told = explain(scorer, text, (at, at + 6))
    best = max(told, key=lambda one: one.weight)
    assert text[best.start : best.end] in ("wins", "praise")
    assert all(one.end <= at or one.start >= at + 6 for one in told)


def test_a_topic_can_be_explained_by_its_name(scorer: Scorer) -> None:
    text = "quarter results at Acme, and a lawsuit"
    told = weights(text, explain(scorer, text, target="finance:Legal | Regulation"))
    assert max(told, key=lambda word: told[word]) == "lawsuit"
    called = weights(text, explain(scorer, text, target="finance"))
    assert called["results"] > called["lawsuit"]


def test_what_cannot_be_explained_is_named(scorer: Scorer) -> None:
    for target in ("weather", "finance:Weather", "negative:finance"):
        with pytest.raises(ValueError, match=target.split(":")[-1]):
            explain(scorer, "Acme fraud", target=target)


def test_a_long_text_costs_a_bounded_number_of_passes(scorer: Scorer) -> None:
    text = " ".join(f"word{number}" for number in range(220)) + " fraud"
    told = explain(scorer, text, target="negative")
    assert 1 < len(told) <= MOST_UNITS
    best = max(told, key=lambda one: one.weight)
    assert "fraud" in text[best.start : best.end]


def test_what_is_not_read_has_no_attribution(tmp_path: Path) -> None:
    short = Scorer.load(build_tiny_release(tmp_path), max_tokens=16)
    text = "good " * 40 + "fraud"
    told = explain(short, text)
    assert told
    assert max(one.end for one in told) < len(text) - 100


@pytest.mark.parametrize("text", ["", "   ", "😀 😀", "https://a.b/c", "\ud800 fraud"])
def test_awkward_texts_have_an_answer(scorer: Scorer, text: str) -> None:
    assert all(np.isfinite(one.weight) for one in explain(scorer, text))


def test_the_attributions_of_a_text_are_the_same_in_small_batches(scorer: Scorer, tmp_path: Path) -> None:
    small = Scorer.load(build_tiny_release(tmp_path), batch_tokens=32)
    text = "Acme shares plunge after fraud probe, a great day for Globex"
    assert explain(small, text) == explain(scorer, text)
