"""From labelled sets to a release, step by step: fine-tune, calibrate, judge, export, prove, publish."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from models.assembly import assemble
from models.base import REPOSITORY, REVISION, find_base
from models.registry import Registry
from models.release import Temperatures, check_version
from models.scorer import Scorer
from models.text import open_tokenizer
from trainer import card, finetune
from trainer.batches import encode
from trainer.calibrate import find_grids
from trainer.data import Example, read_set
from trainer.evaluate import answers
from trainer.export import add_grids, check_parity, dense_network, read_training, revise, write_parts
from trainer.finetune import answer
from trainer.leaks import near_copies
from trainer.measure import Answer, Floats, Question, figures, fit_temperature, questions, softmax
from trainer.parity import AWKWARD
from trainer.recipe import Recipe, gather, recipe_of
from trainer.reference import add_reference

PARITY_TEXTS = 512
log = structlog.get_logger(__name__)

CALIBRATED = 800
"""Texts whose activations the int8 graph's grids come from."""
LARGEST_LOSS = 0.005
UNSEEN = ("surge_stock_sentiment",)
"""Sets that nothing is trained on: their figures tell how the release does far from home."""


def run(
    data: Path,
    work: Path,
    registry: Path,
    *,
    version: str,
    recipe: Recipe | None = None,
    fraction: float = 1.0,
    base: Path | None = None,
    now: datetime | None = None,
) -> Path:
    """What ``tocsin train`` does: train on the sets under ``data`` and publish release ``version``.

    ``work`` takes the checkpoint (``checkpoint/``) and the parts (``parts/``); the release goes into the
    ``registry`` and no alias is moved. Returns the release's directory.

    Raises:
        TrainerError: the data, the export or its parity with the network is not as it should be.
        ModelError: the base encoder is missing, or the version exists with other content.
    """
    check_version(version)
    base = base or find_base()
    checkpoint = finetune.run(data, work / "checkpoint", recipe=recipe, fraction=fraction, base=base)
    parts = ship(data, checkpoint, work / "parts", version=version, base=base, now=now)
    shelf = Registry(registry)
    with shelf.staging() as staged:
        assemble(parts, base, staged)
        return shelf.publish(staged, reason="trained", now=now)


def ship(
    data: Path,
    checkpoint: Path,
    target: Path,
    *,
    version: str,
    base: Path | None = None,
    now: datetime | None = None,
) -> Path:
    """Calibrate and judge a checkpoint, and write the parts of its release into ``target``, proven by parity.

    Raises:
        ParityError: the assembled release says something else than the network; the parts are not to be used.
    """
    base = base or find_base()
    training = read_training(checkpoint)
    recipe = recipe_of(training["recipe"])
    network, _, _ = dense_network(checkpoint, base)
    tokenizer = open_tokenizer(checkpoint / "tokenizer.json")
    rows = gather(data, recipe)

    def asked(examples: list[Example]) -> list[Answer]:
        return answer(network, encode(examples, tokenizer, recipe.max_tokens))

    held = asked(rows["validation"])
    temperatures = fit_temperatures(questions(held), network.topics)
    tested = asked(rows["test"])
    copied = near_copies([said.example.text for said in tested], (row.text for row in rows["train"]))
    fresh = [said for said, copy in zip(tested, copied, strict=True) if not copy]
    strangers = asked([row for name in UNSEEN if (data / name).is_dir() for row in read_set(data, name)])
    metrics: dict[str, Any] = {
        name: judge(questions(said), temperatures)
        for name, said in (("test", tested), ("fresh", fresh), ("unseen", strangers))
    }
    metrics["heads"] = compare_heads(held)
    origin = {"name": REPOSITORY, "revision": REVISION}
    told = {"sentiment": temperatures.sentiment, "entities": temperatures.entities, "topics": temperatures.topics}

    def tell() -> str:
        return card.write_card(version, origin, training, metrics, told)

    sets = tuple(name for name in recipe.sources if name in card.CREDITS)
    parts = write_parts(
        checkpoint,
        target,
        version=version,
        card=tell(),
        notice=card.write_notice(version, origin, sets),
        base=base,
        temperatures=temperatures,
        metrics=metrics,
        data=card.credits(sets),
        created=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
    )
    check_parity(network, parts, base, parity_texts(rows["test"]))
    texts = [row.text for row in rows["validation"]]
    metrics["int8"] = offer_int8(parts, base, texts, [*rows["validation"], *rows["test"]])
    revise(parts, tell(), metrics)
    add_reference(parts, base, rows["validation"])
    return parts


