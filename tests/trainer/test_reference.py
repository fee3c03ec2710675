"""What a release remembers of held-back rows: each text once, with all its labels, and whether they were met."""

from __future__ import annotations

import numpy as np
import pytest

from models.labels import FINANCE
from models.scorer import Scorer
from tests.models.tiny import build_tiny_release
from trainer.data import Example
from trainer.reference import reference_of

EARNINGS = (("finance", FINANCE.index("Earnings")),)
ROWS = (
    Example("great profit", "tweets", sentiment=2),
    Example("great profit", "topics", topics=EARNINGS),
    Example("terrible fraud", "tweets", sentiment=2),
    Example("a plain day", "reviews", sentiment=1, polar=True),
    Example("revenue of the quarter", "topics", topics=EARNINGS),
    Example("ceo appointed", "topics", topics=EARNINGS),
)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(build_tiny_release(tmp_path_factory.mktemp("registry")), threads=1)


def test_a_text_of_several_sets_is_taken_once_with_all_its_labels(scorer: Scorer) -> None:
    made = reference_of(scorer, ROWS)
    assert len(made) == 5
    assert sorted(made.lengths) == sorted(len(text) for text in {row.text for row in ROWS})
    by_length = dict(zip(made.lengths.tolist(), range(5), strict=True))
    said = {name: marks[[by_length[len(row.text)] for row in ROWS[1:]]].tolist() for name, marks in made.right.items()}
    assert said == {"sentiment": [1, 0, -1, -1, -1], "topic.finance": [1, -1, -1, 1, 0]}
    assert made.error("topic.finance")[0] == pytest.approx(1 / 3)
    assert made.domain_names == ("reviews", "topics", "tweets")


def test_the_same_rows_make_the_same_reference_in_an_order_without_sources(scorer: Scorer) -> None:
    many = [Example(f"great profit {n}", "first" if n < 60 else "second") for n in range(120)]
    one, two = reference_of(scorer, many), reference_of(scorer, many)
    assert np.array_equal(one.rows, two.rows)
    assert np.array_equal(one.domains, two.domains)
    assert 0.3 < one.domains[:60].mean() < 0.7


def test_what_is_kept_is_what_the_graph_said(scorer: Scorer) -> None:
    made = reference_of(scorer, ROWS)
    scores = scorer.score(["terrible fraud"])
    at = made.lengths.tolist().index(len("terrible fraud"))
    assert np.allclose(made.heads["sentiment"][at], scores.sentiment[0], atol=0.005)
    assert np.allclose(made.rows[at], made.whitened(scores.embedding)[0], atol=0.05)
