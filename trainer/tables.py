"""Rows of a file as dictionaries: JSON Lines, CSV and Parquet, told apart by the file's name."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from trainer.errors import DataError


def read_table(path: Path) -> Iterator[Any]:
    """The rows of ``path``: whatever its lines hold, without the empty cells of a CSV.

    Raises:
        DataError: the file cannot be read as what its name says (``.jsonl``, ``.csv``, ``.parquet``, ``.gz``).
    """
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    try:
        if kind == "parquet":
            yield from _parquet(path)
        else:
            with (
                gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file
            ):
                yield from _csv(path, file) if kind == "csv" else _lines(path, file)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise DataError(f"{path} cannot be read: {exc}") from exc


def _lines(path: Path, file: IO[str]) -> Iterator[Any]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as exc:
                raise DataError(f"{path}:{number}: not JSON: {exc}") from exc


def _csv(path: Path, file: IO[str]) -> Iterator[dict[str, Any]]:
    for row in csv.DictReader(file):
        held: dict[str, Any] = {name: value for name, value in row.items() if name and value}
        if "entities" in held:
            try:
                held["entities"] = json.loads(held["entities"])
            except ValueError as exc:
                raise DataError(f"{path}: entities {held['entities']!r:.80} are not JSON") from exc
        yield held


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        for batch in file.iter_batches(1024):
            for row in batch.to_pylist():
                yield {name: value for name, value in row.items() if value is not None}
    except pyarrow.ArrowException as exc:
        raise DataError(f"{path} cannot be read: {exc}") from exc
