"""Labels that are not simply true: stars, floods, lies, mistakes and guesses, each held to what it is worth."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.learning import givers, pseudo, stars
from trainer.learning.givers import LEAST, allowed, liars, within
from trainer.learning.pseudo import LEAST_SURE, guarded, second_view, thresholds
from trainer.learning.stars import PRIOR, Noise
from trainer.learning.suspects import contradicted, predicted, suspects

COUNTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 3_000), min_size=1, max_size=8)


@pytest.mark.parametrize("module", [stars, givers, pseudo], ids=lambda module: module.__name__)
def test_examples_in_the_text_hold(module) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 6), st.integers(0, 2)), max_size=60))
def test_stars_say_a_distribution_whatever_was_seen(pairs: list[tuple[str, float, int]]) -> None:
    noise = Noise.of(pairs)
    for source in ("a", "b", "never heard of"):
        for given_stars in (0.0, 1.0, 2.5, 3.0, 4.9, 7.0):
            soft = noise.soft(source, given_stars)
            assert soft.min() > 0
            assert soft.sum() == pytest.approx(1.0)


def test_a_source_s_stars_come_to_mean_what_people_read_in_its_texts() -> None:
    """One shop asks for five stars before it ships: its fives mean nothing; elsewhere they do."""
    draw = np.random.default_rng(1)
    shop = [("shop", 5.0, int(draw.choice(3, p=[0.5, 0.3, 0.2]))) for _ in range(400)]
    others = [(f"s{at % 9}", 5.0, 2) for at in range(900)]
    noise = Noise.of([*shop, *others])
    assert noise.soft("shop", 5.0) == pytest.approx([0.5, 0.3, 0.2], abs=0.07)
    assert noise.soft("s1", 5.0)[2] > 0.9
    assert noise.soft("new", 5.0)[2] > 0.6
    assert Noise.of([]).soft("new", 2.0) == pytest.approx(PRIOR[1])


@given(COUNTS, st.floats(0.05, 1.0))
def test_nobody_gives_more_than_a_part_or_an_even_share_or_the_least(counts: dict[str, int], most: float) -> None:
    limit = allowed(counts, most)
    kept = {giver: min(count, limit) for giver, count in counts.items()}
    part = max(most, 1 / len(counts))
    for count in kept.values():
        assert count <= max(LEAST, part * sum(kept.values()) + 1)
    assert all(kept[giver] == count for giver, count in counts.items() if count <= LEAST)


def test_which_of_a_giver_s_labels_are_kept_does_not_depend_on_their_order() -> None:
    keys = [f"d{at}" for at in range(900)]
    names = ["flood"] * 700 + ["ann"] * 200
    kept = {key for key, keep in zip(keys, within(names, keys, 0.25), strict=True) if keep}
    backwards = within(names[::-1], keys[::-1], 0.25)
    assert kept == {key for key, keep in zip(keys[::-1], backwards, strict=True) if keep}
    assert len(kept) < 500


def blobs(count: int, seed: int = 0, spread: float = 1.0) -> tuple[np.ndarray, list[int]]:
    """Embeddings of three kinds of texts in 16 directions, and what they are."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count)
    centres = np.random.default_rng(99).normal(0, 1.2, (3, 16))
    return centres[labels] + draw.normal(0, spread, (count, 16)), labels.tolist()


def test_labels_that_were_turned_round_are_suspected_and_others_are_not() -> None:
    embedding, labels = blobs(600, spread=0.8)
    wrong = set(np.random.default_rng(2).choice(600, 60, replace=False).tolist())
    given_labels = [(label + 1) % 3 if at in wrong else label for at, label in enumerate(labels)]
    found = {at for at, doubt in enumerate(suspects(predicted(embedding, given_labels), given_labels)) if doubt}
    assert len(found & wrong) >= 40
    assert len(found - wrong) <= 10


def test_few_labels_or_one_class_are_not_suspected() -> None:
    embedding, labels = blobs(40)
    assert not any(suspects(predicted(embedding, labels), labels))
    assert not any(suspects(np.full((90, 3), 1 / 3), [2] * 90))


def test_who_turns_labels_round_is_found_out_and_an_honest_few_are_not() -> None:
    embedding, labels = blobs(900, seed=4)
    names = [("mallory", "ann", "bob", "cyd", "dee")[at % 5] for at in range(900)]
    turned = [2 - label if name == "mallory" else label for name, label in zip(names, labels, strict=True)]
    assert liars(names, contradicted(predicted(embedding, turned), turned)) == {"mallory"}
    assert liars(names, contradicted(predicted(embedding, labels), labels)) == set()


@given(st.lists(st.booleans(), min_size=200, max_size=200))
def test_a_single_giver_cannot_be_a_liar(contradicted: list[bool]) -> None:
    assert liars(["ann"] * 200, contradicted) == set()


def said(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, np.float64)


SURE = [0.98, 0.01, 0.01]
MIX = np.array([1.0, 0.0, 0.0])


def test_a_guess_needs_both_readings_and_another_release() -> None:
    first = said([SURE] * 4)
    second = said([SURE, [0.1, 0.1, 0.8], SURE, SURE])
    teacher = said([SURE, SURE, [0.2, 0.2, 0.6], [0.45, 0.3, 0.25]])
    assert [one.at for one in guarded(first, second, teacher, MIX, 10)] == [0]
    assert guarded(first, second, None, MIX, 10) == []


def test_guesses_are_never_more_than_true_labels_and_come_in_the_stream_s_mix() -> None:
    negative, positive = [0.97, 0.02, 0.01], [0.01, 0.02, 0.97]
    sure = said([negative] * 30 + [positive] * 300)
    found = guarded(sure, sure, sure, np.array([0.3, 0.02, 0.68]), 60)
    assert len(found) <= 60
    assert sum(one.at < 30 for one in found) / len(found) == pytest.approx(0.3, abs=0.05)
    assert len(guarded(sure, sure, sure, np.array([0.5, 0.0, 0.5]), 1_000)) == 60, "the shorter class decides"


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=30), st.integers(0, 40))
def test_what_passes_is_sure_of_one_class_in_every_view(rows: list[list[float]], most: int) -> None:
    probs = said(rows) / said(rows).sum(1, keepdims=True)
    other = np.roll(probs, 1, axis=0)
    asked = thresholds(probs)
    found = guarded(probs, probs, other, np.full(3, 1 / 3), most)
    assert len(found) <= most
    for one in found:
        called = int(np.argmax(one.soft))
        assert called == probs[one.at].argmax() == other[one.at].argmax()
        assert probs[one.at, called] >= asked[called] >= LEAST_SURE


@given(st.text(max_size=80))
def test_the_second_reading_has_fewer_words_and_none_of_its_own(text: str) -> None:
    words = text.split()
    assert set(second_view(text).split()) <= set(words)
    assert bool(second_view(text)) == bool(words)
