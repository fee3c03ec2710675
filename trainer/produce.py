"""From labelled sets to a release, step by step: fine-tune, calibrate, judge, export, prove, publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.assembly import assemble
from models.base import REPOSITORY, REVISION, find_base
from models.labels import TAXONOMIES
from models.registry import Registry
from models.release import Temperatures, check_version
from models.text import open_tokenizer
from trainer import card, finetune
from trainer.batches import encode
from trainer.data import Example
from trainer.export import check_parity, dense_network, read_training, write_parts
from trainer.finetune import Recipe, answer, gather
from trainer.measure import Answer, Floats, Question, figures, fit_temperature, questions, softmax

PARITY_TEXTS = 512


def run(
    data: Path,
    work: Path,
    registry: Path,
    *,
    version: str,
    sources: dict[str, int] | None = None,
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
    checkpoint = finetune.run(data, work / "checkpoint", sources=sources, recipe=recipe, fraction=fraction, base=base)
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
    recipe = training["recipe"]
    network, _, _ = dense_network(checkpoint, base)
    tokenizer = open_tokenizer(checkpoint / "tokenizer.json")
    rows = gather(data, training["sources"], recipe["seed"])
    held = answer(network, encode(rows["validation"], tokenizer, recipe["max_tokens"]))
    temperatures = fit_temperatures(questions(held))
    tested = questions(answer(network, encode(rows["test"], tokenizer, recipe["max_tokens"])))
    metrics = {"test": judge(tested, temperatures), "heads": compare_heads(held)}
    origin = {"name": REPOSITORY, "revision": REVISION}
    told = {"sentiment": temperatures.sentiment, "entities": temperatures.entities, "topics": temperatures.topics}
    sets = tuple(training["sources"])
    parts = write_parts(
        checkpoint,
        target,
        version=version,
        card=card.write_card(version, origin, training, metrics, told),
        notice=card.write_notice(version, origin, sets),
        base=base,
        temperatures=temperatures,
        metrics=metrics,
        data=card.credits(sets),
        created=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
    )
    check_parity(network, parts, base, parity_texts(rows["test"]))
    return parts


def fit_temperatures(asked: dict[str, Question]) -> Temperatures:
    """One temperature per head, fitted on the pooled held-back rows that have all classes."""

    def fitted(chosen: list[Question]) -> float:
        if not chosen:
            return 1.0
        scores = np.concatenate([question.scores for question in chosen])
        labels = np.concatenate([question.labels for question in chosen])
        return round(fit_temperature(scores, labels), 4)

    def ending(suffix: str) -> list[Question]:
        return [question for key, question in asked.items() if key.endswith(suffix) and not question.polar]

    return Temperatures(
        fitted(ending("/sentiment")),
        fitted(ending("/entities")),
        {name: fitted(ending(f"/topic:{name}")) for name in TAXONOMIES},
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
    return [
        *texts,
        "",
        " ",
        "word " * 2_000,
        "😀 👍🏽 great",
        "株価が急落した",
        "a\u200bb\u0000c",
        "https://example.com/only",
    ]
