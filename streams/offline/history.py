"""A JSONL file as scored documents in order of event time: what a backtest replays and what primes a watcher."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from streams.intake import Intake, WatchList
from streams.offline.lines import read_lines
from streams.offline.ordered import in_event_order
from streams.offline.scoring import Failed, open_scorer, score_each
from streams.records import Document, Origin, ScoredDocument
from streams.scored import Reading, scored_document
from streams.settings import Settings

CHUNK_LINES = 512


class History:
    """The documents of ``path``, heard with the release that the settings name.

    Iterating yields them by event time, whatever the order of the lines. Their origin is the file's name,
    partition 0 and the line's number. ``documents`` and ``errors`` count the lines read so far; a line needs
    a time of its own, for there is no broker to give it one.

    Raises:
        ModelError: the release cannot be used.
        InputError: the file cannot be read.
    """

    def __init__(self, settings: Settings, path: Path, label: str = "scoring") -> None:
        self.stream = next(iter(settings.streams))
        self.scorer = open_scorer(settings.scoring)
        self.documents = self.errors = 0
        self._reading = Reading.of(self.scorer, {self.stream: settings.streams[self.stream]})
        self._intake = Intake(settings.intake, WatchList.load(settings.intake.watchlist))
        self._longest = settings.intake.max_record_bytes
        self._path = path
        self._label = label

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages whose documents count in series."""
        return self.scorer.languages

    def __iter__(self) -> Iterator[ScoredDocument]:
        return in_event_order(self._scored())

    def _scored(self) -> Iterator[ScoredDocument]:
        lines = read_lines(self._path, self._longest, self._label)
        name = self._path.name[:200]
        while chunk := list(islice(lines, CHUNK_LINES)):
            read = [self._intake.read(line.value, Origin(name, 0, line.number), None, self.stream) for line in chunk]
            documents = [item for item in read if isinstance(item, Document)]
            self.errors += len(read) - len(documents)
            for document, result in zip(documents, score_each(self.scorer, documents), strict=True):
                if isinstance(result, Failed):
                    self.errors += 1
                    continue
                self.documents += 1
                yield scored_document(document, *result, self._reading)
