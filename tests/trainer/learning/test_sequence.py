"""`tocsin bench learning` on two domains that contradict each other: its tables, and that forgetting is seen."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.labels import SENTIMENTS
from tests.bench import learning
from tests.trainer.conftest import Court
from tests.trainer.learning.test_update import RATES, shifted
from trainer.data import Example


def write_domain(folder: Path, rows: list[Example]) -> None:
    folder.mkdir(parents=True)
    for name, some in (("train", rows[:240]), ("test", rows[240:])):
        lines = [json.dumps({"text": row.text, "sentiment": SENTIMENTS[row.sentiment or 0]}) for row in some]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def report(court: Court, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    place = tmp_path_factory.mktemp("sequence")
    known = [row for row in (*court.sets.anchors, *court.sets.recent) if row.sentiment is not None]
    write_domain(place / "02-shifted", shifted(340, 8))
    write_domain(place / "01-known", known[:340])
    rates = replace(RATES, epochs=4)
    return learning.bench(learning.Arena(place, court.champion, rates, court.base))


def test_the_tables_have_a_row_before_and_after_each_domain(report) -> None:
    assert report["domains"] == ["01-known", "02-shifted"]
    for name in ("accuracy", "sequential_accuracy"):
        assert [len(row) for row in report[name]] == [2, 2, 2]
    assert report["accuracy"][0] == report["sequential_accuracy"][0]
    assert len(report["joint_accuracy"]) == 2
    assert report["average"] == pytest.approx(sum(report["accuracy"][2]) / 2, abs=1e-3)
    assert report["backward_transfer"] == pytest.approx(report["accuracy"][2][0] - report["accuracy"][1][0], abs=1e-3)


def test_what_is_rehearsed_is_kept_and_what_is_new_is_learnt(report) -> None:
    assert report["accuracy"][2][1] > report["accuracy"][0][1] + 0.3
    assert report["average_over_joint"] > 0.9
    assert report["accuracy"][2][0] >= report["sequential_accuracy"][2][0] - 0.02
    assert report["gain_over_sequential"] > 0.5, "the two domains contradict each other"


def test_the_figures_follow_from_the_tables() -> None:
    assert doctest.testmod(learning).attempted == 4
