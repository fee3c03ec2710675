"""Files of documents (JSONL, CSV, Parquet; text also gzipped) as rows that are ready to be sent.

A row without an id gets one from its content, so that sending a file again sends the same ids. Rows that are
no documents come out as :class:`BadRow`, in their place.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from streams.errors import InputError
from streams.intake.event_time import parse_time

LARGEST_ROW = 1_000_000
"""Brokers take a little over a megabyte unless told otherwise."""
LISTS = ("entities", "tickers")
TEXTS = frozenset({"text", "title", "body"})
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Row:
    """One document: its number in the file (from 1), its id, its JSON bytes, and when it happened, if it says."""

    number: int
    id: str
    value: bytes
    event_ms: int | None


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be sent, and why."""

    number: int
    error: str


def rows(path: Path) -> Iterator[Row | BadRow]:
    """The rows of the file ``path``, in its order; ``-`` is JSONL on standard input.

    Raises:
        InputError: there is no such file, its name ends in none of .jsonl, .csv, .parquet (or .gz behind
            the first two), or it is not what its name says.
    """
    if str(path) == "-":
        return _jsonl(sys.stdin.buffer)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    readers: dict[str, Callable[[Path], Iterator[Row | BadRow]]] = {
        ".jsonl": _jsonl_file,
        ".ndjson": _jsonl_file,
        ".json": _jsonl_file,
        ".csv": _csv_file,
        ".parquet": _parquet_file,
    }
    if kind.lower() not in readers:
        raise InputError(f"{path}: name a .jsonl, .csv or .parquet file (the first two may be gzipped)")
    return _guarded(path, readers[kind.lower()](path))


def shifted(row: Row, by_ms: int) -> Row:
    """``row`` with its ``published_at`` moved by ``by_ms``."""
    if row.event_ms is None:
        return row
    moved = row.event_ms + by_ms
    document = msgspec.json.decode(row.value)
    document["published_at"] = moved
    return Row(row.number, row.id, msgspec.json.encode(document), moved)


def _guarded(path: Path, found: Iterator[Row | BadRow]) -> Iterator[Row | BadRow]:
    try:
        yield from found
    except (OSError, EOFError, UnicodeError) as exc:
        raise InputError(f"{path}: cannot be read: {exc}") from exc


def _jsonl_file(path: Path) -> Iterator[Row | BadRow]:
    with _opened(path) as lines:
        yield from _jsonl(lines)


def _jsonl(lines: Iterable[bytes]) -> Iterator[Row | BadRow]:
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if line:
            yield from_line(number, line.removeprefix(b"\xef\xbb\xbf"))


def from_line(number: int, line: bytes) -> Row | BadRow:
    """The document in ``line``, one JSON object."""
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return BadRow(number, "not JSON")
    if not isinstance(document, dict):
        return BadRow(number, "not a JSON object")
    return _row(number, document, line)


def _csv_file(path: Path) -> Iterator[Row | BadRow]:
    csv.field_size_limit(LARGEST_ROW)
    with _opened(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text)
        try:
            names = [name.strip().lower() for name in next(reader, [])]
            if not TEXTS & set(names):
                raise InputError(f"{path}: its first line must name columns, among them text, title or body")
            for number, cells in enumerate(reader, 2):
                if cells:
                    yield _from_cells(number, names, cells)
        except csv.Error as exc:
            raise InputError(f"{path}, line {reader.line_num}: {exc}") from exc


def _from_cells(number: int, names: list[str], cells: list[str]) -> Row | BadRow:
    if len(cells) > len(names):
        return BadRow(number, f"{len(cells)} cells under {len(names)} columns")
    document: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        if cell.strip():
            document[name] = [part.strip() for part in cell.split(";") if part.strip()] if name in LISTS else cell
    return _row(number, document, None)


def _parquet_file(path: Path) -> Iterator[Row | BadRow]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise InputError(f"{path}: Parquet needs pyarrow: pip install pyarrow, or give JSONL or CSV") from exc
    try:
        table = pyarrow.parquet.ParquetFile(path)
        names = {name.lower() for name in table.schema_arrow.names}
        if not TEXTS & names:
            raise InputError(f"{path}: has no column text, title or body")
        number = 0
        for batch in table.iter_batches(batch_size=1_000):
            for record in batch.to_pylist():
                number += 1
                yield _from_record(number, record)
    except pyarrow.ArrowException as exc:
        raise InputError(f"{path}: {str(exc)[:300]}") from exc


def _from_record(number: int, record: dict[str, Any]) -> Row | BadRow:
    document = {
        name.lower(): value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in record.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }
    return _row(number, document, None)


def _row(number: int, document: dict[str, Any], line: bytes | None) -> Row | BadRow:
    """A row of ``document``; ``line`` is its JSON where there is one, and is sent untouched if it has an id."""
    if not any(isinstance(document.get(name), str) and document[name] for name in TEXTS):
        return BadRow(number, "no text, title or body")
    try:
        value = line if line is not None else msgspec.json.encode(document)
    except (TypeError, ValueError) as exc:
        return BadRow(number, f"a column cannot be written as JSON: {exc}")
    given = document.get("id")
    if isinstance(given, str | int) and not isinstance(given, bool) and given != "":
        name = str(given)
    else:
        name = hashlib.sha256(value).hexdigest()[:32]
        value = msgspec.json.encode({**document, "id": name})
    if len(value) > LARGEST_ROW:
        return BadRow(number, f"{len(value)} bytes; at most {LARGEST_ROW} can be sent")
    published_at = document.get("published_at")
    if isinstance(published_at, bool) or not isinstance(published_at, str | int | float):
        return Row(number, name, value, None)
    return Row(number, name, value, parse_time(published_at))


def _opened(path: Path) -> io.BufferedReader:
    with path.open("rb") as probe:
        packed = probe.read(2) == _GZIP
    return io.BufferedReader(gzip.GzipFile(path)) if packed else path.open("rb")
