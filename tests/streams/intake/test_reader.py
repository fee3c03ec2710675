from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.intake import Intake, WatchList
from streams.intake.reader import LONGEST_HEADLINE, LONGEST_ID, LONGEST_TITLE
from streams.records import Document, Origin, Rejection
from streams.settings import IntakeSettings

BROKER_MS = 1_700_000_000_000
ORIGIN = Origin("news", 0, 7)
Accepted = Callable[..., Document]
Rejected = Callable[..., Rejection]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
field = st.sampled_from(
    ["text", "title", "body", "id", "published_at", "source", "url", "lang", "entities", "tickers", "stars", "product"]
)
plausible = st.one_of(
    anything,
    st.lists(st.fixed_dictionaries({"name": st.text(), "start": st.integers(), "end": st.integers()}), max_size=3),
)


@given(st.dictionaries(field, plausible, max_size=6))
@example({"text": "\ud800"})
@example({"text": "\ufdfa" * 50, "entities": [{"name": "\ufdfa", "start": 3, "end": 9}]})
def test_whatever_a_record_holds_it_is_read_or_refused(record: dict[str, Any]) -> None:
    intake = Intake(IntakeSettings(), WatchList())
    result = intake.read(json.dumps(record).encode(), ORIGIN, BROKER_MS, "news")
    assert isinstance(result, Document | Rejection)
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result


@given(st.text(min_size=1), st.text(max_size=20))
def test_places_of_mentions_lie_in_their_texts(text: str, name: str) -> None:
    intake = Intake(IntakeSettings(), WatchList())
    value = json.dumps({"text": text, "entities": [name, text[:20]]}).encode()
    result = intake.read(value, ORIGIN, BROKER_MS, "news")
    for mention in result.mentions if isinstance(result, Document) else ():
        if mention.start is not None and mention.end is not None:
            assert 0 <= mention.start < mention.end <= len(result.text)  # type: ignore[union-attr]


def test_equal_bytes_give_equal_documents(accepted: Accepted) -> None:
    value = b'{"text":"Northwind falls","tickers":["KTF"],"stars":2}'
    assert accepted(value) == accepted(value)


def test_a_record_keeps_its_fields(accepted: Accepted) -> None:
    document = accepted(
        {
            "id": "a-1",
            "text": "Kettle broke on day two",
            "published_at": "2014-05-21T00:00:00Z",
            "source": "Example Shop",
            "url": "https://shop.example/1",
            "lang": "en-GB",
            "stars": 1,
            "product": "Kettle",
            "brand": "Fabrikam",
        }
    )
    kept = (document.id, document.event_ms, document.source, document.url, document.lang, document.stars)
    assert kept == ("a-1", 1_400_630_400_000, "Example Shop", "https://shop.example/1", "en", 1.0)
    assert (document.origin, document.stream, document.product, document.brand) == (
        ORIGIN,
        "news",
        "Kettle",
        "Fabrikam",
    )


@pytest.mark.parametrize(("given_id", "kept"), [("a", "a"), (7, "7"), (2**70, str(2**70)), ("é ", "é ")])
def test_an_id_is_kept_as_text(accepted: Accepted, given_id: str | int, kept: str) -> None:
    assert accepted({"id": given_id, "text": "x"}).id == kept


def test_without_an_id_equal_records_share_one_wherever_they_stand(accepted: Accepted) -> None:
    intake = Intake(IntakeSettings(), WatchList())
    again = intake.read(b'{"text":"x"}', Origin("replayed", 3, 99), BROKER_MS + 5, "news")
    assert isinstance(again, Document)
    assert accepted(b'{"text":"x"}').id == again.id


@pytest.mark.parametrize("missing", [None, ""])
def test_without_an_id_other_records_have_others(accepted: Accepted, missing: str | None) -> None:
    assert accepted({"id": missing, "text": "x"}).id != accepted({"id": missing, "text": "y"}).id


def test_an_id_beyond_the_limit_is_refused(rejected: Rejected) -> None:
    assert rejected({"id": "x" * (LONGEST_ID + 1), "text": "x"}).error == "IdTooLong"


def test_text_comes_before_title_and_body(accepted: Accepted) -> None:
    document = accepted({"text": "the text", "title": "the title", "body": "the body"})
    assert (document.text, document.title) == ("the text", "the title")


def test_title_and_body_are_two_lines_of_text(accepted: Accepted) -> None:
    assert accepted({"title": "the title", "body": "the body"}).text == "the title\nthe body"


@pytest.mark.parametrize("record", [{"title": "alone"}, {"body": "alone"}, {"text": " ", "body": "alone"}])
def test_one_of_title_and_body_is_enough(accepted: Accepted, record: dict[str, str]) -> None:
    assert accepted(record).text == "alone"


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"text": ""},
        {"text": None},
        {"text": " \n\t "},
        {"text": "\u200b\u200b"},
        {"text": "\x00\x01"},
        {"title": ""},
    ],
)
def test_a_record_without_words_is_refused(rejected: Rejected, record: dict[str, Any]) -> None:
    assert rejected({"id": "d", **record}) == Rejection(
        "validate", "NoText", "there is no text (nor title or body) to read", "d"
    )


