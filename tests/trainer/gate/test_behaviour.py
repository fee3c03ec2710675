"""The behaviour texts: many of each kind, each with one right answer, spans that name what they say."""

from __future__ import annotations

import pytest

from tests.models.tiny import build_tiny_release
from trainer.data import normalised
from trainer.evaluate import answers
from trainer.gate import behaviour


@pytest.mark.parametrize("kind", behaviour.KINDS)
def test_a_kind_has_enough_different_texts_and_is_the_same_each_time(kind: str) -> None:
    some = behaviour.cases(kind)
    assert len(some) >= 100
    assert some == behaviour.cases(kind)
    assert len(set(some)) == len(some)
    assert all(case.source == kind for case in some)


def test_every_text_asks_one_question() -> None:
    assert all((case.sentiment is not None) + len(case.entities) == 1 for case in behaviour.texts())


def test_spans_stand_on_the_name_whose_side_the_label_takes() -> None:
    for case in behaviour.cases("exchanged names"):
        (asked,) = case.entities
        name = case.text[asked.start : asked.end]
        if case.text.startswith("Analysts upgrade"):
            assert (asked.sentiment == behaviour.POSITIVE) == (f"upgrade {name} " in case.text)


def test_slips_and_lookalikes_are_other_texts_of_the_same_length() -> None:
    plain = {len(case.text) for case in behaviour._plain()}
    for kind in ("typos", "lookalike letters"):
        texts = [case.text for case in behaviour.cases(kind)]
        assert {len(text) for text in texts} <= plain
        known = {normalised(case.text) for case in behaviour._plain()}
        assert sum(normalised(text) not in known for text in texts) > 0.7 * len(texts)


def test_a_release_is_asked_for_every_kind(tmp_path) -> None:
    from models.scorer import Scorer

    shares = behaviour.shares(answers(Scorer.load(build_tiny_release(tmp_path)), behaviour.texts()))
    assert set(shares) == set(behaviour.KINDS)
    assert shares["plain facts"] > 0.9, "a bag of words finds nothing bad in plain facts"
    assert shares["negation"] < 0.7, "and does not know what not is"


def test_a_kind_is_lost_beyond_five_of_a_hundred() -> None:
    before = {"negation": 0.8, "typos": 0.8}
    assert behaviour.lost(before, {"negation": 0.76, "typos": 0.9}) == []
    assert behaviour.lost(before, {"negation": 0.74, "typos": 0.9}) == ["negation"]
