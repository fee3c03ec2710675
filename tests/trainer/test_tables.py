"""The same rows from JSON Lines, CSV and Parquet; a file that is none of them is named."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer.data import read_rows
from trainer.errors import DataError

ROWS = [
    {"text": "Acme files, at last", "topic": "IPO", "sentiment": "neutral"},
    {"text": "Bad Acme", "entities": [{"name": "Acme", "sentiment": "negative"}]},
    {"text": "lovely\nphone", "stars": 5},
]


def write(directory: Path, kind: str) -> Path:
    path = directory / f"mine.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)))
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS, schema=SCHEMA), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, ["text", "topic", "sentiment", "stars", "entities"])
            table.writeheader()
            table.writerows(
                {**row, "entities": json.dumps(row["entities"]) if "entities" in row else ""} for row in ROWS
            )
    return path


SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("topic", pa.string()),
        ("sentiment", pa.string()),
        ("stars", pa.int32()),
        ("entities", pa.list_(pa.struct([("name", pa.string()), ("sentiment", pa.string())]))),
    ]
)


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv", "parquet"])
def test_every_kind_of_file_says_the_same(tmp_path: Path, kind: str) -> None:
    listing, entity, stars = read_rows(write(tmp_path, kind))
    assert (listing.topics, listing.sentiment, listing.source) == ((("finance", 11),), 1, "mine")
    assert [(one.start, one.end, one.sentiment) for one in entity.entities] == [(4, 8, 0)]
    assert (stars.text, stars.sentiment) == ("lovely\nphone", 2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", b"not parquet"),
        ("a.jsonl", b"\xff\xfe"),
        ("a.jsonl", b'{"text": "x", "stars": 9}'),
        ("a.csv", b"text,entities\nx,{"),
        ("a.csv", b"body\nx\n"),
        ("a.jsonl.gz", b"plain"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError):
        read_rows(tmp_path / name)


def test_labels_of_ones_own_taxonomy_are_read(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({"text": "late again", "taxonomy": "mine", "topic": "Delays"}))
    (row,) = read_rows(path, {"mine": ("Other", "Delays")})
    assert row.topics == (("mine", 1),)
    with pytest.raises(DataError, match="mine"):
        read_rows(path)
