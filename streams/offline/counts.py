"""Reading count tables for ``tocsin detect``: CSV rows of any order, many series, gaps, 5 or 15 minutes."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.errors import InputError

ROW_LENGTHS = (900, 300)
"""Seconds of a row, the longer one first: a series whose rows all lie on quarter hours is read as such."""
REQUIRED = ("series", "start", "total")
MOST_REMEMBERED = 500_000
Value = TypeVar("Value")


@dataclass
class CountSeries:
    """One series: per row its line in :attr:`CountTable.rows`, its start (s since the epoch) and its counts."""

    name: str
    lines: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    negatives: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class CountTable:
    """The rows of a file as text, and its series in order of name. Without negatives, volume alone decides."""

    columns: list[str]
    rows: list[list[str]]
    series: list[CountSeries]
    has_negative: bool


def read_counts(path: Path) -> CountTable:
    """Read ``series,start,total[,negative][,...]``; ``start`` is ISO 8601 (UTC where it does not say) or epoch seconds.

    Raises:
        InputError: the file is missing, lacks a column, or a row has no usable number or time; the line is named.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            columns = [name.strip() for name in next(reader, [])]
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise InputError(f"{path} cannot be read: {exc}") from exc
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}; it needs {','.join(REQUIRED)}[,negative]")
    at_series, at_start, at_total = (columns.index(name) for name in REQUIRED)
    at_negative = columns.index("negative") if "negative" in columns else None
    found: dict[str, CountSeries] = {}
    times = _Memory(epoch_seconds)
    numbers = _Memory(count_of)
    for line, row in enumerate(rows):
        try:
            name, seconds, total = row[at_series], times[row[at_start]], numbers[row[at_total]]
            negative = total if at_negative is None else numbers[row[at_negative]]
            if negative > total:
                raise ValueError(f"negative {negative:g} is more than total {total:g}")
        except (ValueError, IndexError, OverflowError) as exc:
            raise InputError(f"{path}, row {line + 2}: {exc}") from exc
        series = found.get(name)
        if series is None:
            series = found[name] = CountSeries(name)
        series.lines.append(line)
        series.starts.append(seconds)
        series.totals.append(total)
        series.negatives.append(negative)
    return CountTable(columns, rows, [found[name] for name in sorted(found)], at_negative is not None)


class _Memory(dict[str, Value], Generic[Value]):
    """What a text was read as: in a table of many rows, times and counts come again and again."""

    def __init__(self, read: Callable[[str], Value]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> Value:
        value = self._read(text)
        if len(self) < MOST_REMEMBERED:
            self[text] = value
        return value


def row_seconds(starts: NDArray[np.int64]) -> int:
    """The length of a series' rows, from the distances between them: 900 or 300.

    Raises:
        InputError: the rows lie on neither grid.
    """
    apart = np.diff(np.unique(starts))
    shared = int(np.gcd.reduce(apart)) if apart.size else ROW_LENGTHS[0]
    for length in ROW_LENGTHS:
        if shared % length == 0:
            return length
    raise InputError(f"rows are {shared} s apart; counts are read in rows of 5 or 15 minutes")


def epoch_seconds(text: str) -> int:
    """Seconds since the epoch of an ISO 8601 time or a number.

    >>> epoch_seconds("1970-01-01T00:15:00Z"), epoch_seconds("1970-01-01 00:15:00"), epoch_seconds("900")
    (900, 900, 900)
    """
    text = text.strip()
    try:
        return int(float(text))
    except ValueError:
        moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def count_of(text: str) -> float:
    """A count: finite and not negative; empty is zero."""
    value = float(text) if text.strip() else 0.0
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{text!r} is not a count")
    return value
