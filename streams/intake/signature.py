"""The story signature: 64 bits that copies of one story share.

What syndication adds is taken away first (links, ``RT @name:``, handles, agency names in front and behind),
then the words are hashed in order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

_LINK = re.compile(r"(?:https?:|www\.)\S*")
_RETWEET = re.compile(r"^\W*(?:rt|via|mt)\b\W*(?:@\w+)?|@\w+")
_WORD = re.compile(r"\w+")
_TO_SPACES = {i: " " for i in range(128) if not chr(i).isalnum()} | {ord("'"): None}


def words_of(folded: str) -> list[str]:
    """The lower-case words of a text; an apostrophe does not part one."""
    if folded.isascii():
        return folded.translate(_TO_SPACES).split()
    return _WORD.findall(folded.replace("'", "").replace("’", ""))


def story_words(folded: str, words: list[str]) -> list[str]:
    """``words`` without links, handles and retweet marks."""
    if "http" not in folded and "www." not in folded and "@" not in folded and not folded.startswith("rt "):
        return words
    plain = _LINK.sub(" ", folded)
    return words_of(_RETWEET.sub(" ", plain))


def signature(words: Sequence[str]) -> int:
    return int.from_bytes(blake2b(" ".join(words).encode(), digest_size=8).digest(), "big")
