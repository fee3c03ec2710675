"""Text from outside, made harmless for a terminal: no escape sequences, no line tricks, no invisible marks."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Control, format (bidi overrides, zero-width), surrogate, private use, line and paragraph separators."""


def harmless(text: str, longest: int = 200) -> str:
    r"""``text`` on one line, without anything a terminal would obey, at most ``longest`` characters.

    >>> harmless("a\x1b[31mred\nb")
    'a[31mred b'
    >>> harmless("abcdef", longest=4)
    'abc…'
    """
    head = text[: longest * 4 + 64]
    shown = "".join(
        " " if character.isspace() else "" if unicodedata.category(character) in _HIDDEN else character
        for character in head
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
