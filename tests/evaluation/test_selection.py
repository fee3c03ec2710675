"""The selection benchmark: its head learns, its ways choose what they are called, its curves are read rightly."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from tests.bench.selection import joined
from tests.evaluation import selection
from tests.evaluation.selection import WAYS, Labelled, accuracy, fit, said

HIDDEN = 24


def documents(count: int, seed: int, drifted: float = 0.2, waste: int = 0) -> Labelled:
    """Two domains in which the mood lies in different directions of the embedding; garbage lies anywhere."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, 3, count)
    new = draw.random(count) < drifted
    embedding = draw.normal(0.0, 0.4, (count, HIDDEN))
    embedding[np.arange(count), np.where(new, 3, 0)] += label - 1.0
    embedding[:, 1] += np.where(label == 1, 1.0, -1.0)
    embedding[:, 2] += 3.0 * new
    real = Labelled(_unit(embedding), label, np.where(new, 4.0, 1.0), new, np.zeros(count, bool))
    none = np.zeros(waste, bool)
    garbage = Labelled(
        _unit(draw.normal(0, 1, (waste, HIDDEN))), draw.integers(0, 3, waste), np.full(waste, 4.0), none, ~none
    )
    return joined(real, garbage).of(draw.permutation(count + waste))


def _unit(table: np.ndarray) -> np.ndarray:
    return (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32)


def test_the_head_learns_what_its_labels_say() -> None:
    known, tested = documents(300, 1, drifted=0.0), documents(300, 2, drifted=0.0)
    weights = fit(known)
    assert accuracy(weights, tested) > 0.85
    assert np.allclose(said(weights, tested).sum(1), 1.0)
    wrong = Labelled(known.embedding, 2 - known.label, known.surprise, known.drifted, known.garbage)
    assert accuracy(fit(wrong), tested) < 0.4


def test_labels_of_a_new_domain_teach_it() -> None:
    known, pool, tested = documents(300, 3, drifted=0.0), documents(1_000, 4), documents(400, 5, drifted=1.0)
    before, after = fit(known), fit(joined(known, pool))
    assert accuracy(after, tested) > accuracy(before, tested) + 0.2


@pytest.mark.parametrize("name", WAYS)
def test_each_way_chooses_different_rows_and_no_more_than_asked_for(name: str) -> None:
    pool = documents(1_000, 6, waste=30)
    rows = WAYS[name](pool, said(fit(documents(300, 7, drifted=0.0)), pool), 100, np.random.default_rng(1))
    assert len(set(rows.tolist())) == len(rows)
    assert 80 <= len(rows) <= 100


def test_what_is_unsure_and_what_is_new_come_first() -> None:
    pool, head = documents(1_000, 8), fit(documents(300, 9, drifted=0.0))
    probs, draw = said(head, pool), np.random.default_rng(2)
    best = np.sort(probs, axis=1)
    lead = best[:, -1] - best[:, -2]
    assert lead[WAYS["margin"](pool, probs, 50, draw)].max() <= np.quantile(lead, 0.06)
    assert pool.drifted[WAYS["novelty"](pool, probs, 100, draw)].all()
    share = pool.drifted[WAYS["sampler"](pool, probs, 100, draw)].mean()
    assert share > pool.drifted.mean(), "the sampler looks where a domain is rare"


def test_curves_are_read_between_their_points() -> None:
    assert doctest.testmod(selection).attempted == 1
    assert selection.needed({0: 0.5, 100: 0.6}, 0.7) == float("inf")
    assert selection.needed({0: 0.8, 100: 0.9}, 0.7) == 0.0
