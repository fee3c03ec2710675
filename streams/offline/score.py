"""``tocsin score``: a line out for each line in, with the functions that score the stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import typer

from models.scorer import Scorer, Scores
from streams.intake import Intake, WatchList
from streams.intake.raw import id_of
from streams.offline.lines import Line, read_lines, written
from streams.offline.scoring import Failed, open_scorer, score_each
from streams.records import Document, Origin, Rejection
from streams.scored import Reading, rounded, scored_documents
from streams.settings import Settings

CHUNK_LINES = 512
"""Lines in memory at a time; as many as a slab has records, so batches fill as they do live."""


def run(settings: Settings, input: Path, output: Path, release: str | None, precision: str) -> int:
    """Score the JSONL file ``input`` into ``output`` (``-``: standard input, output) and return the exit status 0.

    A line that cannot be scored becomes ``{"id", "error"}``; their number goes to standard error. ``output``
    appears when all lines are done.

    Raises:
        InputError: a file cannot be read or written.
        ModelError: the release cannot be used.
    """
    stream = next(iter(settings.streams))
    intake = Intake(settings.intake, WatchList.load(settings.intake.watchlist), needs_time=False)
    scorer = open_scorer(settings.scoring, release, precision)
    reading = Reading.of(scorer, {stream: settings.streams[stream]})
    origin_name = input.name[:200]
    lines = errors = 0
    with written(output) as out:
        for chunk in _chunks(read_lines(input, settings.intake.max_record_bytes, "scoring")):
            read = [intake.read(line.value, Origin(origin_name, 0, line.number), None, stream) for line in chunk]
            for row in score_lines(chunk, read, scorer, reading):
                lines += 1
                errors += "error" in row
                out.write(msgspec.json.encode(row) + b"\n")
    typer.echo(f"{lines} lines, {errors} errors, release {scorer.release}", err=True)
    return 0


def score_lines(
    lines: Iterable[Line], read: list[Document | Rejection], scorer: Scorer, reading: Reading
) -> Iterator[dict[str, Any]]:
    """The rows of the output for ``lines`` and what intake made of them, in order."""
    documents = [item for item in read if isinstance(item, Document)]
    results = iter(score_each(scorer, documents, lambda some, scores: _bodies(some, scores, reading)))
    for line, item in zip(lines, read, strict=True):
        given = id_of(line.value)
        label = line.number if given is None else given
        if isinstance(item, Rejection):
            yield {"id": label, "error": f"{item.error}: {item.message}"}
            continue
        result = next(results)
        if isinstance(result, Failed):
            yield {"id": label, "error": f"InferenceError: {result.message}"}
        else:
            yield {"id": label, **result}


def _bodies(documents: Sequence[Document], scores: Scores, reading: Reading) -> list[dict[str, Any]]:
    """For each document what its row says, but for the id."""
    probs = {name: rounded(scores.topics[name]).tolist() for name in reading.taxonomies}
    return [
        {
            "sentiment": scored.sentiment,
            "sentiment_probs": scored.sentiment_probs,
            "topic": scored.topic,
            "topics": {
                name: {"label": call.label, "probs": dict(zip(reading.taxonomies[name], probs[name][at], strict=True))}
                for name, call in scored.topics.items()
            },
            "entities": [
                {name: value for name, value in msgspec.structs.asdict(entity).items() if value is not None}
                for entity in scored.entities
            ],
            "lang": scored.lang,
            "flags": scored.flags,
            "release": scored.release,
        }
        for at, scored in enumerate(scored_documents(documents, scores, reading))
    ]


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK_LINES)):
        yield chunk
