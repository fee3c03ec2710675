"""Near copies across the split are found, and what only shares its subject is not."""

from __future__ import annotations

import pytest

from trainer.leaks import near_copies

KNOWN = (
    "Globex Corp declares a quarterly dividend of 12 cents per share payable in June",
    "Initech opens a second plant in the north and hires two hundred people there",
    "short one",
)


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        ("$GLBX Globex Corp declares a quarterly dividend of 12 cents per share payable in June https://t.co/x", True),
        ("Globex Corp declares a quarterly dividend of 14 cents per share payable in June", True),
        ("Globex Corp will not pay a dividend this quarter, its first pause in eight years", False),
        ("Initech opens a second plant", False),
        ("Short, one!", True),
        ("Short two", False),
        ("", False),
    ],
)
def test_a_copy_with_another_number_or_sign_is_one_and_the_same_subject_is_none(text: str, copied: bool) -> None:
    assert near_copies([text], KNOWN) == [copied]


def test_a_phrase_that_everybody_uses_makes_no_copy() -> None:
    crowd = [f"{name} shares fall hard after the results of today" for name in map(str, range(1_000))]
    assert near_copies(["Acme shares fall hard after the results of today"], crowd) == [False]
    assert near_copies(["Acme shares fall hard after the results of today"], crowd[:3]) == [True]
