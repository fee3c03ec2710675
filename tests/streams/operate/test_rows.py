"""Files become rows: ids are kept or made from the content, and what is no document is told by its number."""

from __future__ import annotations

import gzip
import io
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.errors import InputError
from streams.operate.rows import BadRow, Row, rows, shifted


def good(path: Path) -> list[Row]:
    return [row for row in rows(path) if isinstance(row, Row)]


def bad(path: Path) -> list[tuple[int, str]]:
    return [(row.number, row.error) for row in rows(path) if isinstance(row, BadRow)]


def test_a_line_with_an_id_is_sent_as_it_is(tmp_path: Path) -> None:
    line = b'{"id": 7, "text":  "Acme \\u00fcber alles", "published_at": "2024-05-21T00:00:00Z", "x": {"y": [1]}}'
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\n")
    (row,) = good(path)
    assert (row.number, row.id, row.value, row.event_ms) == (1, "7", line, 1_716_249_600_000)


def test_a_line_without_an_id_gets_the_same_one_each_time(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "one"}\n{"text": "two", "id": null}\n{"text": "three", "id": ""}\n')
    first, again = good(path), good(path)
    assert first == again
    assert len({row.id for row in first}) == 3
    assert [json.loads(row.value)["id"] for row in first] == [row.id for row in first]
    assert first[0].event_ms is None


def test_what_is_no_document_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    lines = [b"{broken", b"[1]", b'{"text": ""}', b'{"title": 3}', b'{"text": "\xff"}', b'{"text": NaN}']
    path.write_bytes(b"\n".join([*lines, b"[" * 100_000, b'{"text": "' + b"x" * 1_000_001 + b'"}', b'{"text": "ok"}']))
    assert [number for number, _ in bad(path)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert bad(path)[1][1] == "not a JSON object"
    assert "1000000" in bad(path)[-1][1]
    assert [row.number for row in good(path)] == [9]


def test_standard_input_and_gzip_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"id": "a", "text": "t"}\n'))
    assert [row.id for row in good(packed)] == ["a"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.decompress(packed.read_bytes()))))
    assert [row.id for row in good(Path("-"))] == ["a"]


def test_csv_columns_become_fields(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(
        "ID, Text ,entities,stars,published_at,source\n"
        'a,"two\nlines, one ""quote""",Acme; Globex ;,4.5,2024-05-21,\n'
        "b,short\n"
        "c,x,,,,wire,surplus\n",
        encoding="utf-8-sig",
    )
    first, second = good(path)
    assert json.loads(first.value) == {
        "id": "a",
        "text": 'two\nlines, one "quote"',
        "entities": ["Acme", "Globex"],
        "stars": "4.5",
        "published_at": "2024-05-21",
    }
    assert first.event_ms == 1_716_249_600_000
    assert json.loads(second.value) == {"id": "b", "text": "short"}
    assert bad(path) == [(4, "7 cells under 6 columns")]


def test_parquet_columns_become_fields(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    table = pa.table(
        {
            "id": ["a", None],
            "Text": ["one", "two"],
            "published_at": pa.array([datetime(2024, 5, 21, tzinfo=UTC), None], pa.timestamp("ms", tz="UTC")),
            "entities": [["Acme"], None],
            "stars": [4.0, float("nan")],
            "price": [Decimal("1.5"), None],
        }
    )
    pq.write_table(table, path)
    first, second = good(path)
    assert json.loads(first.value) == {
        "id": "a",
        "text": "one",
        "published_at": "2024-05-21T00:00:00+00:00",
        "entities": ["Acme"],
        "stars": 4.0,
        "price": "1.5",
    }
    assert first.event_ms == 1_716_249_600_000
    assert set(json.loads(second.value)) == {"id", "text"}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("in.txt", b"x", r"\.jsonl, \.csv or \.parquet"),
        ("in.csv", b"a,b\n1,2\n", "text, title or body"),
        ("in.csv", b"", "text, title or body"),
        ("in.csv", b'text\n"' + b"x" * 1_100_000 + b'"\n', "line 2"),
        ("in.parquet", b"PAR1 but not really PAR1", "in.parquet"),
        ("in.jsonl.gz", b"\x1f\x8bnot gzip", "cannot be read"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_an_input_error(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        list(rows(tmp_path / name))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        rows(tmp_path / "absent.jsonl")


def test_a_shift_moves_the_time_and_nothing_else() -> None:
    row = Row(1, "a", b'{"id":"a","text":"t","published_at":"2024-05-21T00:00:00Z"}', 1_716_249_600_000)
    moved = shifted(row, 1000)
    assert json.loads(moved.value) == {"id": "a", "text": "t", "published_at": 1_716_249_601_000}
    assert moved.event_ms == 1_716_249_601_000
    untimed = Row(1, "a", b"{}", None)
    assert shifted(untimed, 1000) is untimed
