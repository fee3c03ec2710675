"""Labelled documents as single questions, each with one right answer, and what a release says to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.labels import SENTIMENTS
from trainer.data import Example
from trainer.measure import Answer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Item:
    """One question about document ``document``: ``head`` is sentiment, entities or ``topic:<taxonomy>``."""

    document: int
    head: str
    source: str
    label: int
    name: str
    polar: bool = False

    @property
    def group(self) -> str:
        """The class that the item belongs to."""
        return f"{self.head}/{self.name}"


@dataclass(frozen=True)
class Heard:
    """What a release said to n items: the winner, whether it is right, its probability, and the log loss, each [n]."""

    called: NDArray[np.int64]
    right: NDArray[np.bool_]
    confidence: Floats
    loss: Floats


def items_of(examples: Sequence[Example], taxonomies: Mapping[str, Sequence[str]]) -> list[Item]:
    """Every question that the labels answer; topics of taxonomies that nobody serves are left out."""
    items: list[Item] = []
    for at, example in enumerate(examples):
        if example.sentiment is not None:
            name = SENTIMENTS[example.sentiment]
            items.append(Item(at, "sentiment", example.source, example.sentiment, name, example.polar))
        for entity in example.entities:
            items.append(Item(at, "entities", example.source, entity.sentiment, SENTIMENTS[entity.sentiment]))
        for taxonomy, label in example.topics:
            if taxonomy in taxonomies:
                items.append(Item(at, f"topic:{taxonomy}", example.source, label, taxonomies[taxonomy][label]))
    return items


def heard(items: Sequence[Item], answers: Iterable[Answer]) -> Heard:
    """Hold ``answers`` (log-probabilities, one per document, in order) against the items of the same documents."""
    said = list(answers)
    count = len(items)
    called, right = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    confidence, loss = np.zeros(count), np.zeros(count)
    nth_entity = 0
    document = -1
    for at, item in enumerate(items):
        if item.document != document:
            document, nth_entity = item.document, 0
        answer = said[item.document]
        if item.head == "entities":
            scores = answer.entities[nth_entity]
            nth_entity += 1
        else:
            scores = answer.sentiment if item.head == "sentiment" else answer.topics[item.head.removeprefix("topic:")]
        assert scores is not None  # a release answers for an entity that it does not find, too
        probs = np.exp(scores)
        if item.polar:
            probs = probs * np.array([1.0, 0.0, 1.0])
        probs = probs / probs.sum()
        winner = int(probs.argmax())
        called[at], right[at] = winner, winner == item.label
        confidence[at], loss[at] = probs[winner], -np.log(max(probs[item.label], 1e-12))
    return Heard(called, right, confidence, loss)


def per_document(items: Sequence[Item], values: Floats) -> Floats:
    """The mean of the items' ``values`` of each document that has any: documents are independent, items are not."""
    documents = np.array([item.document for item in items], np.int64)
    sums = np.bincount(documents, values)
    counts = np.bincount(documents)
    return np.asarray(sums[counts > 0] / counts[counts > 0], np.float64)
