"""Scored documents in order of event time, however many there are: runs sorted in memory, merged from disk."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import IO

import msgspec

from streams.records import Origin, ScoredDocument

RUN = 50_000
"""Documents sorted in memory at once; a longer input is sorted in runs that wait on disk."""
MOST_RUNS = 256
"""Runs merged at once: each holds a file open."""
KEPT_TEXT = 640
"""Characters of a text that go on: as many as a title is ever made of."""
LENGTH_BYTES = 4


def in_event_order(scored: Iterable[ScoredDocument], run: int = RUN) -> Iterator[ScoredDocument]:
    """``scored`` by (event time, origin), with texts cut to :data:`KEPT_TEXT`, in bounded memory."""
    source = iter(scored)
    first = _sorted_run(source, run)
    if len(first) < run:
        yield from first
        return
    with ExitStack() as files:
        runs = [_on_disk(first, files)]
        while batch := _sorted_run(source, run):
            runs.append(_on_disk(batch, files))
            if len(runs) == MOST_RUNS:
                runs = [_on_disk(_merged(runs), files)]
        yield from _merged(runs)


def _sorted_run(source: Iterator[ScoredDocument], run: int) -> list[ScoredDocument]:
    return sorted((_shortened(document) for document in islice(source, run)), key=_key)


def _shortened(document: ScoredDocument) -> ScoredDocument:
    if len(document.text) <= KEPT_TEXT and document.embedding is None:
        return document
    return msgspec.structs.replace(document, text=document.text[:KEPT_TEXT], embedding=None)


def _on_disk(documents: Iterable[ScoredDocument], files: ExitStack) -> IO[bytes]:
    file = files.enter_context(tempfile.TemporaryFile(prefix="tocsin-sort-"))  # noqa: SIM115 - the stack closes it
    for document in documents:
        data = _encoder.encode(document)
        file.write(len(data).to_bytes(LENGTH_BYTES, "big"))
        file.write(data)
    file.seek(0)
    return file


def _merged(runs: list[IO[bytes]]) -> Iterator[ScoredDocument]:
    return heapq.merge(*(_read(file) for file in runs), key=_key)


def _read(file: IO[bytes]) -> Iterator[ScoredDocument]:
    while head := file.read(LENGTH_BYTES):
        yield _decoder.decode(file.read(int.from_bytes(head, "big")))
    file.close()


def _key(document: ScoredDocument) -> tuple[int, Origin]:
    return document.event_ms, document.origin


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ScoredDocument)
