"""Each check holds for an equal model and fails, alone and by name, for what it is there to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from trainer.data import EntityLabel, Example
from trainer.gate import checks
from trainer.gate.items import Heard, Item, heard, items_of, per_document
from trainer.measure import Answer

MOODS = ("negative", "neutral", "positive")


def questions(count: int, head: str = "sentiment", source: str = "tweets") -> list[Item]:
    return [Item(at, head, source, at % 3, MOODS[at % 3]) for at in range(count)]


def says(items: Sequence[Item], wrong: Sequence[int], confidence: float = 0.9) -> Heard:
    """A release that is wrong on ``wrong`` and elsewhere right, always equally sure."""
    right = np.ones(len(items), np.bool_)
    right[list(wrong)] = False
    labels = np.array([item.label for item in items])
    sure = np.full(len(items), confidence)
    return Heard(np.where(right, labels, (labels + 1) % 3), right, sure, -np.log(np.where(right, sure, 1 - sure)))


ITEMS = questions(3_000)
EVERY_TENTH = range(0, 3_000, 10)
CHAMPION = says(ITEMS, EVERY_TENTH)
SAME = says(ITEMS, EVERY_TENTH)
SLIGHTLY_WORSE = says(ITEMS, [*EVERY_TENTH, *range(1, 3_000, 40)])
BETTER = says(ITEMS, range(0, 3_000, 20))


def test_an_equal_model_passes_every_check() -> None:
    assert checks.anchors(ITEMS, CHAMPION, SAME).held
    assert checks.recent(ITEMS, CHAMPION, SAME, drifted=False).held
    assert checks.memorised(ITEMS, CHAMPION, SAME, ITEMS, CHAMPION, SAME, shared=0).held
    assert checks.classes(ITEMS, CHAMPION, SAME).held
    assert checks.calibration(ITEMS, CHAMPION, SAME).held
    assert checks.flips(ITEMS, CHAMPION, SAME, churned=10, unlabelled=1_000).held
    assert checks.behaviour({"negation": [0.8] * 9}, {"negation": [0.78] * 9}).held


def test_a_loss_on_the_anchors_is_refused_with_the_bound() -> None:
    check = checks.anchors(ITEMS, CHAMPION, SLIGHTLY_WORSE)
    assert "may be worse by" in check.why
    assert check.figures["difference_points"] == -2.5
    assert check.figures["lower_points"] < check.figures["difference_points"] < check.figures["upper_points"]


def test_too_few_anchors_cannot_show_that_nothing_was_lost() -> None:
    few = questions(90)
    one, other = says(few, [0, 1, 2]), says(few, [3, 4, 5])
    check = checks.anchors(few, one, other)
    assert not check.held
    assert check.figures["needed"] > 90


def test_no_anchors_are_no_proof() -> None:
    nothing = says([], [])
    assert "not one labelled anchor" in checks.anchors([], nothing, nothing).why


def test_a_model_that_only_names_the_commonest_answer_is_below_the_floor() -> None:
    items = [replace(item, label=1) if item.document % 3 == 0 else item for item in ITEMS]
    always = says(items, [at for at, item in enumerate(items) if item.label != 1])
    check = checks.anchors(items, always, always)
    assert "commonest answer" in check.why


def test_what_drift_asked_for_has_to_gain() -> None:
    assert not checks.recent(ITEMS, CHAMPION, SAME, drifted=True).held
    assert checks.recent(ITEMS, CHAMPION, BETTER, drifted=True).held
    assert not checks.recent(ITEMS, CHAMPION, SLIGHTLY_WORSE, drifted=False).held
    nothing = says([], [])
    assert not checks.recent([], nothing, nothing, drifted=True).held
    assert checks.recent([], nothing, nothing, drifted=False).held


def fitting(n: int, draw: np.random.Generator, signal: float) -> Heard:
    """A release whose logits are the truth, times ``signal``, and noise of its own, about the first ``n`` items."""
    labels = np.array([item.label for item in ITEMS[:n]])
    logits = signal * np.eye(3)[labels] + draw.normal(0.0, 1.0, (n, 3))
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    called = probs.argmax(1)
    return Heard(called, called == labels, probs.max(1), -np.log(probs[np.arange(n), labels]))


def test_the_log_loss_shows_a_gain_that_so_few_answers_cannot() -> None:
    few = ITEMS[:400]
    before, after = says(few, range(40), 0.6), says(few, range(14, 50), 0.6)
    assert "none for sure" in checks.recent(few, before, after, drifted=True).why
    check = checks.recent(few, before, replace(after, loss=after.loss - 0.1), drifted=True)
    assert check.held
    assert check.figures["lower_points"] <= 0 < check.figures["log_loss_gain_lower"]


def test_doubt_alone_is_no_gain() -> None:
    doubting = replace(SAME, loss=SAME.loss - 0.1)
    assert not checks.recent(ITEMS, CHAMPION, doubting, drifted=True).held


def test_an_equal_release_shows_a_gain_hardly_ever_and_a_better_one_mostly() -> None:
    draw = np.random.default_rng(5)
    few, trials = ITEMS[:300], 60
    pairs = [[fitting(300, draw, signal) for signal in (2.0, 2.0, 2.6)] for _ in range(trials)]
    equal = sum(checks.recent(few, one, other, drifted=True).held for one, other, _ in pairs)
    better = sum(checks.recent(few, one, other, drifted=True).held for one, _, other in pairs)
    assert equal <= 0.1 * trials
    assert better >= 0.8 * trials


def test_anchors_that_were_trained_on_are_noticed() -> None:
    perfect = says(ITEMS, [])
    assert "as if it had seen them" in checks.memorised(ITEMS, CHAMPION, perfect, ITEMS, CHAMPION, SAME, 0).why
    assert checks.memorised(ITEMS, CHAMPION, perfect, ITEMS, CHAMPION, perfect, 0).held, "learnt for both"
    assert "3 of the anchors" in checks.memorised(ITEMS, CHAMPION, SAME, ITEMS, CHAMPION, SAME, 3).why


def test_one_class_that_is_lost_is_found_though_the_mean_hardly_moves() -> None:
    items = [*ITEMS, *(Item(3_000 + at, "topic:finance", "tweets", 7, "IPO") for at in range(60))]
    before = says(items, EVERY_TENTH)
    after = says(items, [*EVERY_TENTH, *range(3_000, 3_012)])
    assert checks.anchors(items, before, after).held
    check = checks.classes(items, before, after)
    assert "topic:finance/IPO (-20.0)" in check.why
    assert checks.classes(items, before, says(items, [*EVERY_TENTH, 3_000])).held, "one text is no class"


def test_one_source_that_is_lost_is_found() -> None:
    items = [replace(item, source="blogs") if item.document % 20 == 1 else item for item in ITEMS]
    after = says(items, [*EVERY_TENTH, *range(1, 3_000, 200)])
    assert "source blogs" in checks.classes(items, CHAMPION, after).why


def test_a_model_that_is_too_sure_or_too_shy_is_badly_calibrated() -> None:
    for confidence in (0.999, 0.45):
        assert (
            "calibration error of sentiment"
            in checks.calibration(ITEMS, CHAMPION, says(ITEMS, EVERY_TENTH, confidence)).why
        )


def test_flips_and_churn_are_counted_even_where_the_mean_stays() -> None:
    moved = says(ITEMS, range(5, 3_000, 10))
    check = checks.flips(ITEMS, CHAMPION, moved, 0, 0)
    assert check.figures["negative_flips_percent"] == check.figures["positive_flips_percent"] == 10.0
    assert "are wrong now" in check.why
    assert "change their sentiment" in checks.flips(ITEMS, CHAMPION, SAME, churned=90, unlabelled=1_000).why
    assert checks.flips(ITEMS, CHAMPION, SAME, churned=90, unlabelled=1_000, mended=0.03).held, (
        "drift asked for a change"
    )


def test_a_topic_that_no_anchor_knows_may_not_change_where_the_champion_was_sure() -> None:
    before = np.full((400, 4), 0.1)
    before[np.arange(400), np.arange(400) % 4] = 0.7
    lost = before.copy()
    lost[:, 2] = 0.0
    check = checks.topics({"news": (before, lost), "finance": (before, before)})
    assert "news (25.0 %)" in check.why
    assert "finance" not in check.why
    assert check.figures["taxonomies"]["news"] == {"sure": 400, "changed": 100}


def test_a_topic_that_the_champion_was_not_sure_of_may_change() -> None:
    before = np.tile([0.3, 0.35, 0.2, 0.15], (400, 1))
    assert checks.topics({"news": (before, before[:, ::-1])}).held
    assert checks.topics({}).held


def test_a_kind_of_behaviour_that_is_lost_is_named() -> None:
    check = checks.behaviour({"negation": [0.9] * 9, "typos": [0.9] * 9}, {"negation": [0.5] * 9, "typos": [0.9] * 9})
    assert check.why == "it behaves worse: negation (90% to 50%)"


def test_a_document_counts_once_however_many_questions_it_has() -> None:
    items = [Item(0, "sentiment", "x", 0, "negative"), *(Item(1, "entities", "x", 0, "negative") for _ in range(3))]
    assert per_document(items, np.array([1.0, 0.0, 1.0, 1.0])) == pytest.approx([1.0, 2 / 3])


def test_answers_are_held_against_the_labels_of_their_own_question() -> None:
    def logs(*probs: float) -> np.ndarray:
        return np.log(np.array(probs))

    examples = [
        Example("a", "x", sentiment=0, polar=True, topics=(("finance", 1), ("unknown", 0))),
        Example("b", "x", entities=(EntityLabel(0, 1, 2), EntityLabel(2, 3, 0))),
    ]
    items = items_of(examples, {"finance": ("one", "two")})
    assert [item.group for item in items] == [
        "sentiment/negative", "topic:finance/two", "entities/positive", "entities/negative"
    ]  # fmt: skip
    answers = [
        Answer(examples[0], {"finance": logs(0.7, 0.3)}, logs(0.3, 0.5, 0.2), ()),
        Answer(
            examples[1], {"finance": logs(0.5, 0.5)}, logs(0.1, 0.8, 0.1), (logs(0.1, 0.2, 0.7), logs(0.2, 0.2, 0.6))
        ),
    ]
    said = heard(items, answers)
    assert said.called.tolist() == [0, 0, 2, 2], "a set without neutral is not called neutral"
    assert said.right.tolist() == [True, False, True, False]
    assert said.confidence[0] == pytest.approx(0.6)
    assert said.loss[1] == pytest.approx(-np.log(0.3))
