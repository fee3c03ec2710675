"""Judge a release on labelled rows, through the scorer that serves it. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.scorer import Scorer
from trainer.data import FILES, READERS, Example, Part, parts, read_rows, read_set
from trainer.errors import DataError
from trainer.measure import Answer, Floats, figures, interval, questions, softmax

SLAB = 512
"""Documents scored at once, as in a worker."""


def run(
    release: Path, data: Path, *, sets: Sequence[str] = (), part: Part | None = None, precision: str = "auto"
) -> dict[str, Any]:
    """What ``tocsin eval`` prints: figures per source and question, from the calibrated probabilities.

    ``data`` is a file of labelled rows (JSON Lines, CSV or Parquet), or a directory of the public sets; then
    ``sets`` chooses among them (all that are there by default). ``part`` keeps one side of the split that
    training uses: the shipped release never saw ``test``, so a directory is judged on that by default.

    Raises:
        DataError: nothing labelled is there.
        ReleaseError: the release may not be used.
    """
    scorer = Scorer.load(release, precision=precision)  # type: ignore[arg-type]
    examples = read_examples(data, scorer.taxonomies, sets, part)
    report: dict[str, Any] = {"release": scorer.release, "precision": scorer.precision, "provider": scorer.provider}
    report["questions"] = {}
    for key, question in questions(answers(scorer, examples), scorer.taxonomies).items():
        probs = softmax(question.scores)
        judged = figures(probs, question.labels, question.names, polar=question.polar)
        report["questions"][key] = {**judged, "interval_95": interval(_shown(probs, question.polar), question.labels)}
    return report


def answers(scorer: Scorer, examples: Sequence[Example]) -> Iterable[Answer]:
    """The scorer's log-probabilities for each example; an entity that was not found has the document's."""
    for start in range(0, len(examples), SLAB):
        slab = examples[start : start + SLAB]
        spans = [[(entity.start, entity.end) for entity in example.entities] for example in slab]
        scores = scorer.score([example.text for example in slab], spans)
        for at, example in enumerate(slab):
            yield Answer(
                example,
                {name: _logs(table[at]) for name, table in scores.topics.items()},
                _logs(scores.sentiment[at]),
                tuple(_logs(row) for row in scores.entities[at]),
            )


def read_examples(
    data: Path, taxonomies: Mapping[str, Sequence[str]], sets: Sequence[str] = (), part: Part | None = None
) -> list[Example]:
    """Labelled rows to judge on; see :func:`run`.

    Raises:
        DataError: nothing labelled is there.
    """
    if data.is_file():
        examples = read_rows(data, taxonomies)
        return parts(examples)[part] if part is not None else examples
    names = sets or [name for name in READERS if (data / name / FILES.get(name, "train.jsonl.gz")).is_file()]
    examples = [example for name in names for example in parts(read_set(data, name))[part or "test"]]
    if not examples:
        raise DataError(f"{data} holds none of the labelled sets {', '.join(READERS)}")
    return examples


def _logs(probs: Any) -> Floats:
    return np.log(np.maximum(np.asarray(probs, np.float64), 1e-12))


def _shown(probs: Floats, polar: bool) -> Floats:
    return probs * np.array([1.0, 0.0, 1.0]) if polar else probs
