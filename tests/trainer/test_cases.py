"""Cases written by rule are what their labels say, repeatable, and show each source its share."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from models.labels import SENTIMENTS
from trainer import cases
from trainer.cases import statements
from trainer.data import read_rows
from trainer.recipe import Recipe, chosen

NEGATIVE, NEUTRAL, POSITIVE = range(3)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", cases.KINDS)
def test_cases_are_distinct_and_the_same_for_a_seed(kind: str) -> None:
    rows = cases.write(kind, 200, 1)
    assert len({row.text.lower() for row in rows}) == len(rows) == 200
    assert rows == cases.write(kind, 200, 1) != cases.write(kind, 200, 2)
    assert all(not re.search(r"[{}<>]", row.text) for row in rows), "a slot was left open"
    assert {row.source for row in rows} == {kind}


def test_every_entity_stands_where_its_label_says() -> None:
    for row in cases.write("cases_rivals", 300, 3):
        assert row.entities
        for entity in row.entities:
            assert row.text[entity.start : entity.end].strip() == row.text[entity.start : entity.end] != ""
        moods = {entity.sentiment for entity in row.entities} - {NEUTRAL}
        assert row.sentiment == (None if len(moods) == 2 else next(iter(moods), NEUTRAL))


def test_figures_that_rise_are_good_where_more_is_better() -> None:
    told = 0
    for row in cases.write("cases_statements", 2_000, 5):
        match = re.search(r"(profit|loss) of \D*([\d.]+)\D* vs \D*([\d.]+)", row.text)
        if match is None:
            continue
        told += 1
        more = float(match[2]) > float(match[3])
        assert row.sentiment == (POSITIVE if more == (match[1] == "profit") else NEGATIVE), row.text
    assert told > 3


def test_an_order_asks_for_every_sentiment_alike_whatever_the_opinion_is() -> None:
    rows = cases.write("cases_orders", 3_000, 5)
    names = re.compile(rf"(?:label|class|mood)\W+({'|'.join(SENTIMENTS)})", re.IGNORECASE)
    asked = {row: match[1].lower() for row in rows if (match := names.search(row.text))}
    for sentiment in (NEGATIVE, NEUTRAL, POSITIVE):
        said = Counter(label for row, label in asked.items() if row.sentiment == sentiment)
        assert all(said[label] / said.total() == pytest.approx(1 / 3, abs=0.12) for label in SENTIMENTS), said


def test_entities_behind_an_order_stand_where_their_labels_say() -> None:
    found = [row.text[one.start : one.end] for row in cases.write("cases_orders", 2_000, 3) for one in row.entities]
    assert len(found) > 50
    assert all(re.fullmatch(r"[A-Z]\w+( (AB|plc|[A-Z]\w+))?", name) for name in found)


def test_no_measure_is_both_good_and_bad() -> None:
    assert not set(statements._GOOD_HIGH) & set(statements._GOOD_LOW)


def test_a_large_source_shows_every_row_before_one_comes_again() -> None:
    sources = ["big"] * 90 + ["small"] * 10
    recipe = Recipe(sources={"big": 40, "small": 100})
    seen: list[int] = []
    for epoch in range(9):
        rows = chosen(sources, recipe, epoch)
        assert sorted(row for row in rows if row >= 90) == list(range(90, 100))
        assert len(rows) == 50
        seen += [row for row in rows if row < 90]
    assert len(seen) == 360
    assert all(seen.count(row) == 4 for row in range(90))
    assert sorted(seen[:90]) == list(range(90))


def test_cases_written_out_are_read_back_as_they_are(tmp_path: Path) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "trainer.cases", "60"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    (tmp_path / "rules.jsonl").write_text(printed)
    read = read_rows(tmp_path / "rules.jsonl")
    assert read == [replace(row, source="rules") for kind in cases.KINDS for row in cases.write(kind, 60, 0)]
    assert any(row.entities for row in read)
    assert any(row.mixed for row in read)
