"""JSONL files as scored documents in order of event time: what a backtest replays and what primes a watcher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path

from streams.intake import Intake, WatchList
from streams.offline.lines import read_lines
from streams.offline.ordered import in_event_order
from streams.offline.scoring import Failed, open_scorer, score_each
from streams.records import Document, Origin, ScoredDocument
from streams.scored import Reading, scored_documents
from streams.settings import Settings

CHUNK_LINES = 512


class History:
    """The documents of ``files``, heard with the release that the settings name.

    A file is given as ``STREAM=FILE``, or as ``FILE`` alone: then it is of the first stream of the settings.
    Iterating yields the documents of all files by event time, whatever the order of the lines. Their origin is
    the file's name, partition 0 and the line's number. ``documents`` and ``errors`` count the lines read so far;
    a line needs a time of its own, for there is no broker to give it one.

    Raises:
        ModelError: the release cannot be used.
        InputError: a file cannot be read.
    """

    def __init__(self, settings: Settings, files: Sequence[str], label: str = "scoring") -> None:
        self.scorer = open_scorer(settings.scoring)
        self.documents = self.errors = 0
        self._files = [stream_and_file(settings, file) for file in files]
        streams = {stream: settings.streams[stream] for stream, _ in self._files}
        self._reading = Reading.of(self.scorer, streams)
        self._intake = Intake(settings.intake, WatchList.load(settings.intake.watchlist))
        self._longest = settings.intake.max_record_bytes
        self._label = label

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages whose documents count in series."""
        return self.scorer.languages

    def __iter__(self) -> Iterator[ScoredDocument]:
        return in_event_order(chain.from_iterable(self._scored(stream, path) for stream, path in self._files))

    def _scored(self, stream: str, path: Path) -> Iterator[ScoredDocument]:
        lines = read_lines(path, self._longest, self._label)
        name = path.name[:200]
        while chunk := list(islice(lines, CHUNK_LINES)):
            read = [self._intake.read(line.value, Origin(name, 0, line.number), None, stream) for line in chunk]
            documents = [item for item in read if isinstance(item, Document)]
            self.errors += len(read) - len(documents)
            for result in score_each(self.scorer, documents, partial(scored_documents, reading=self._reading)):
                if isinstance(result, Failed):
                    self.errors += 1
                else:
                    self.documents += 1
                    yield result


def stream_and_file(settings: Settings, argument: str) -> tuple[str, Path]:
    """What ``STREAM=FILE`` or ``FILE`` means: a file whose name holds a = needs no care unless a stream leads it.

    >>> stream_and_file(Settings(), "reviews=shop.jsonl"), stream_and_file(Settings(), "day=1.jsonl")
    (('reviews', PosixPath('shop.jsonl')), ('news', PosixPath('day=1.jsonl')))
    """
    stream, equals, file = argument.partition("=")
    if equals and stream in settings.streams:
        return stream, Path(file)
    return next(iter(settings.streams)), Path(argument)
