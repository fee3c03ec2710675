"""``tocsin drift``: the detectors alone, over a file's rows in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby, islice
from pathlib import Path

import msgspec
import typer

from models.scorer import Scorer, Scores
from streams.drift.joining import Known, hear
from streams.drift.listener import Home, Listener, Step
from streams.drift.senses import Senses
from streams.errors import InputError
from streams.intake import Intake, WatchList
from streams.offline.lines import Line, read_lines, written
from streams.offline.scoring import Failed, open_scorer, score_each
from streams.records import Document, Origin
from streams.settings import Settings

CHUNK_LINES = 512
HEADER = b"row,detector,statistic,threshold,alarm\n"


def run(settings: Settings, input: Path, output: Path, release: str | None, run_length: float | None = None) -> int:
    """Write a line for each detector and step over the rows of ``input``, in order, and return the exit status 0.

    ``row`` is the line (from 1) at which the detector looked. ``run_length`` (default: the settings') is in documents
    between false alarms of all detectors together. Rows that cannot be scored are passed over, and counted on standard
    error.

    Raises:
        InputError: a file cannot be read or written, or the release has nothing to compare with.
        ModelError: the release cannot be used.
    """
    run_length = settings.drift.run_length if run_length is None else run_length
    if not run_length >= 1_000:
        raise InputError(f"{run_length:g} documents between false alarms: 1,000 are the least that can be promised")
    scorer = open_scorer(settings.scoring, release)
    if scorer.reference is None:
        raise InputError(f"release {scorer.release} has no reference.npz to compare with; train or ship it anew")
    home = Home.of(Senses.of(scorer.reference), run_length)
    if not home.armed:
        typer.echo(f"uncalibrated: the reference has only {len(scorer.reference)} documents", err=True)
    stream = next(iter(settings.streams))
    taxonomy = settings.streams[stream].taxonomy
    listener = Listener(home, taxonomy, run_length)
    intake = Intake(settings.intake, WatchList.load(settings.intake.watchlist), needs_time=False)
    alarms: Counter[str] = Counter()
    rows = passed_over = 0
    with written(output) as file:
        file.write(HEADER)
        for chunk in _chunks(read_lines(input, settings.intake.max_record_bytes, "listening")):
            read = [intake.read(line.value, Origin(input.name[:200], 0, line.number), None, stream) for line in chunk]
            labels = {line.number: _labels(line.value) for line in chunk}
            documents = [item for item in read if isinstance(item, Document)]
            rows += len(chunk)
            passed_over += len(chunk)
            for some, scores in _scored(scorer, documents):
                told = [labels[document.origin.offset] for document in some]
                before = listener.heard
                steps = listener.hear(hear(some, scores, told, scorer.languages, taxonomy, scorer.taxonomies[taxonomy]))
                numbers = [document.origin.offset for document in some]
                file.writelines(_line(numbers[step.row - before - 1], step) for step in steps)
                alarms.update(step.detector for step in steps if step.look.alarm)
                passed_over -= len(some)
    told_of = ", ".join(f"{count} of {name}" for name, count in sorted(alarms.items())) or "none"
    typer.echo(f"{rows} rows, {passed_over} passed over, alarms: {told_of}", err=True)
    return 0


def _scored(scorer: Scorer, documents: list[Document]) -> Iterator[tuple[list[Document], Scores]]:
    """The documents with their scores, in order; those on which the release fails are left out."""
    results = score_each(scorer, documents, lambda some, scores: [scores] * len(some))
    for _, run in groupby(zip(documents, results, strict=True), key=lambda pair: id(pair[1])):
        some, (scores, *_) = zip(*run, strict=True)
        if not isinstance(scores, Failed):
            yield list(some), scores


def _labels(value: bytes) -> Known | None:
    """What the row is known to be; nothing where that is not in the form it should have."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _known.decode(value)
    return None


def _line(row: int, step: Step) -> bytes:
    look = step.look
    return f"{row},{step.detector},{look.statistic:.4f},{look.threshold:.4f},{int(look.alarm)}\n".encode()


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK_LINES)):
        yield chunk


_known = msgspec.json.Decoder(Known)
