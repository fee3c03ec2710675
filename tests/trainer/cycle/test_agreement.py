"""How sure and how right the release was, by people's words on what was drawn blindly."""

from __future__ import annotations

import math

import pytest

from streams.lessons import DocumentFeedback, DriftSample
from streams.records import Origin, SentimentProbs
from trainer.cycle.agreement import agreement


def sample(name: str, negative: float, release: str = "r1", drawn: str = "random") -> DriftSample:
    chances = SentimentProbs(negative, 0.0, 1 - negative)
    return DriftSample(
        name, Origin("news", 0, 1), "news", 1, "text", "", "en", release, chances, {}, drawn, 0.1, (), 0.0
    )  # type: ignore[arg-type]


def word(name: str, sentiment: str | None, by: str = "ada") -> DocumentFeedback:
    return DocumentFeedback(name, by, 1, sentiment)  # type: ignore[arg-type]


def test_the_share_that_was_right_stands_beside_how_sure_it_was() -> None:
    samples = [sample("a", 0.9), sample("b", 0.9), sample("c", 0.2), sample("d", 0.9)]
    words = [word("a", "negative"), word("b", "positive"), word("c", "positive"), word("a", "negative", "bob")]
    found = agreement(samples, words, "r1")
    assert found.words == 4
    assert found.right == pytest.approx(3 / 4)
    assert found.confidence == pytest.approx((0.9 + 0.9 + 0.8 + 0.9) / 4)
    assert found.calibration_error == pytest.approx((abs(2 - 2.7) + abs(1 - 0.8)) / 4)


def test_what_was_chosen_for_its_merit_or_read_by_another_release_says_nothing() -> None:
    samples = [sample("a", 0.9, drawn="merit"), sample("b", 0.9, "r0"), sample("c", 0.9)]
    words = [word("a", "positive"), word("b", "positive"), word("c", None), word("elsewhere", "negative")]
    found = agreement(samples, words, "r1")
    assert found.words == 0
    assert all(map(math.isnan, (found.right, found.confidence, found.calibration_error)))
