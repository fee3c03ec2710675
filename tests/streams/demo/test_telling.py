"""What the demo that learns says of a verdict, of samples, and of metrics."""

from __future__ import annotations

import doctest
import json

import numpy as np

from streams.demo import lesson, telling
from streams.lessons import DriftSample, DriftSignal, Shift
from streams.records import Origin, SentimentProbs
from trainer.gate import behaviour, checks
from trainer.gate.checks import Check
from trainer.gate.items import Heard, Item


def sample(name: str, reasons: tuple[str, ...], stars: float | None = None) -> DriftSample:
    return DriftSample(
        name, Origin("reviews", 0, 1), "reviews", 1, "a text", "shop", "en", "r", SentimentProbs(0.2, 0.5, 0.3), {},
        "random" if reasons == ("random",) else "merit", 0.2, reasons, 0.0, stars,
    )  # fmt: skip


def test_examples_in_the_text_hold() -> None:
    for module in (lesson, telling):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed


def test_a_signal_names_the_classes_that_moved_most() -> None:
    shifts = (Shift("finance/fed", 0.1, 0.3), Shift("finance/oil", 0.2, 0.1), Shift("third", 0, 0))
    one = DriftSignal("r", "news", "mix", "collect", 700, 128, 5.0, 4.0, True, 0, shifts)
    said = telling.of_signal(one)
    assert "finance/fed 10% to 30%; finance/oil 20% to 10%" in said
    assert "third" not in said
    assert said.endswith("calls for samples")


def test_samples_are_counted_by_why_they_were_taken() -> None:
    some = [sample("a", ("random",), 5.0), sample("b", ("margin", "contradicted"), 1.0), sample("c", ("margin",))]
    said = telling.of_samples(some)
    assert said == (
        "3 documents were sent to be labelled: 1 drawn blindly, the others for merit (1 contradicted, 2 margin); "
        "2 have stars"
    )


def test_a_verdict_names_what_failed_and_why_and_figures_of_what_held() -> None:
    same = {kind: [0.9, 0.9] for kind in behaviour.KINDS}
    some = [
        Check("heads", "", {"tensors": 126, "changed": 61, "heads_changed": 25}),
        Check("anchors", "it may be worse by 1.90 points on 900 documents (limit 1)", {"n": 900}),
        checks.behaviour(same, same | {"typos": [0.88, 0.88]}),
        Check("latency"),
    ]
    said = telling.of_verdict({"checks": [check.as_row() for check in some]})
    assert [" ".join(line.split()) for line in said] == [
        "held heads 126 tensors are there, 61 of them changed",
        "FAILED anchors it may be worse by 1.90 points on 900 documents (limit 1)",
        "held behaviour typos 90% to 88%",
        "held latency",
    ]


def test_every_check_of_the_answers_is_told_with_its_figures() -> None:
    """Names of figures are the gate's; a check whose figures were renamed would be told without."""
    items = [Item(at, "sentiment", "shop", 2 * (at % 2), "glad" if at % 2 else "cross") for at in range(100)]
    called = np.array([item.label for item in items])
    said = Heard(called, np.ones(100, np.bool_), np.full(100, 0.9), np.full(100, 0.1))
    probs = np.tile([0.8, 0.2], (100, 1))
    held = [
        checks.anchors(items, said, said),
        checks.recent(items, said, said, drifted=False),
        checks.memorised(items, said, said, items, said, said, 0),
        checks.classes(items, said, said),
        checks.calibration(items, said, said),
        checks.flips(items, said, said, 0, 50),
        checks.topics({"finance": (probs, probs)}),
        checks.behaviour({"typos": [0.9]}, {"typos": [0.9]}),
    ]
    lines = telling.of_verdict({"checks": [check.as_row() for check in held]})
    assert all(len(line.split()) > 3 for line in lines), lines
    assert "100.0% to 100.0% right of 100" in lines[0]
    assert "0 of 100 topics" in lines[6]
    assert lines[7].endswith("as before in every kind")


def test_the_trainers_log_is_told_in_words() -> None:
    begins = {
        "event": "a cycle begins",
        "reason": "drift: error on reviews",
        "learn": 320,
        "anchors": 1240,
        "recent": 60,
    }
    ended = {"event": "a cycle is concluded", "outcome": "refused", "version": "update-1", "seconds": 90,
             "refused_by": ["anchors", "classes"], "told": ""}  # fmt: skip
    assert telling.of_log(json.dumps(begins)) == (
        "a cycle begins (drift: error on reviews): 320 labelled documents to learn, 1240 anchors and 60 recent ones to "
        "judge by"
    )
    assert telling.of_log(json.dumps(ended)) == (
        "refused: update-1, 90 s after the cycle began, refused by anchors, classes"
    )
