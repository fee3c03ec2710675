from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from streams.errors import InputError
from streams.intake import WatchList
from streams.intake.finder import Finder, fold
from streams.intake.gazetteer import import_gazetteer
from streams.intake.signature import words_of

ROWS = [
    {"text": "Fabrikam Inc.", "ticker": "FBK", "cik": 1, "aliases": ["Fabrikam Inc.", "Fabrikam"]},
    {"text": "Fabrikam Inc.", "ticker": "FBK-B", "cik": 1, "aliases": ["Fabrikam Inc.", "Fabrikam"]},
    {"text": "TARGET CONTOSO CORP", "ticker": "TCC", "cik": 2, "aliases": ["TARGET"]},
    {"text": "Fabrikam Holdings", "ticker": "FBK", "cik": 3, "aliases": ["Fabrikam"]},
    {"text": "\u00c9toile S.A.", "ticker": "not a ticker"},
]


def write(path: Path, rows: list[Any]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def found(watchlist: WatchList, text: str) -> list[str]:
    folded = fold(text)
    return [hit.entity_id for hit in Finder(watchlist).find(text, folded, lambda: frozenset(words_of(folded)))]


@pytest.fixture
def imported(tmp_path: Path) -> WatchList:
    return import_gazetteer(write(tmp_path / "all.jsonl.gz", ROWS))


def test_rows_of_one_company_become_one_entity(imported: WatchList) -> None:
    assert imported.entities["fabrikam-inc"].tickers == ("FBK", "FBK-B")


def test_a_name_that_two_companies_claim_goes_to_the_first(imported: WatchList) -> None:
    assert found(imported, "Fabrikam falls") == ["fabrikam-inc"]


def test_the_later_company_keeps_what_is_its_own(imported: WatchList) -> None:
    assert found(imported, "Fabrikam Holdings falls") == ["fabrikam-holdings"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [("Target shares fall", ["target-contoso-corp"]), ("We missed the Target", []), ("a target for shares", [])],
)
def test_an_ordinary_word_counts_only_beside_business(imported: WatchList, text: str, ids: list[str]) -> None:
    assert found(imported, text) == ids


def test_ids_are_plain_ascii(imported: WatchList) -> None:
    assert "etoile-s-a" in imported.entities


def test_a_thing_that_is_no_ticker_is_left_out(imported: WatchList) -> None:
    assert imported.entities["etoile-s-a"].tickers == ()


def test_only_the_first_companies_are_taken(tmp_path: Path) -> None:
    watchlist = import_gazetteer(write(tmp_path / "all.jsonl", ROWS), most=1)
    assert list(watchlist.entities) == ["fabrikam-inc"]


def test_an_import_survives_the_way_through_toml(imported: WatchList, tmp_path: Path) -> None:
    path = tmp_path / "watchlist.toml"
    path.write_text(imported.to_toml(), encoding="utf-8")
    assert WatchList.load(path).entities == imported.entities


def test_a_row_without_a_name_is_refused_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2"):
        import_gazetteer(write(tmp_path / "all.jsonl", [ROWS[0], {"ticker": "X"}]))


def test_a_line_that_is_not_json_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n{broken\n")
    with pytest.raises(InputError, match="line 2"):
        import_gazetteer(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        import_gazetteer(tmp_path / "nowhere.jsonl")
