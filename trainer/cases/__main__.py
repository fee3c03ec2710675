"""``python -m trainer.cases [COUNT]``: so many cases of each kind as labelled rows, a line each.

Put before rows of yours they make a file for ``trainer.rehearse`` that keeps what the shipped release was taught.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from models.labels import SENTIMENTS
from trainer import cases
from trainer.data import Example


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Rows as ``trainer.data.read_rows`` reads them."""
    for kind in cases.KINDS:
        yield from (row_of(example) for example in cases.write(kind, count, 0))


def row_of(example: Example) -> dict[str, Any]:
    """One row, with what the case teaches and nothing else."""
    row: dict[str, Any] = {"text": example.text, "head": example.head}
    if example.sentiment is not None:
        row["sentiment"] = SENTIMENTS[example.sentiment]
    if example.mixed:
        row["label"] = "mixed"
    if example.entities:
        row["entities"] = [
            {"name": example.text[one.start : one.end], "start": one.start, "end": one.end,
             "sentiment": SENTIMENTS[one.sentiment]}
            for one in example.entities
        ]  # fmt: skip
    return row


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else cases.REHEARSED):
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