def test_the_first_line_stands_for_a_missing_title(accepted: Accepted) -> None:
    assert accepted({"text": "\n First line \nsecond"}).title == "First line"


def test_titles_are_bounded(accepted: Accepted) -> None:
    assert len(accepted({"title": "x" * 9000}).title) == LONGEST_TITLE
    assert len(accepted({"text": "x" * 9000}).title) == LONGEST_HEADLINE


def test_a_title_cannot_steer_a_terminal(accepted: Accepted) -> None:
    assert accepted({"title": "Kite\r\n\x1b[31m fal\u202els", "body": "x"}).title == "Kite [31m fal ls"


def test_long_text_is_cut_and_flagged(accepted: Accepted) -> None:
    document = accepted({"text": "great " * 5000}, max_text_chars=100)
    assert (len(document.text), len(document.heard), document.flags) == (100, 100, ("truncated",))


def test_text_that_grows_when_cleaned_is_bounded_too(accepted: Accepted) -> None:
    assert len(accepted({"text": "\ufdfa" * 100}, max_text_chars=100).heard) == 100


def test_a_record_of_ten_megabytes_is_refused_by_size(rejected: Rejected) -> None:
    assert rejected(b'{"text":"' + b"a" * 10_000_000 + b'"}').stage == "size"


@pytest.mark.parametrize("size", [262_143, 262_144])
def test_a_record_up_to_the_size_limit_is_read(accepted: Accepted, size: int) -> None:
    assert accepted(b'{"text":"' + b"a" * (size - 11) + b'"}').flags == ("truncated",)


def test_one_byte_over_the_size_limit_is_refused(rejected: Rejected) -> None:
    assert rejected(b'{"text":"' + b"a" * (262_145 - 11) + b'"}').error == "RecordTooLarge"


def test_tricks_are_cleaned_and_flagged_and_the_original_stays(accepted: Accepted) -> None:
    document = accepted(rb'{"text":"Bat\u200btery d\u0456ed \ud83d\u0000"}')
    assert document.heard == "Battery died  "
    assert document.flags == ("control", "lone_surrogate", "lookalike", "zero_width")
    assert document.text == "Bat\u200btery d\u0456ed \ufffd\x00"


@pytest.mark.parametrize(("stars", "kept"), [(4, 4.0), ("3.5", 3.5), (0, 0.0), (8, None), (-1, None), ("", None)])
def test_stars_are_from_zero_to_five(accepted: Accepted, stars: Any, kept: float | None) -> None:
    assert accepted({"text": "x", "stars": stars}).stars == kept


def test_stars_that_are_no_number_are_refused(rejected: Rejected) -> None:
    assert rejected({"id": 5, "text": "x", "stars": "four"}) == Rejection(
        "validate", "WrongType", "stars: expected a number", "5"
    )


@pytest.mark.parametrize(
    "url", ["https://x.example/" + "a" * 3000, "https://x.example/\r\nSet-Cookie: a", "\u202eevil"]
)
def test_an_address_that_cannot_work_is_left_out(accepted: Accepted, url: str) -> None:
    assert accepted({"text": "x", "url": url}).url == ""


def test_line_breaks_in_a_source_cannot_break_a_log_line(accepted: Accepted) -> None:
    assert accepted({"text": "x", "source": "wire\r\n\x1b[31mALERT"}).source == "wire [31mALERT"


def test_the_brokers_time_counts_where_the_record_has_none(accepted: Accepted) -> None:
    assert accepted({"text": "x"}).event_ms == BROKER_MS


@pytest.mark.parametrize("broker_ms", [None, -1, 0])
def test_without_any_time_a_record_is_refused(rejected: Rejected, broker_ms: int | None) -> None:
    assert rejected({"text": "x"}, broker_ms).error == "NoTime"


def test_scoring_a_file_needs_no_time(accepted: Accepted) -> None:
    assert accepted({"text": "x"}, None, needs_time=False).event_ms == 0


def test_a_refusal_names_the_record(rejected: Rejected) -> None:
    assert rejected({"id": "late", "text": "x", "published_at": "1985-01-01"}).id == "late"


def test_what_no_rule_foresaw_is_a_refusal_and_not_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret text of the record")

    monkeypatch.setattr("streams.intake.reader.clean", broken)
    rejection = Intake(IntakeSettings(), WatchList()).read(b'{"text":"x"}', ORIGIN, BROKER_MS, "news")
    assert rejection == Rejection("decode", "ZeroDivisionError", "intake failed: ZeroDivisionError")


def test_a_tombstone_is_refused(rejected: Rejected) -> None:
    assert rejected(None).error == "EmptyRecord"
