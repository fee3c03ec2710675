from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.intake import Alias, Entity, WatchList
from streams.intake.finder import Finder, fold, locate
from streams.intake.signature import words_of


def found(watchlist: WatchList, text: str) -> list[tuple[str, str]]:
    """(entity, what it was called) in the order of the text."""
    folded = fold(text)
    hits = Finder(watchlist).find(text, folded, lambda: frozenset(words_of(folded)))
    return [(hit.entity_id, text[hit.start : hit.end]) for hit in hits]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Northwind falls", "Northwind"),
        ("NORTHWIND FALLS", "NORTHWIND"),
        ("northwind's woes", "northwind"),
        ("#Northwind!", "Northwind"),
        ("(Northwind)", "Northwind"),
        ("ex-Northwind boss", "Northwind"),
        ("Northwind Traders sinks", "Northwind Traders"),
        ("buy $NWT now", "NWT"),
        ("buy $nwt now", "nwt"),
        ("Traders (NYSE: NWT) fall", "NWT"),
        ("Traders (NASDAQ:NWT) fall", "NWT"),
        ("Traders, NYSE American: NWT", "NWT"),
    ],
)
def test_an_entity_is_found_however_it_is_written(watchlist: WatchList, text: str, name: str) -> None:
    assert found(watchlist, text) == [("northwind", name)]


@pytest.mark.parametrize(
    "text",
    [
        "Northwinds blow",
        "the great_northwind_file",
        "NWT is a territory",
        "section: NWT",
        "$NWTX rises",
        "$NWT.B rises",
        "see https://example.com/northwind/news",
        "see www.northwind.example",
        "",
    ],
)
def test_a_word_that_only_looks_like_it_is_not_found(watchlist: WatchList, text: str) -> None:
    assert found(watchlist, text) == []


def test_the_longest_name_wins(watchlist: WatchList) -> None:
    assert found(watchlist, "Kite Foods and Kite agree") == [("kite-foods", "Kite Foods"), ("kite", "Kite")]


def test_a_longer_name_that_does_not_count_leaves_the_shorter_one() -> None:
    watchlist = WatchList(
        [
            Entity(id="bank", name="Bank of Kite"),
            Entity(id="kite-bank", name="XX", aliases=(Alias(text="Bank of Kite City", context=("mayor",)),)),
        ]
    )
    assert found(watchlist, "Bank of Kite City opens") == [("bank", "Bank of Kite")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bullseye shares fall", [("bullseye", "Bullseye")]),
        ("Shares of Bullseye fall", [("bullseye", "Bullseye")]),
        ("She hit the Bullseye", []),
        ("a bullseye for the shares", []),
        ("Bullseye game shares", []),
        ("Bullseye-game shares", []),
        ("Bullseye gamesters sell shares", [("bullseye", "Bullseye")]),
        ("The Eye sells", [("bullseye", "The Eye")]),
        ("an apple in the eye", []),
    ],
)
def test_an_ambiguous_name_counts_only_under_its_rules(
    watchlist: WatchList, text: str, expected: list[tuple[str, str]]
) -> None:
    assert found(watchlist, text) == expected


def test_a_phrase_can_be_context() -> None:
    watchlist = WatchList([Entity(id="gap", name="Gap", aliases=(Alias(text="Gap", context=("clothing chain",)),))])
    assert found(watchlist, "The clothing chain Gap") == [("gap", "Gap")]


@pytest.mark.parametrize(("text", "expected"), [("GX falls", 1), ("Gx falls", 0), ("gx falls", 0)])
def test_a_short_name_minds_its_case(watchlist: WatchList, text: str, expected: int) -> None:
    assert len(found(watchlist, text)) == expected


@pytest.mark.parametrize(("text", "expected"), [("$K falls", 1), ("$k falls", 0), ("K falls", 0), ("$KT.B falls", 1)])
def test_short_tickers_are_cashtags_in_upper_case(watchlist: WatchList, text: str, expected: int) -> None:
    assert len(found(watchlist, text)) == expected


@pytest.mark.parametrize(("text", "expected"), [("KTF falls", 1), ("ktf falls", 0), ("KTFX falls", 0)])
def test_bare_tickers_count_where_the_list_says_so(watchlist: WatchList, text: str, expected: int) -> None:
    assert len(found(watchlist, text)) == expected


def test_names_without_spaces_around_are_found_in_scripts_that_have_none(watchlist: WatchList) -> None:
    assert found(watchlist, "昨日の鈴蘭電機株は下落") == [("suzuran", "鈴蘭電機")]


def test_letters_that_grow_in_lower_case_do_not_shift_what_follows(watchlist: WatchList) -> None:
    assert found(watchlist, "İİİ Northwind") == [("northwind", "Northwind")]


def test_an_empty_list_finds_nothing() -> None:
    assert found(WatchList(), "Northwind") == []


@given(st.text(st.sampled_from("Northwid Kite Foods$NWT:( .\u0130鈴蘭電機")))
def test_hits_are_in_order_and_apart(text: str) -> None:
    watchlist = WatchList(
        [Entity(id="n", name="North", tickers=("NWT",)), Entity(id="k", name="Kit"), Entity(id="s", name="鈴蘭")]
    )
    hits = Finder(watchlist).find(text, fold(text), frozenset)
    assert all(left.end <= right.start for left, right in pairwise(hits))


@given(st.text(max_size=80))
def test_folding_keeps_the_length(text: str) -> None:
    assert len(fold(text)) == len(text)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Contoso", "Why Contoso fell", (4, 11)),
        ("contoso", "Why Contoso fell", (4, 11)),
        ("May", "may May fall", (4, 7)),
        ("Cont", "Why Contoso fell", None),
        ("Cont", "Contoso or Cont", (11, 15)),
        ("", "Contoso", None),
    ],
)
def test_a_given_name_is_located_as_a_word(name: str, text: str, expected: tuple[int, int] | None) -> None:
    assert locate(name, text, fold(text)) == expected
