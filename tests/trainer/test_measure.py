"""Figures of merit on cases small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.labels import SENTIMENTS
from trainer.data import EntityLabel, Example
from trainer.measure import (
    Answer,
    calibration_error,
    confusion,
    f1_by_class,
    figures,
    fit_temperature,
    interval,
    questions,
    softmax,
)


def test_f1_counts_by_hand() -> None:
    table = confusion(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0]), 3)
    assert table.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    each = f1_by_class(table)
    assert each[0] == pytest.approx(1 / 2)
    assert each[1] == pytest.approx(2 / 3)
    assert np.isnan(each[2])


def test_a_class_that_never_occurs_does_not_count_in_the_mean() -> None:
    probs = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    assert figures(probs, np.array([0, 1]), SENTIMENTS)["macro_f1"] == 1.0


def test_without_neutral_the_call_is_between_the_poles() -> None:
    probs = np.array([[0.3, 0.6, 0.1], [0.1, 0.7, 0.2]])
    labels = np.array([0, 2])
    assert figures(probs, labels, SENTIMENTS)["accuracy"] == 0.0
    assert figures(probs, labels, SENTIMENTS, polar=True)["accuracy"] == 1.0


def test_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    confidence = np.full(10, 0.8)
    assert calibration_error(confidence, np.arange(10) < 6) == pytest.approx(0.2)
    assert calibration_error(confidence, np.arange(10) < 8) == pytest.approx(0.0)


def test_the_calibration_error_is_weighted_by_the_rows_of_a_bin() -> None:
    confidence, right = np.array([0.55] * 30 + [0.95] * 10), np.array([True] * 15 + [False] * 15 + [True] * 10)
    assert calibration_error(confidence, right) == pytest.approx(0.75 * 0.05 + 0.25 * 0.05)


def test_full_confidence_falls_into_the_last_bin() -> None:
    assert calibration_error(np.array([1.0]), np.array([True])) == 0.0


def test_the_fitted_temperature_undoes_what_was_done() -> None:
    draw = np.random.default_rng(2)
    logits = draw.normal(0, 1.5, (4_000, 3))
    labels = np.array([draw.choice(3, p=row) for row in softmax(logits)])
    for made in (0.5, 1.0, 3.0):
        assert fit_temperature(logits * made, labels) == pytest.approx(made, rel=0.1)


def test_few_rows_move_a_believed_temperature_little_and_many_find_the_true_one() -> None:
    draw = np.random.default_rng(4)
    logits = draw.normal(0, 1.5, (20_000, 3))
    labels = np.array([draw.choice(3, p=row) for row in softmax(logits)])
    few = fit_temperature(logits[:10] * 2.0, labels[:10], around=1.0)
    assert 1 / 1.15 < few < 1.15
    assert fit_temperature(logits * 2.0, labels, around=1.0) == pytest.approx(2.0, rel=0.05)
    assert fit_temperature(logits[:0], labels[:0], around=1.3) == 1.3


def test_the_interval_holds_the_figure() -> None:
    draw = np.random.default_rng(3)
    labels = draw.integers(0, 3, 400)
    probs = np.eye(3)[np.where(draw.random(400) < 0.8, labels, 0)]
    low, high = interval(probs, labels)["accuracy"]
    assert low < figures(probs, labels, SENTIMENTS)["accuracy"] < high
    assert high - low < 0.1


def test_questions_group_by_source_and_kind_and_leave_out_what_is_not_labelled() -> None:
    named = (EntityLabel(0, 1, 0), EntityLabel(2, 3, 2), EntityLabel(4, 5, 2))
    rows = (
        Example("a", "one", topics=(("finance", 3),)),
        Example("b", "one", sentiment=2, polar=True),
        Example("c", "two", entities=named),
    )
    flat = np.zeros(3)
    answers = [
        Answer(rows[0], {"finance": np.zeros(20)}, flat, ()),
        Answer(rows[1], {"finance": np.zeros(20)}, flat, ()),
        Answer(rows[2], {"finance": np.zeros(20)}, flat, (flat, flat, None)),
    ]
    asked = questions(answers)
    assert set(asked) == {"one/topic:finance", "one/sentiment", "two/entities", "two/entities:mixed"}
    assert asked["one/sentiment"].polar
    assert asked["two/entities"].labels.tolist() == [0, 2]
