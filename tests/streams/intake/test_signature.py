from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.intake.finder import fold
from streams.intake.signature import NO_SIGNATURE, signature, words_of
from streams.intake.text import clean

STORY = "Northwind recalls 40,000 heaters sold since March after two fires in Ohio injured a family of four"


def signed(text: str, source: str = "", has_title: bool = False) -> int:
    folded = fold(clean(text).heard)
    return signature(folded, words_of(folded), source, has_title)


@pytest.mark.parametrize(
    "copy",
    [
        f"RT @newsdesk: {STORY}",
        f"rt @newsdesk {STORY}",
        f"RT @one: RT @two: {STORY}",
        f"wow, this is bad RT @newsdesk: {STORY}",
        f"{STORY} https://short.example/a1B2",
        f"{STORY} via @newsdesk",
        f"{STORY} - Reuters",
        f"{STORY} | CNBC",
        f"{STORY} (Bloomberg)",
        f"{STORY} $NWT #recall #heaters",
        f"$NWT {STORY}",
        f"$NWT: {STORY}",
        f"BREAKING: {STORY}",
        f"Breaking News - {STORY}",
        f"UPDATE 2-{STORY}",
        f"LONDON, May 3 (Reuters) - {STORY}",
        f"Exclusive: $NWT - {STORY}",
        STORY.upper(),
        STORY.replace(" ", "  "),
        STORY.replace("Northwind", "\u201cNorthwind\u201d"),
        STORY.replace("Northwind", "Nort\u200bhwind"),
        f"{STORY}.",
        f"RT @newsdesk: {STORY[:90]}\u2026",
        f"{STORY[:90]}...",
    ],
)
def test_a_copy_has_the_signature_of_its_story(copy: str) -> None:
    assert signed(copy) == signed(STORY)


def test_the_source_behind_the_text_is_no_part_of_the_story() -> None:
    assert signed(f"{STORY} - Ohio Valley Herald", source="Ohio Valley Herald") == signed(STORY)


@pytest.mark.parametrize(
    "other",
    [
        STORY.replace("40,000", "90,000"),
        STORY.replace("heaters", "toasters"),
        STORY.replace("Northwind", "Eastwind"),
        "Northwind denies that it knew of faulty heaters before two fires in Ohio injured a family of four",
    ],
)
def test_another_story_has_another_signature(other: str) -> None:
    assert signed(other) != signed(STORY)


def test_complaints_that_differ_in_a_number_are_many() -> None:
    complaints = [
        f"Contoso recall number {i}: batteries catch fire, customers furious, lawsuit filed" for i in range(80)
    ]
    assert len({signed(text) for text in complaints}) == 80


def test_a_number_far_down_the_first_lines_counts() -> None:
    opening = "Contoso batteries catch fire and angry customers queue at every store asking for refunds they never see"
    assert signed(f"{opening}, case 1182") != signed(f"{opening}, case 1183")


@pytest.mark.parametrize("text", ["", "ok", "Great product", "does not work at all", "\U0001f62d\U0001f62d"])
def test_text_too_short_to_compare_has_none(text: str) -> None:
    assert signed(text) == NO_SIGNATURE


def test_a_burst_of_tags_folds_by_its_tags() -> None:
    burst = "RT @tips: $AAA Remember this? http://x.example/{} $bbb $ccc $ddd $eee $fff $ggg $hhh #OPTIONS"
    assert signed(burst.format("q1")) == signed(burst.format("q2")) != NO_SIGNATURE


def test_bodies_of_one_headline_may_differ() -> None:
    first = f"{STORY}\nThe company declined to comment."
    second = f"{STORY}\nOHIO (AP) - Fire crews were called at dawn."
    assert signed(first, has_title=True) == signed(second, has_title=True)


def test_a_short_headline_is_not_the_story() -> None:
    first = "Weekly review\nThe heater stopped after two days and nobody at the shop wants to hear of it"
    second = "Weekly review\nBest heater we ever had, quiet and warm, the children love to sit beside it"
    assert signed(first, has_title=True) != signed(second, has_title=True)


@given(st.text(max_size=400), st.text(max_size=20))
def test_every_text_gets_64_bits(text: str, source: str) -> None:
    assert 0 <= signed(text, source) < 2**64
