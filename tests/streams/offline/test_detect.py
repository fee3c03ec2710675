from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from streams.errors import InputError
from streams.offline.counts import epoch_seconds, read_counts, row_seconds
from streams.offline.detect import run

START = datetime(2024, 1, 1, tzinfo=UTC)
Row = list[object]


def counts(name: str, days: int, minutes: int = 15, seed: int = 1, spike_at: int | None = None) -> list[Row]:
    """Calm rows with, perhaps, an hour of negatives from row ``spike_at`` on."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for i in range(days * 1440 // minutes):
        total = int(rng.poisson(8 * minutes / 15))
        negative = int(rng.binomial(total, 0.25))
        if spike_at is not None and 0 <= i - spike_at < 60 // minutes:
            total, negative = total + 40, negative + 38
        rows.append([name, (START + timedelta(minutes=minutes * i)).strftime("%Y-%m-%dT%H:%M:%SZ"), total, negative])
    return rows


def detected(tmp_path: Path, rows: list[Row], columns: str = "series,start,total,negative", budget: float = 0.01):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split(","))
        writer.writerows(row[: len(columns.split(","))] for row in rows)
    assert run(source, target, budget) == 0
    with target.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("minutes", [5, 15])
def test_a_spike_rings_under_one_id_and_a_calm_series_does_not(tmp_path: Path, minutes: int) -> None:
    at = 7 * 1440 // minutes
    rows = counts("spike", 9, minutes, seed=2, spike_at=at) + counts("calm", 9, minutes, seed=3)
    out = detected(tmp_path, rows)
    ringing = [row for row in out if row["alert_id"]]
    assert {row["series"] for row in ringing} == {"spike"}
    assert len({row["alert_id"] for row in ringing}) == 1
    assert ringing[0]["start"] == rows[at][1]
    assert all(row["state"] in ("firing", "recovering") for row in ringing)
    assert float(ringing[0]["score"]) >= float(ringing[0]["threshold"])


def test_the_order_of_the_rows_changes_nothing(tmp_path: Path) -> None:
    rows = counts("b", 3, seed=4, spike_at=200) + counts("a", 3, seed=5)
    ordered = detected(tmp_path, rows)
    random.Random(1).shuffle(rows)
    assert detected(tmp_path, rows) == ordered
    assert [row["series"] for row in ordered] == ["a"] * 288 + ["b"] * 288


def test_what_comes_later_does_not_change_what_was_said(tmp_path: Path) -> None:
    rows = counts("a", 6, seed=6, spike_at=300)
    assert detected(tmp_path, rows)[:400] == detected(tmp_path, rows[:400])


def test_one_series_does_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    alone = counts("m", 5, seed=7, spike_at=300)
    others = counts("a", 9, 5, seed=8) + counts("z", 2, seed=9, spike_at=100) + counts("k", 7, seed=10)
    assert [row for row in detected(tmp_path, alone + others) if row["series"] == "m"] == detected(tmp_path, alone)


def test_missing_rows_count_as_zero(tmp_path: Path) -> None:
    rows = counts("a", 4, seed=11, spike_at=350)
    whole = [[*row[:2], *((0, 0) if i % 3 else row[2:])] for i, row in enumerate(rows)]
    holes = [row for i, row in enumerate(whole) if i % 3 == 0 or i == len(whole) - 1]
    kept = {str(row[1]) for row in holes}
    assert detected(tmp_path, holes) == [row for row in detected(tmp_path, whole) if row["start"] in kept]


def test_without_negatives_volume_alone_decides(tmp_path: Path) -> None:
    rows = counts("a", 9, seed=12, spike_at=7 * 96)
    out = detected(tmp_path, rows, "series,start,total")
    assert {row["start"] for row in out if row["state"] == "firing"} >= {rows[7 * 96][1]}


def test_a_burst_that_is_not_negative_does_not_ring(tmp_path: Path) -> None:
    rows = counts("a", 9, seed=13)
    for row in rows[700:704]:
        row[2] = int(str(row[2])) + 60
        row[3] = int(str(row[3])) + 12
    assert {row["state"] for row in detected(tmp_path, rows)} <= {"inactive", "pending"}


def test_a_smaller_budget_asks_for_a_higher_score(tmp_path: Path) -> None:
    rows = counts("a", 16, seed=14)
    thresholds = [float(detected(tmp_path, rows, budget=budget)[-1]["threshold"]) for budget in (0.1, 0.01, 0.001)]
    assert np.diff(thresholds) == pytest.approx([1, 1], abs=1e-3)


def test_a_gap_of_decades_is_not_stepped_through(tmp_path: Path) -> None:
    rows = counts("a", 2, seed=15)
    rows.append(["a", "2064-01-01T00:00:00Z", 3, 1])
    assert len(detected(tmp_path, rows)) == len(rows)


def test_other_columns_pass_through(tmp_path: Path) -> None:
    rows = [[*row, f"note {i}"] for i, row in enumerate(counts("a", 1))]
    out = detected(tmp_path, rows, "series,start,total,negative,note")
    assert [row["note"] for row in out] == [f"note {i}" for i in range(96)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("series,start\na,2024-01-01T00:00:00Z\n", "no column total"),
        ("series,start,total\na,yesterday,3\n", "row 2"),
        ("series,start,total\na,2024-01-01T00:00:00Z,nan\n", "not a count"),
        ("series,start,total\na,2024-01-01T00:00:00Z,-1\n", "not a count"),
        ("series,start,total,negative\na,2024-01-01T00:00:00Z,1,2\n", "more than total"),
        ("series,start,total\na\n", "row 2"),
        ("series,start,total\na,2024-01-01T00:00:00Z,1\na,2024-01-01T00:07:00Z,1\n", "420 s apart"),
    ],
)
def test_unusable_input_is_named_by_line(tmp_path: Path, text: str, complaint: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text(text)
    with pytest.raises(InputError, match=complaint):
        run(source, tmp_path / "out.csv", 0.01)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv"):
        read_counts(tmp_path / "none.csv")


def test_times_are_read_with_offset_without_and_as_numbers() -> None:
    assert epoch_seconds("2024-01-01T01:00:00+01:00") == epoch_seconds("2024-01-01 00:00:00") == 1_704_067_200
    assert epoch_seconds("1704067200.0") == 1_704_067_200


def test_the_grid_may_begin_anywhere() -> None:
    assert row_seconds(np.array([163, 463, 1063])) == 300
    assert row_seconds(np.array([163, 1063, 2863])) == 900
    assert row_seconds(np.array([7])) == 900