def offer_int8(parts: Path, base: Path, texts: list[str], tested: list[Example]) -> dict[str, float]:
    """Add an int8 graph to the parts, calibrated on some of ``texts``, if it costs no question half a point.

    A question of few rows may lose two that are more than half a point of it: ties fall either way. Returns the
    accuracy that each question loses.
    """
    with tempfile.TemporaryDirectory() as place:
        plain, rounded = Path(place) / "plain", Path(place) / "rounded"
        plain.mkdir()
        assemble(parts, base, plain)
        step = max(1, len(texts) // CALIBRATED)
        grids = find_grids(plain, texts[::step])
        trial = Path(place) / "parts"
        shutil.copytree(parts, trial)
        add_grids(trial, grids)
        rounded.mkdir()
        assemble(trial, base, rounded)
        plainly, roughly = (
            questions(answers(scorer, tested))
            for scorer in (Scorer.load(plain, precision="fp32"), Scorer.load(rounded, precision="int8"))
        )
    right = {key: (_right(plainly[key]), _right(roughly[key]), len(plainly[key].labels)) for key in plainly}
    if all(before - after <= max(2, LARGEST_LOSS * count) for before, after, count in right.values()):
        add_grids(parts, grids)
    else:
        log.warning("int8 left out", right=right)
    return {key: round((before - after) / count, 4) for key, (before, after, count) in right.items()}


def _right(question: Question) -> int:
    return int((question.scores.argmax(1) == question.labels).sum())


def fit_temperatures(asked: dict[str, Question], taxonomies: Iterable[str]) -> Temperatures:
    """One temperature per head, fitted on held-back rows that have all classes; each source counts the same."""

    def fitted(chosen: list[Question]) -> float:
        if not chosen:
            return 1.0
        scores = np.concatenate([question.scores for question in chosen])
        labels = np.concatenate([question.labels for question in chosen])
        weights = np.concatenate([np.full(len(one.labels), 1.0 / len(one.labels)) for one in chosen])
        return round(fit_temperature(scores, labels, weights), 4)

    def ending(suffix: str) -> list[Question]:
        return [question for key, question in asked.items() if key.endswith(suffix) and not question.polar]

    return Temperatures(
        fitted(ending("/sentiment")),
        fitted(ending("/entities")),
        {name: fitted(ending(f"/topic:{name}")) for name in taxonomies},
    )


def judge(asked: dict[str, Question], temperatures: Temperatures) -> dict[str, Any]:
    """Figures per question under the temperatures, without the confusion tables."""
    report: dict[str, Any] = {}
    for key, question in asked.items():
        kind = key.split("/", 1)[1]
        if kind.startswith("topic:"):
            temperature = temperatures.topics[kind.removeprefix("topic:")]
        else:
            temperature = temperatures.sentiment if kind == "sentiment" else temperatures.entities
        probs = softmax(question.scores, temperature)
        whole = figures(probs, question.labels, question.names, polar=question.polar)
        report[key] = {name: whole[name] for name in ("n", "accuracy", "macro_f1", "ece", "f1")}
    return report


def compare_heads(answers: list[Answer]) -> dict[str, dict[str, float]]:
    """Accuracy of the document's sentiment per set by either head alone, their mean, and the gate."""
    ways: dict[str, Callable[[Answer], Floats]] = {
        "price": lambda said: said.heads["price"],
        "tone": lambda said: said.heads["tone"],
        "mean": lambda said: (said.heads["price"] + said.heads["tone"]) / 2,
        "gate": lambda said: said.sentiment,
    }
    found: dict[str, dict[str, float]] = {}
    for how, logits in ways.items():
        for key, question in questions(replace(said, sentiment=logits(said)) for said in answers).items():
            if key.endswith("/sentiment"):
                whole = figures(softmax(question.scores), question.labels, question.names, polar=question.polar)
                found.setdefault(key, {})[how] = whole["accuracy"]
    return found


def parity_texts(examples: list[Example]) -> list[str]:
    """Real texts of every set in turn, and the awkward ones: empty, very long, emoji, other scripts."""
    by_source: dict[str, list[str]] = {}
    for example in examples:
        by_source.setdefault(example.source, []).append(example.text)
    share = -(-PARITY_TEXTS // max(1, len(by_source)))
    texts = [text for some in by_source.values() for text in some[:share]]
    return [*texts, *AWKWARD]
