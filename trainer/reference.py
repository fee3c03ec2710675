"""What a release makes of documents it was not trained on: the last part it is given, for the drift detectors."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.assembly import RECIPE, assemble, read_parts
from models.base import sha256_of
from models.reference import REFERENCE, Reference, measure, pack
from models.release import FileEntry
from models.scorer import Scorer
from trainer.data import Example

SLAB = 512
UNKNOWN = -1


def add_reference(parts: Path, base: Path, examples: Sequence[Example]) -> Reference:
    """Give the parts of a release its ``reference.npz``, made of ``examples`` that it was not trained on.

    The documents are heard by the graph that serves on a processor, int8 where the parts have it.
    """
    with tempfile.TemporaryDirectory() as place:
        assemble(parts, base, Path(place))
        reference = reference_of(Scorer.load(Path(place), provider="cpu"), examples)
    (parts / REFERENCE).write_bytes(pack(reference))
    told = read_parts(parts)
    entry = FileEntry(sha256_of(parts / REFERENCE), (parts / REFERENCE).stat().st_size)
    told = msgspec.structs.replace(told, files={**told.files, REFERENCE: entry})
    (parts / RECIPE).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    return reference


def reference_of(scorer: Scorer, examples: Sequence[Example], *, seed: int = 0) -> Reference:
    """What ``scorer`` makes of ``examples``, in an order that does not follow their sources.

    Texts that stand in several sets are taken once, with the labels of all.
    """
    rows = _once(examples)
    random.Random(seed).shuffle(rows)  # noqa: S311 - no secret
    heard = [scorer.score([row.text for row in rows[at : at + SLAB]]) for at in range(0, len(rows), SLAB)]
    heads = {"sentiment": np.concatenate([scores.sentiment for scores in heard])}
    for name in scorer.taxonomies:
        heads[f"topic.{name}"] = np.concatenate([scores.topics[name] for scores in heard])
    right = {name: _marks(name, rows, table.argmax(1)) for name, table in heads.items()}
    return measure(
        np.concatenate([scores.embedding for scores in heard]),
        heads,
        np.array([len(row.text) for row in rows]),
        [row.source for row in rows],
        {name: marks for name, marks in right.items() if (marks >= 0).any()},
    )


def _once(examples: Sequence[Example]) -> list[Example]:
    merged: dict[str, Example] = {}
    for row in examples:
        seen = merged.get(row.text)
        if seen is None:
            merged[row.text] = row
            continue
        sentiment, polar = (seen.sentiment, seen.polar) if seen.sentiment is not None else (row.sentiment, row.polar)
        topics = (*seen.topics, *(topic for topic in row.topics if topic not in seen.topics))
        merged[row.text] = replace(seen, sentiment=sentiment, polar=polar, topics=topics)
    return list(merged.values())


def _marks(head: str, rows: Sequence[Example], calls: NDArray[np.int64]) -> NDArray[np.int8]:
    """1 right, 0 wrong, -1 unlabelled. Sets without neutral cannot tell whether a call was right."""
    if head == "sentiment":
        labels = [row.sentiment if row.sentiment is not None and not row.polar else UNKNOWN for row in rows]
    else:
        labels = [dict(row.topics).get(head.removeprefix("topic."), UNKNOWN) for row in rows]
    given = np.array(labels, np.int64)
    return np.where(given == UNKNOWN, UNKNOWN, given == calls).astype(np.int8)
