from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.intake.raw import DEEPEST, RawRecord, Refused, decode, id_of
from streams.records import Rejection

LIMIT = 4096


def refusal(value: bytes | None, limit: int = LIMIT) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        decode(value, limit)
    return caught.value.rejection.stage, caught.value.rejection.error


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    ["text", "title", "body", "id", "published_at", "source", "lang", "entities", "tickers", "stars", "product", "x"]
)


def outcome(value: bytes) -> Rejection | RawRecord:
    try:
        return decode(value, LIMIT)[0]
    except Refused as refused:
        return refused.rejection


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x00")
@example(b'{"text": "\xff"}')
@example(b'"' + b'\\"' * 100)
def test_any_bytes_are_decoded_or_refused(value: bytes) -> None:
    assert isinstance(outcome(value), RawRecord | Rejection)


@given(st.dictionaries(fields, json_values, max_size=6))
def test_any_json_object_is_decoded_or_refused(record: dict[str, object]) -> None:
    assert isinstance(outcome(json.dumps(record).encode()), RawRecord | Rejection)


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_value_is_refused(value: bytes | None) -> None:
    assert refusal(value) == ("decode", "EmptyRecord")


def test_a_record_of_the_longest_size_is_decoded() -> None:
    value = b'{"text":"' + b"a" * (LIMIT - 11) + b'"}'
    assert len(value) == LIMIT
    assert decode(value, LIMIT)[0].text == "a" * (LIMIT - 11)


def test_a_record_one_byte_longer_is_refused_unread() -> None:
    assert refusal(b"x" * (LIMIT + 1)) == ("size", "RecordTooLarge")


@pytest.mark.parametrize("value", [b"[1]", b"null", b'"text"', b"7"])
def test_what_is_no_object_is_refused(value: bytes) -> None:
    assert refusal(value) == ("decode", "NotAnObject")


@pytest.mark.parametrize("value", [b'{"text":', b'{"text":"a"} x', b"{text:1}", b'{"text":"a\nb"}', b'{"a":01}'])
def test_what_is_not_json_is_refused(value: bytes) -> None:
    assert refusal(value) == ("decode", "NotJson")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_have_are_refused_in_unknown_fields_too(number: bytes) -> None:
    assert refusal(b'{"text":"a","odd":' + number + b"}") == ("decode", "NotJson")


def test_a_number_beyond_double_precision_is_refused() -> None:
    assert refusal(b'{"text":"a","stars":1e400}') == ("validate", "WrongType")


def test_an_integer_of_five_thousand_digits_is_refused() -> None:
    assert refusal(b'{"text":"a","published_at":' + b"9" * 5000 + b"}", 9000) == ("validate", "WrongType")


@pytest.mark.parametrize("value", [b'{"text":"\xff\xfe"}', b'{"text":"a","odd":"\xc3"}', b'{"text":"\xed\xa0\x80"}'])
def test_invalid_utf8_is_refused_wherever_it_stands(value: bytes) -> None:
    assert refusal(value) == ("decode", "NotUtf8")


def test_a_byte_order_mark_is_skipped() -> None:
    assert decode(b'\xef\xbb\xbf{"text":"a"}', LIMIT)[0].text == "a"


def test_nesting_beyond_the_limit_is_refused() -> None:
    assert refusal(b'{"text":"a","odd":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}") == ("decode", "TooDeep")


def test_nesting_up_to_the_limit_is_decoded() -> None:
    inner = DEEPEST - 1
    assert decode(b'{"text":"a","odd":' + b"[" * inner + b"]" * inner + b"}", LIMIT)[0].text == "a"


def test_a_hundred_thousand_brackets_are_refused() -> None:
    assert refusal(b'{"odd":' + b"[" * 100_000, 200_000) == ("decode", "TooDeep")


def test_brackets_inside_strings_are_not_nesting() -> None:
    text = "[{" * 100
    assert decode(json.dumps({"text": text}).encode(), LIMIT)[0].text == text


def test_many_shallow_brackets_are_decoded() -> None:
    record = {"text": "a", "entities": [{"name": f"n{i}"} for i in range(60)]}
    assert len(decode(json.dumps(record).encode(), LIMIT)[0].entities or []) == 60


def test_a_repeated_key_counts_with_its_last_value() -> None:
    assert decode(b'{"text":"first","text":"last"}', LIMIT)[0].text == "last"


def test_unknown_fields_are_no_error() -> None:
    assert decode(b'{"text":"a","unknown":{"x":[1,{"y":null}]}}', LIMIT)[0].text == "a"


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"text": 1}, "text"),
        ({"text": ["a"]}, "text"),
        ({"text": "a", "title": {}}, "title"),
        ({"text": "a", "id": True}, "id"),
        ({"text": "a", "id": 1.5}, "id"),
        ({"text": "a", "published_at": []}, "published_at"),
        ({"text": "a", "stars": False}, "stars"),
        ({"text": "a", "entities": [{"name": 3}]}, "entities[0].name"),
        ({"text": "a", "entities": [7]}, "entities[0]"),
        ({"text": "a", "entities": [{"name": "x", "start": "0"}]}, "entities[0].start"),
        ({"text": "a", "tickers": [1]}, "tickers[0]"),
        ({"text": "a", "lang": 4}, "lang"),
    ],
)
def test_a_wrong_type_is_refused_and_named(record: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as caught:
        decode(json.dumps(record).encode(), LIMIT)
    assert caught.value.rejection.error == "WrongType"
    assert caught.value.rejection.message.startswith(f"{field}: ")


def test_a_refused_record_keeps_its_id() -> None:
    with pytest.raises(Refused) as caught:
        decode(b'{"id":"a-1","text":3}', LIMIT)
    assert caught.value.rejection.id == "a-1"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (rb"a\ud83db", "a\ufffdb"),
        (rb"a\ude2d", "a\ufffd"),
        (rb"\ud83d\ud83d\ude2d", "\ufffd\U0001f62d"),
        (rb"\ude2d\ud83d", "\ufffd\ufffd"),
    ],
)
def test_lone_surrogates_are_replaced_one_for_one_and_reported(written: bytes, expected: str) -> None:
    record, repaired = decode(b'{"text":"' + written + b'"}', LIMIT)
    assert (record.text, repaired) == (expected, True)


def test_a_surrogate_pair_is_one_character_and_no_repair() -> None:
    record, repaired = decode(rb'{"text":"\ud83d\ude2d"}', LIMIT)
    assert (record.text, repaired) == ("\U0001f62d", False)


def test_an_escaped_backslash_before_u_is_no_surrogate() -> None:
    record, repaired = decode(rb'{"text":"\\ud83d"}', LIMIT)
    assert (record.text, repaired) == (r"\ud83d", False)


def test_a_lone_surrogate_in_an_unknown_field_does_not_refuse_the_record() -> None:
    assert decode(rb'{"\ud800":"\udfff","text":"a"}', LIMIT)[0].text == "a"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"id":"a"}', "a"),
        (b'{"id":7}', 7),
        (b'{"id":""}', None),
        (b'{"id":[1]}', None),
        (b"{", None),
        (b"\xff", None),
    ],
)
def test_an_id_is_found_in_its_own_type(value: bytes, expected: str | int | None) -> None:
    assert id_of(value) == expected
