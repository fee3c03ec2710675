from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streams.intake.mentions import LONGEST_NAME
from streams.records import Document, Mention

Accepted = Callable[..., Document]


def named(document: Document) -> list[tuple[str, str]]:
    return [(mention.id, mention.name) for mention in document.mentions]


def shown(document: Document) -> list[str | None]:
    """What stands at each mention's place in the original text."""
    return [None if m.start is None else document.text[m.start : m.end] for m in document.mentions]


def test_entities_that_a_record_names_are_placed_in_its_text(accepted: Accepted) -> None:
    document = accepted(
        {"title": "Contoso wins", "body": "while Fabrikam loses", "entities": ["Contoso", {"name": "Fabrikam"}]}
    )
    assert document.mentions == (
        Mention("Contoso", "contoso", 0, 7, 0, 7),
        Mention("Fabrikam", "fabrikam", 19, 27, 19, 27),
    )


def test_an_entity_that_the_text_does_not_name_has_no_place(accepted: Accepted) -> None:
    assert accepted({"text": "It falls", "entities": ["Contoso"]}).mentions == (Mention("Contoso", "contoso"),)


@pytest.mark.parametrize(
    "entities",
    ["Contoso", {"name": "Contoso"}, ["Contoso"], ["Contoso", None, "CONTOSO", {"name": None}, "", "  ", "!!"]],
)
def test_one_name_may_come_in_many_forms(accepted: Accepted, entities: Any) -> None:
    assert [m.id for m in accepted({"text": "It falls", "entities": entities}).mentions] == ["contoso"]


def test_a_given_place_is_kept(accepted: Accepted) -> None:
    text = "Contoso fell and Contoso rose"
    document = accepted({"text": text, "entities": [{"name": "Contoso", "start": 17, "end": 24}]})
    assert document.mentions == (Mention("Contoso", "contoso", 17, 24, 17, 24),)


@pytest.mark.parametrize("place", [(-1, 3), (5, 5), (9, 4), (0, 10**9), (10**12, 10**13)])
def test_a_place_outside_the_text_is_looked_for_instead(accepted: Accepted, place: tuple[int, int]) -> None:
    document = accepted(
        {"text": "So Contoso fell", "entities": [{"name": "Contoso", "start": place[0], "end": place[1]}]}
    )
    assert document.mentions == (Mention("Contoso", "contoso", 3, 10, 3, 10),)


def test_places_count_in_the_original_and_in_what_is_heard(accepted: Accepted) -> None:
    text = "Ba\u200bd: N\u043erth\u200bwind falls"
    mention = accepted({"text": text}).mentions[0]
    assert (text[mention.start : mention.end], mention.heard_start) == ("N\u043erth\u200bwind", 5)


def test_a_given_place_is_carried_over_to_what_is_heard(accepted: Accepted) -> None:
    text = "\u200b\u200bSo Contoso fell"
    document = accepted({"text": text, "entities": [{"name": "Contoso", "start": 5, "end": 12}]})
    mention = document.mentions[0]
    assert document.heard[mention.heard_start : mention.heard_end] == "Contoso"


def test_the_watch_list_finds_what_the_record_does_not_name(accepted: Accepted) -> None:
    document = accepted({"text": "Kite sues Northwind"})
    assert named(document) == [("kite", "Kite"), ("northwind", "Northwind Traders")]


def test_an_entity_named_twice_is_mentioned_once_where_it_stands_first(accepted: Accepted) -> None:
    document = accepted({"text": "Northwind! $NWT, Northwind Traders", "tickers": ["NWT"], "entities": ["northwind"]})
    assert shown(document) == ["Northwind"]


@pytest.mark.parametrize("tickers", [["NWT"], ["$nwt"], "NWT", "NWT,"])
def test_a_ticker_on_the_list_names_its_entity(accepted: Accepted, tickers: Any) -> None:
    assert named(accepted({"text": "It falls", "tickers": tickers})) == [("northwind", "Northwind Traders")]


def test_a_ticker_of_nobody_known_gets_an_id_of_its_own(accepted: Accepted) -> None:
    assert named(accepted({"text": "It falls", "tickers": ["ZZQ"]})) == [("ticker:zzq", "ZZQ")]


def test_an_entity_with_a_known_ticker_is_the_listed_one(accepted: Accepted) -> None:
    document = accepted({"text": "It falls", "entities": [{"name": "NWT Holdings plc", "ticker": "NWT"}]})
    assert named(document) == [("northwind", "NWT Holdings plc")]


def test_product_and_brand_of_a_review_are_entities(accepted: Accepted) -> None:
    document = accepted({"text": "Stopped working", "product": "Kettle 3000", "brand": "Fabrikam"})
    assert named(document) == [("product:kettle-3000", "Kettle 3000"), ("brand:fabrikam", "Fabrikam")]


def test_a_brand_on_the_list_is_the_listed_entity(accepted: Accepted) -> None:
    assert named(accepted({"text": "Stopped working", "brand": "NORTHWIND"})) == [("northwind", "NORTHWIND")]


def test_hidden_characters_do_not_make_another_name(accepted: Accepted) -> None:
    document = accepted({"text": "It falls", "entities": ["Cont\u200boso\r\n", "C\u043entoso"]})
    assert named(document) == [("contoso", "Contoso")]


def test_ids_cannot_smuggle_a_series(accepted: Accepted) -> None:
    ids = [m.id for m in accepted({"text": "It falls", "entities": ["a|topic:Earnings"], "product": "x|y"}).mentions]
    assert ids == ["a-topic-earnings", "product:x-y"]


def test_entities_are_bounded_and_the_cut_is_flagged(accepted: Accepted) -> None:
    document = accepted({"text": "It falls", "entities": [f"Company {i}" for i in range(10_000)]})
    assert (len(document.mentions), document.flags) == (16, ("entities_cut",))


def test_where_there_are_too_many_the_watched_ones_stay(accepted: Accepted) -> None:
    document = accepted(
        {"text": "Kite sues Northwind", "entities": [f"Company {i}" for i in range(30)]}, max_entities=3
    )
    assert [m.id for m in document.mentions] == ["kite", "northwind", "company-0"]


def test_a_name_is_bounded(accepted: Accepted) -> None:
    assert len(accepted({"text": "It falls", "entities": ["x" * 50_000]}).mentions[0].name) == LONGEST_NAME
