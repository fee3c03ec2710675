"""What identifies a person leaves a text before it is kept, for labelling or in the archive: addresses, numbers,
handles, links. Pure."""

from __future__ import annotations

import re

LONGEST = 4_000
"""Characters of a text that are looked at and kept, unless told otherwise."""

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("[link]", re.compile(r"\b(?:https?://|www\.)\S{1,2000}", re.IGNORECASE)),
    ("[email]", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")),
    ("[user]", re.compile(r"(?<![\w@])@\w{2,32}")),
    ("[iban]", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")),
    ("[address]", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")),
)
_NUMBER = re.compile(r"(?<![\w$€£])\+?\(?\d[\d ()./-]{6,22}\d(?!\w)")
LEAST_DIGITS, DATE_DIGITS = 9, 8


def mask(text: str, longest: int = LONGEST) -> str:
    """``text``, cut at ``longest``, with marks in place of what identifies a person.

    >>> mask("@jane_doe write to jane@example.org or call +49 (30) 1234-5678, see https://example.org/u/7")
    '[user] write to [email] or call [number], see [link]'
    >>> mask("$1,250,000 in 2024-03-05, up 3.5 % from 1,234,567")
    '$1,250,000 in 2024-03-05, up 3.5 % from 1,234,567'
    """
    masked = text[:longest]
    for mark, pattern in _PATTERNS:
        masked = pattern.sub(mark, masked)
    return _NUMBER.sub(lambda found: "[number]" if _identifies(found[0]) else found[0], masked)


def _identifies(number: str) -> bool:
    """Whether digits are a telephone or card number, and not a date or an amount."""
    return sum(character.isdigit() for character in number) >= LEAST_DIGITS
