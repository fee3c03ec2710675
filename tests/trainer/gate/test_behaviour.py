"""The behaviour texts: many of each kind, each with one right answer, spans that name what they say."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

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
    assert all(case.source.startswith(f"{kind}, form ") for case in some)


@pytest.mark.parametrize("kind", behaviour.KINDS)
def test_a_form_has_no_more_texts_than_another(kind: str) -> None:
    counts = Counter(case.source for case in behaviour.cases(kind))
    assert len(counts) >= 6
    assert len({*counts.values()}) == 1


def test_every_text_asks_one_question() -> None:
    assert all((case.sentiment is not None) + len(case.entities) == 1 for case in behaviour.texts())


def test_spans_stand_on_the_name_whose_side_the_label_takes() -> None:
    for case in behaviour.cases("exchanged names"):
        (asked,) = case.entities
        name = case.text[asked.start : asked.end]
        if case.text.startswith("Analysts upgrade"):
            assert (asked.sentiment == behaviour.POSITIVE) == (f"upgrade {name} " in case.text)


def test_slips_and_lookalikes_are_other_texts_of_the_same_length() -> None:
    untouched = [case.text for form in behaviour._plain() for case in form]
    for kind in ("typos", "lookalike letters"):
        texts = [case.text for case in behaviour.cases(kind)]
        assert {*map(len, texts)} <= {*map(len, untouched)}
        known = {*map(normalised, untouched)}
        assert sum(normalised(text) not in known for text in texts) > 0.7 * len(texts)


def test_a_release_is_asked_for_every_kind(tmp_path) -> None:
    from models.scorer import Scorer

    shares = behaviour.shares(answers(Scorer.load(build_tiny_release(tmp_path)), behaviour.texts()))
    assert set(shares) == set(behaviour.KINDS)
    assert fmean(shares["plain facts"]) > 0.9, "a bag of words finds nothing bad in plain facts"
    assert fmean(shares["negation"]) < 0.7, "and does not know what not is"


def test_a_kind_is_lost_beyond_five_of_a_hundred() -> None:
    before = {"negation": [0.8] * 10, "typos": [0.8] * 10}
    assert behaviour.lost(before, {"negation": [0.76] * 10, "typos": [0.9] * 10}) == []
    assert behaviour.lost(before, {"negation": [0.74] * 10, "typos": [0.9] * 10}) == ["negation"]


def test_one_form_alone_loses_no_kind_and_two_do() -> None:
    before = {"typos": [1.0] * 12}
    assert behaviour.lost(before, {"typos": [0.0, *[1.0] * 11]}) == []
    assert behaviour.lost(before, {"typos": [0.0, 0.0, *[1.0] * 10]}) == ["typos"]
