from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.intake.text import clean

TRICKY = (
    "aeA 1\n\x00\u0430\u0440\u0441\u043e\u0438\u0410\u03b1\u200b\u200c\u200d\u202e\u0301\u0308\u0345\ufb01\u2460\u2122"
    "\U0001f468\ufe0f\U0001f3fd\u1100\u1161\u11a8\uffa1\uffc2\uff76\uff9e\u3131\u00a8\u3297\u00ad\ufeff\ufffd\u0085"
)
texts = st.text(st.one_of(st.sampled_from(TRICKY), st.characters(exclude_categories=["Cs"])), max_size=60)


@given(texts)
@example("a\u0430\u0301")
@example("\U0001f468\u200d\u3297")
@example("e\u200b\u0301")
def test_cleaning_is_idempotent(text: str) -> None:
    heard = clean(text).heard
    assert clean(heard).heard == heard


@given(texts)
def test_cleaned_text_is_in_compatibility_form(text: str) -> None:
    assert unicodedata.is_normalized("NFKC", clean(text).heard)


@given(texts)
def test_cleaned_text_holds_no_control_or_hidden_character(text: str) -> None:
    hidden = {c for c in clean(text).heard if unicodedata.category(c) in ("Cc", "Cf")}
    assert hidden <= {"\n", "\r", "\t", "\u200d"}


@given(texts)
def test_every_cleaned_character_maps_into_the_original(text: str) -> None:
    cleaned = clean(text)
    for place in range(len(cleaned.heard)):
        start, end = cleaned.original(place, place + 1)
        assert 0 <= start < end <= len(text)


@given(texts, st.data())
def test_a_span_maps_back_to_text_that_cleans_to_what_it_covers(text: str, data: st.DataObject) -> None:
    cleaned = clean(text)
    if not cleaned.heard:
        return
    start = data.draw(st.integers(0, len(cleaned.heard) - 1))
    end = data.draw(st.integers(start + 1, len(cleaned.heard)))
    first, last = cleaned.original(start, end)
    assert cleaned.heard_span(first, last) is not None
    covered_start, covered_end = cleaned.heard_span(first, last) or (0, 0)
    assert covered_start <= start < end <= covered_end


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_ascii_comes_back_as_it_is(text: str) -> None:
    assert clean(text).heard is text


@given(st.lists(st.sampled_from(["Battery", "died", "again", "\u201cso\u201d", "caf\u00e9", "\U0001f62d"]), max_size=8))
def test_text_without_tricks_keeps_its_positions(words: list[str]) -> None:
    text = " ".join(words)
    assert (clean(text).heard, clean(text).flags, clean(text).starts) == (text, (), None)


@pytest.mark.parametrize(
    ("text", "heard", "flags"),
    [
        ("Bat\u200btery", "Battery", ("zero_width",)),
        ("d\u0456ed", "died", ("lookalike",)),
        ("\u0410\u0440\u0440\u04cf\u0435 shares fall on weak sales", "Apple shares fall on weak sales", ("lookalike",)),
        ("\uff21\uff23\uff2d\uff25 recall", "ACME recall", ("lookalike",)),
        ("\U0001d400cme", "Acme", ("lookalike",)),
        ("sh\u03bfes", "shoes", ("lookalike",)),
        ("evil \u202etxt", "evil txt", ("bidi",)),
        ("a\x00b\x1bc", "a b c", ("control",)),
        ("so\u00adft", "soft", ("zero_width",)),
        ("bat\ufffdtery", "battery", ()),
        ("\ufeffHello", "Hello", ()),
        ("Gadget\u2122 fails", "Gadget  fails", ()),
        ("wait\u2026", "wait...", ()),
        ("e\u200b\u0301te", "\u00e9te", ("zero_width",)),
    ],
)
def test_a_trick_is_undone_and_flagged(text: str, heard: str, flags: tuple[str, ...]) -> None:
    assert (clean(text).heard, clean(text).flags) == (heard, flags)


@pytest.mark.parametrize(
    "text",
    [
        "\u043d\u043e\u0441 \u0438 \u0440\u043e\u0442",  # Russian, made of look-alikes in part
        "\u03b1\u03b2\u03b3 \u03bb\u03cc\u03b3\u03bf\u03c2",  # Greek
        "The \u03b1 and the \u03bf of it",  # single Greek letters in English
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",  # an emoji held together by joiners
        "na\u00efve caf\u00e9 \u00dcberweisung",
        "\u6771\u4eac\u306e\u6771",
    ],
)
def test_honest_text_is_left_alone(text: str) -> None:
    assert (clean(text).heard, clean(text).flags) == (text, ())


def test_joiners_of_indic_spelling_are_not_flagged() -> None:
    assert clean("\u0915\u094d\u200d\u0937").flags == ()


def test_a_span_behind_hidden_characters_is_reported_where_people_see_it() -> None:
    text = "Ba\u200bd news for N\u043erth\u200bwind today"
    cleaned = clean(text)
    start = cleaned.heard.index("Northwind")
    first, last = cleaned.original(start, start + len("Northwind"))
    assert text[first:last] == "N\u043erth\u200bwind"


def test_a_span_of_the_original_is_found_in_the_cleaned_text() -> None:
    text = "\u200b\u200bNorth\u200bwind falls"
    cleaned = clean(text)
    span = cleaned.heard_span(2, 12)
    assert span is not None
    assert cleaned.heard[slice(*span)] == "Northwind"


def test_a_span_of_nothing_but_hidden_characters_is_nowhere() -> None:
    assert clean("a\u200b\u200bb").heard_span(1, 3) is None


def test_a_long_run_of_one_script_is_cleaned_in_linear_time() -> None:
    assert len(clean("\u6771" * 200_000 + "\u200b").heard) == 200_000
