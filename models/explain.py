"""Why the release says what it says: what changes when words are left out.

Words are hidden from attention and from every mean, one unit at a time, all variants of a text in a few
batches through the same graph that serves. What a word weighs is by how much the log-odds of the answer fall
without it. That tells what this model listens to, not what is true of the world.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.labels import SENTIMENTS
from models.scorer import Batch, Scorer, Scores
from models.text import tokens_of_span

MOST_UNITS = 64
"""Longer texts are explained in as many groups of neighbouring words, so that the cost is bounded."""

_WORD = re.compile(r"\w+(?:['’.-]\w+)*|[^\w\s]+")
_FAINT = 1e-6


@dataclass(frozen=True)
class Attribution:
    """What the code points ``start``..``end`` of the text add to the log-odds of the answer explained."""

    start: int
    end: int
    weight: float


def explain(
    scorer: Scorer, text: str, span: tuple[int, int] | None = None, target: str = "sentiment"
) -> list[Attribution]:
    """Attributions of the words of ``text``, in its order; positive ones speak for the answer.

    ``span`` are the code points of an entity: the sentiment toward it is explained, and its own words stay.
    ``target`` is a sentiment (``negative``), a taxonomy (``finance``) or a label of one
    (``finance:Earnings``); ``sentiment`` and a taxonomy alone mean what the release calls it. Words beyond
    the tokens that the scorer reads have no attribution.

    Raises:
        ValueError: the release knows no such target.
        InferenceError: the graph failed on this text.
    """
    (whole,) = scorer.prepare([text], [[span] if span is not None else []])
    offsets = scorer.offsets(text)
    units = [unit for unit in _units(text, offsets) if span is None or not _overlap(unit, span)]
    hidden = [found for unit in units if (found := tokens_of_span(offsets, *unit, len(offsets))) is not None]
    answers = _answers(scorer, whole, hidden, target)
    odds = np.log(np.maximum(answers, _FAINT)) - np.log(np.maximum(1.0 - answers, _FAINT))
    return [
        Attribution(start, end, round(float(odds[0] - without), 4))
        for (start, end), without in zip(units, odds[1:], strict=True)
    ]


def _units(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Words, and runs of signs, that tokens stand for: at most :data:`MOST_UNITS`, neighbours joined."""
    read = max((end for _, end in offsets), default=0)
    words = [match.span() for match in _WORD.finditer(text, 0, read)]
    words = [word for word in words if tokens_of_span(list(offsets), *word, len(offsets)) is not None]
    size = -(-len(words) // MOST_UNITS) or 1
    groups = (words[at : at + size] for at in range(0, len(words), size))
    return [(group[0][0], group[-1][1]) for group in groups]


def _overlap(unit: tuple[int, int], span: tuple[int, int]) -> bool:
    return unit[0] < span[1] and span[0] < unit[1]


def _answers(
    scorer: Scorer, whole: Batch, hidden: Sequence[tuple[int, int]], target: str
) -> NDArray[np.float64]:  # fmt: skip
    """Probability of the target for the whole text, then without each range of tokens."""
    masks = np.repeat(whole.mask[:1], 1 + len(hidden), axis=0)
    for row, (start, end) in enumerate(hidden, 1):
        masks[row, start:end] = 0
    most = max(2, scorer.batch_tokens // whole.ids.shape[1])
    tables: list[NDArray[np.float32]] = []
    label = ""
    for first in range(0, len(masks), most):
        mask = masks[first : first + most]
        count = len(mask)
        if count == 1:  # a batch has at least two rows
            mask = np.repeat(mask, 2, axis=0)
        batch = Batch(
            tuple(range(count)),
            np.repeat(whole.ids[:1], len(mask), axis=0),
            mask,
            np.repeat(whole.spans[:1], len(mask), axis=0),
            whole.named * count,
            whole.truncated * count,
        )
        table, labels = _table(scorer, scorer.read([batch], [scorer.infer(batch)]), target)
        label = label or _chosen(target, labels, table[0])
        tables.append(table[:, labels.index(label)])
    return np.concatenate(tables).astype(np.float64)


def _table(scorer: Scorer, scores: Scores, target: str) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    name = target.split(":", 1)[0]
    if name in scorer.taxonomies:
        return scores.topics[name], scorer.taxonomies[name]
    if target != "sentiment" and target not in SENTIMENTS:
        known = ", ".join(("sentiment", *SENTIMENTS, *scorer.taxonomies))
        raise ValueError(f"release {scorer.release} cannot explain {target!r:.80}; it knows {known}")
    if len(scores.entities[0]):
        return np.stack([toward[0] for toward in scores.entities]), SENTIMENTS
    return scores.sentiment, SENTIMENTS


def _chosen(target: str, labels: tuple[str, ...], probabilities: NDArray[np.float32]) -> str:
    asked = target if target in labels else target.partition(":")[2]
    if not asked:
        return labels[int(probabilities.argmax())]
    if asked not in labels:
        raise ValueError(f"{asked!r:.80} is none of {', '.join(labels)}")
    return asked
