"""The behaviour texts: many of each kind, each with one right answer, spans that name what they say."""

from __future__ import annotations

import pytest

from tests.models.tiny import build_tiny_release
from trainer.data import normalised
from trainer.gate import behaviour


@pytest.mark.parametrize("kind", behaviour.KINDS)
def test_a_kind_has_enough_different_texts_and_is_the_same_each_time(kind: str) -> None:
    some = behaviour.cases(kind)
    assert len(some) >= 100
    assert some == behaviour.cases(kind)
    assert len({(case.text, case.span) for case in some}) == len(some)
    assert all(case.label in (0, 1, 2) for case in some)


def test_spans_stand_on_the_name_whose_side_the_label_takes() -> None:
    for case in behaviour.cases("exchanged names"):
        assert case.span is not None
        name = case.text[slice(*case.span)]
        if case.text.startswith("Analysts upgrade"):
            assert (case.label == behaviour.POSITIVE) == (f"upgrade {name} " in case.text)


def test_slips_and_lookalikes_are_other_texts_of_the_same_length() -> None:
    plain = {len(case.text) for case in behaviour._plain()}
    for kind in ("typos", "lookalike letters"):
        texts = [case.text for case in behaviour.cases(kind)]
        assert {len(text) for text in texts} <= plain
        known = {normalised(case.text) for case in behaviour._plain()}
        assert sum(normalised(text) not in known for text in texts) > 0.7 * len(texts)


def test_a_release_is_asked_for_every_kind(tmp_path) -> None:
    from models.scorer import Scorer

    shares = behaviour.ask(Scorer.load(build_tiny_release(tmp_path)))
    assert set(shares) == set(behaviour.KINDS)
    assert shares["plain facts"] > 0.9, "a bag of words finds nothing bad in plain facts"
    assert shares["negation"] < 0.7, "and does not know what not is"
