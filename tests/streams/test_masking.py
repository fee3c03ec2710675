"""Nothing that identifies a person stays in a text that is kept."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import masking
from streams.masking import LONGEST, mask


@given(st.text(max_size=300))
def test_masking_never_fails_and_leaves_nothing_more_to_mask(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@given(st.from_regex(r"[a-z]{3,10}(\.[a-z]{2,8})?@[a-z]{2,10}\.(com|org|co\.uk)", fullmatch=True))
def test_an_address_is_gone(address: str) -> None:
    assert address not in mask(f"write to {address}, please")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("@jane is angry", "[user] is angry"),
        ("card 4111 1111 1111 1111 was charged", "card [number] was charged"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [iban]."),
        ("from 192.168.12.7 at noon", "from [address] at noon"),
        ("call 555-123-4567 now", "call [number] now"),
        ("$AAPL up 2.5% to $1,234,567,890 on 2024-03-05", "$AAPL up 2.5% to $1,234,567,890 on 2024-03-05"),
        ("see www.example.org/a?b=c!", "see [link]"),
    ],
)
def test_what_is_masked_and_what_is_not(text: str, kept: str) -> None:
    assert mask(text) == kept


def test_a_text_is_cut_and_stays_cheap() -> None:
    assert len(mask("a@" * 100_000)) <= LONGEST
    assert mask("a" * 10_000, longest=9_000) == "a" * 9_000


def test_the_examples_hold() -> None:
    assert doctest.testmod(masking).failed == 0
