"""How text becomes tokens, the same in training and in serving.

The rules live in the tokenizer file of a release, so a release reads text as it was taught to, whatever
version of tocsin runs it. Offsets are code points of the text as it was given.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

URL = r"https?://\S+"
"""Addresses carry no opinion and cost up to 20 tokens each: a tweet is a third shorter without them."""

LENGTH_STEP = 8
"""Padded lengths are multiples of this: a text's padded length then depends on the text alone."""


def add_rules(description: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer file ``description`` (parsed JSON) with tocsin's cleaning rules put first."""
    url = {"type": "Replace", "pattern": {"Regex": URL}, "content": " "}
    inner = description["normalizer"]
    normalizers = [url, inner] if inner is not None else [url]
    return {
        **description,
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "truncation": None,
        "padding": None,
    }


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in ``path``, without truncation or padding: both are decided per batch."""
    tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def write_rules(source: Path, target: Path) -> None:
    """Write the base encoder's tokenizer file ``source`` to ``target`` with tocsin's rules."""
    description = add_rules(json.loads(source.read_text(encoding="utf-8")))
    target.write_text(json.dumps(description, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def padded(length: int) -> int:
    """``length`` rounded up to a multiple of :data:`LENGTH_STEP`, at least one step.

    >>> [padded(n) for n in (0, 1, 8, 9)]
    [8, 8, 8, 16]
    """
    return max(LENGTH_STEP, -(-length // LENGTH_STEP) * LENGTH_STEP)


def tokens_of_span(offsets: list[tuple[int, int]], start: int, end: int, limit: int) -> tuple[int, int] | None:
    """The half-open range of tokens that touch the code points ``start``..``end``.

    ``offsets`` are the tokens' code point ranges (special tokens are empty), ``limit`` the number of
    tokens that are read. ``None`` where no token that is read touches the span.
    """
    first = last = -1
    for index in range(min(limit, len(offsets))):
        left, right = offsets[index]
        if left < right and left < end and right > start:
            if first < 0:
                first = index
            last = index
    return (first, last + 1) if first >= 0 else None
