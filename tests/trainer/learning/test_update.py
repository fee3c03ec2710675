"""One update on a network of 32 units: what is new is learnt, what was known stays, nothing is learnt from noise."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.release import read_manifest
from models.scorer import Scorer
from models.text import open_tokenizer
from tests.trainer.sets import COMPANIES, SUBJECTS
from trainer.batches import MISSING, collate
from trainer.data import Example
from trainer.errors import DataError
from trainer.learning.desk import Desk, Model, Rates, is_held, passes
from trainer.learning.losses import label_loss, stored_loss, teacher_loss
from trainer.learning.replay import Memory, Remembered
from trainer.learning.update import Updated, update
from trainer.network import Adapter, Outputs
from trainer.refill import write_release

RATES = Rates(epochs=6, rate=4e-3, head_rate=1e-2, max_tokens=32, adapter=Adapter(rank=4, alpha=8))
OLD = {0: ("usual", "same"), 2: ("awful", "bad")}
"""A new domain in which words mean what they did not: the champion calls the first neutral, the second negative."""


def shifted(count: int, seed: int) -> list[Example]:
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        label = draw.choice([0, 2])
        words = [draw.choice(SUBJECTS), draw.choice(OLD[label]), draw.choice(SUBJECTS), str(draw.randrange(10_000))]
        rows.append(Example(" ".join(words), "shifted", sentiment=label))
    return rows


@dataclass(frozen=True)
class School:
    champion: Path
    base: Path
    model: Model
    known: list[Example]

    def teach(self, new: list[Example], memory: list[Remembered], rates: Rates = RATES, **how: object) -> Updated:
        tokenizer = self.champion / "tokenizer.json"
        return update(self.model, new, memory, base=self.base, tokenizer=tokenizer, rates=rates, **how)  # type: ignore[arg-type]

    def accuracy(self, model: Model, rows: list[Example]) -> float:
        desk = Desk(model, open_tokenizer(self.champion / "tokenizer.json"), self.base, RATES)
        said = [answer for answer, _ in desk.answers(desk.encoded(rows))]
        return float(np.mean([answer.sentiment.argmax() == answer.example.sentiment for answer in said]))


@pytest.fixture(scope="module")
def school(court) -> School:
    known = [row for row in (*court.sets.anchors, *court.sets.recent) if row.sentiment is not None]
    return School(court.champion, court.base, Model.of(court.champion), known)


@pytest.fixture(scope="module")
def memory(school: School) -> list[Remembered]:
    return Memory([Remembered(row, {"sentiment": (0.0, 0.0, 0.0)}) for row in school.known]).rows()


@pytest.fixture(scope="module")
def updated(school: School, memory: list[Remembered]) -> Updated:
    return school.teach(shifted(300, 1), memory, replace(RATES, stored=0.0))


def test_an_update_learns_what_is_new_and_keeps_what_was_known(school: School, updated: Updated) -> None:
    test = shifted(200, 2)
    assert school.accuracy(school.model, test) < 0.5
    assert school.accuracy(updated.model, test) > 0.9
    before = school.accuracy(school.model, school.known)
    assert school.accuracy(updated.model, school.known) > before - 0.05
    assert updated.alpha > 0
    assert updated.figures["alphas"]["0"] > updated.figures["alphas"][f"{updated.alpha:g}"]


def test_plain_fine_tuning_forgets_what_rehearsing_keeps(school: School, updated: Updated) -> None:
    plain = school.teach(shifted(300, 1), [], replace(RATES, plain=True))
    assert school.accuracy(plain.model, shifted(200, 2)) > 0.9
    assert school.accuracy(plain.model, school.known) < school.accuracy(updated.model, school.known) - 0.05


def test_labels_that_mean_nothing_lead_to_no_update(school: School, memory: list[Remembered]) -> None:
    noise = [replace(row, sentiment=random.Random(row.text).randrange(3)) for row in shifted(200, 3)]
    calm = [row for row in noise if not is_held(row.text)]
    held = [replace(row, sentiment=int(a.sentiment.argmax())) for row, a in _said(school, noise) if is_held(row.text)]
    updated = school.teach([*calm, *held], memory, replace(RATES, epochs=2))
    assert updated.alpha == 0.0
    assert updated.model is school.model


def test_lessons_that_spoil_what_is_to_be_spared_are_not_taken(school: School, memory: list[Remembered]) -> None:
    facts = [Example(f"{company} usual {subject}", f"plain facts, form {number}", sentiment=1)
             for number, subject in enumerate(SUBJECTS) for company in COMPANIES]  # fmt: skip
    updated = school.teach(shifted(300, 1), memory, replace(RATES, stored=0.0), spared=facts)
    assert updated.figures["alphas"]["1"] < updated.figures["alphas"]["0"] - RATES.least_gain, "it would score better"
    assert updated.figures["spoilt"]["1"] == ["plain facts"]
    assert updated.alpha < 1.0
    before, after = (school.accuracy(model, facts) for model in (school.model, updated.model))
    assert after > before - 0.05


def _said(school: School, rows: list[Example]):
    desk = Desk(school.model, open_tokenizer(school.champion / "tokenizer.json"), school.base, RATES)
    return list(zip(rows, [answer for answer, _ in desk.answers(desk.encoded(rows))], strict=True))


def test_the_folded_update_serves_what_it_learnt(school: School, updated: Updated, tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    told = {"version": "next", "temperatures": updated.model.temperatures, "held": school.known[:60]}
    manifest = write_release(school.champion, updated.model.weights, tmp_path / "next", **told)
    assert manifest.parent == "t-1"
    assert set(manifest.graphs) == set(read_manifest(school.champion).graphs)
    assert set(manifest.files) == set(read_manifest(school.champion).files)
    scorer, test = Scorer.load(tmp_path / "next"), shifted(100, 4)
    called = scorer.score([row.text for row in test]).sentiment.argmax(1)
    assert np.mean([said == row.sentiment for said, row in zip(called, test, strict=True)]) > 0.9
    unchanged = scorer.score([f"{COMPANIES[0]} revenue"]).topics["finance"].argmax()
    assert unchanged == Scorer.load(school.champion).score([f"{COMPANIES[0]} revenue"]).topics["finance"].argmax()


def test_the_same_rows_give_the_same_weights(school: School, memory: list[Remembered]) -> None:
    rates = replace(RATES, epochs=1)
    one, other = (school.teach(shifted(80, 5), memory[:60], rates) for _ in range(2))
    assert one.figures["alphas"] == other.figures["alphas"]
    assert all(np.array_equal(value, other.model.weights[name]) for name, value in one.model.weights.items())


def test_a_label_by_degrees_teaches_them_and_counts_what_it_weighs(school: School) -> None:
    desk = Desk(school.model, open_tokenizer(school.champion / "tokenizer.json"), school.base, RATES)
    degrees = (0.2, 0.3, 0.5)
    hard = Example("acme bad", "x", sentiment=2)
    soft = replace(hard, soft=degrees)
    losses = []
    for row in (hard, soft, replace(soft, weight=0.5)):
        batch = collate(desk.encoded([row]), [0], ("finance",))
        said = desk.say(batch, None)
        losses.append(float(label_loss(said, batch, 0.0)))
    logs = torch.log_softmax(said.sentiment[0], 0)
    assert losses[0] == pytest.approx(-float(logs[2]), abs=1e-5)
    assert losses[1] == pytest.approx(-float((torch.tensor(degrees) * logs).sum()), abs=1e-5)
    assert losses[2] == pytest.approx(losses[1] / 2, abs=1e-5)


def test_what_was_learnt_is_remembered_with_what_is_thought_of_it_now(school: School, updated: Updated) -> None:
    assert [row.example.text for row in updated.remember] == [row.text for row in shifted(300, 1)]
    right = [np.argmax(row.logits["sentiment"]) == row.example.sentiment for row in updated.remember]
    assert np.mean(right) > 0.9
    surprised = [row.surprise for row, hit in zip(updated.remember, right, strict=True) if not hit]
    assert not surprised or min(surprised) > 0.5


def test_texts_that_are_held_back_are_the_same_in_every_update() -> None:
    texts = [row.text for row in shifted(2_000, 6)]
    assert 0.07 < np.mean([is_held(text) for text in texts]) < 0.13
    assert [is_held(text) for text in texts] == [is_held(text.upper() + " ") for text in texts]


def test_more_rows_are_passed_over_more_often() -> None:
    assert [passes(rows) for rows in (1, 450, 451, 750, 1_050, 1_350, 9_000)] == [3, 3, 4, 4, 5, 6, 6]


def test_nothing_to_learn_is_an_error(school: School) -> None:
    with pytest.raises(DataError, match="no new row"):
        school.teach([Example("unlabelled", "x")], [])


def _moved(said: Outputs, by: list[list[float]]) -> Outputs:
    """Both sentiment heads, and so what the gate mixes of them, moved by so much."""
    return replace(said, price=said.price + torch.tensor(by), tone=said.tone + torch.tensor(by))


def test_losses_leave_alone_what_has_no_say(school: School) -> None:
    desk = Desk(school.model, open_tokenizer(school.champion / "tokenizer.json"), school.base, RATES)
    rows = desk.encoded(
        [Example("acme bad", "x", sentiment=0), Example("hooli revenue", "x", topics=(("finance", 5),))]
    )
    batch = collate(rows, [0, 1], ("finance",))
    said = desk.say(batch, None)
    assert batch.sentiment.tolist() == [0, MISSING]
    louder = _moved(said, [[0.0] * 3, [9.0, 0.0, 0.0]])
    assert torch.equal(label_loss(said, batch, 0.0), label_loss(louder, batch, 0.0))
    own = {"sentiment": said.sentiment, "topic:finance": said.topics["finance"], "entities": said.entities[:, 0]}
    assert float(teacher_loss(said, batch, own)) == pytest.approx(0.0, abs=1e-5)
    assert float(teacher_loss(louder, batch, own)) > 0.1
    labelled = _moved(said, [[9.0, 0.0, 0.0], [0.0] * 3])
    assert float(teacher_loss(labelled, batch, own)) == pytest.approx(0.0, abs=1e-5), "a label overrules the teacher"
    assert float(stored_loss(said, [None, None])) == 0.0
    assert float(stored_loss(said, [tuple(said.sentiment[0].tolist()), None])) == pytest.approx(0.0, abs=1e-6)
    assert float(stored_loss(said, [(9.0, 9.0, 9.0), None])) > 1.0
