"""What people see -> what the model reads, with the way back.

Cleaning keeps the words and takes away what hides them: compatibility forms (NFKC), format and control
characters, letters of other scripts inside Latin words, lone surrogates. It is idempotent. Where it changes
anything, :class:`CleanText` maps each position back, so that spans are reported in the original text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right

from msgspec import Struct

from streams.intake.confusables import COUSINS, SUSPECT, TWINS

ZERO_WIDTH_JOINER = "\u200d"
REPLACEMENT = "\ufffd"
MOST_SWEEPS = 8
FEWEST_TWINS = 3
"""Letters of a word that must all be twins of Latin ones before the word is unmasked without a Latin letter."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_INVISIBLE = re.compile(  # Cf, and what is as invisible without being Cf
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180e"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\ufffd"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SILENT = frozenset(  # left out without a flag: variation selectors, and U+FFFD, which has a flag of its own
    [*map(chr, range(0xFE00, 0xFE10)), *map(chr, range(0xE0100, 0xE01F0)), REPLACEMENT, "\ufeff"]
)
_TRADE_MARKS = str.maketrans({"\u2122": " ", "\u2120": " "})  # NFKC would glue TM and SM to the name
_WORD = re.compile(r"[^\W\d_]+(?:[^\W_]|[\u0300-\u036f])*")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_LETTER = re.compile(r"[^\W\d_]")


class CleanText(Struct, frozen=True):
    """``heard`` and, where it differs from the original, ``places``: for each code point of ``heard`` the
    half-open original interval it came from, as two rising lists."""

    heard: str
    flags: tuple[str, ...] = ()
    starts: tuple[int, ...] | None = None
    ends: tuple[int, ...] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Where ``heard[start:end]`` (not empty) stands in the original text."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]

    def first(self, count: int) -> CleanText:
        """The same for the first ``count`` code points of ``heard``."""
        if self.starts is None or self.ends is None:
            return CleanText(self.heard[:count], self.flags)
        return CleanText(self.heard[:count], self.flags, self.starts[:count], self.ends[:count])

    def heard_span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where the original interval stands in ``heard``; ``None`` if nothing of it is left."""
        if self.starts is None or self.ends is None:
            return start, end
        first = bisect_right(self.ends, start)
        last = bisect_left(self.starts, end)
        return (first, last) if first < last else None


def clean(text: str) -> CleanText:
    """Clean ``text``; plain ASCII without control characters comes back as it is."""
    settled = _settled(text)
    if settled is not None:
        return settled
    cleaned = _sweep(text)
    for _ in range(MOST_SWEEPS):  # what one sweep uncovers (a letter before an accent) may need another
        further = _settled(cleaned.heard) or _sweep(cleaned.heard)
        if further.heard == cleaned.heard:
            break
        cleaned = _composed(cleaned, further)
    return cleaned


def _settled(text: str) -> CleanText | None:
    """The answer for text that is clean on the face of it, which nearly all is."""
    if text.isascii():
        if text.isprintable() or not _CONTROL.search(text):
            return CleanText(text)
        return CleanText(_CONTROL.sub(" ", text), ("control",))
    if not _is_plain(text) or _CONTROL.search(text):
        return None
    flags: set[str] = set()
    heard = _unmask(text, flags)
    if heard == text:
        return CleanText(text)
    return CleanText(heard, tuple(flags)) if unicodedata.is_normalized("NFKC", heard) else None


def _is_plain(text: str) -> bool:
    return unicodedata.is_normalized("NFKC", text) and not _INVISIBLE.search(text)


def _sweep(text: str) -> CleanText:
    flags: set[str] = set()
    if _CONTROL.search(text):
        flags.add("control")
    plain = _CONTROL.sub(" ", text)
    pieces = _Pieces()
    done = 0
    for run in _NOT_ASCII.finditer(plain):
        pieces.copy(plain, done, run.start())
        done = run.end()
        if _is_plain(run[0]) and not _continues(run[0][0]):
            pieces.copy(plain, run.start(), run.end())
            continue
        kept = _visible(plain, run.start(), run.end(), flags)
        if kept and _continues(plain[kept[0]]):
            pieces.take_back(kept)
        _normalise(plain, kept, pieces, flags)
    pieces.copy(plain, done, len(plain))
    heard = _unmask("".join(pieces.characters), flags)
    if heard == text:
        return CleanText(heard, tuple(sorted(flags)))
    return CleanText(heard, tuple(sorted(flags)), tuple(pieces.starts), tuple(pieces.ends))


def _composed(first: CleanText, second: CleanText) -> CleanText:
    """``second`` cleaned what ``first`` left: one map for both."""
    flags = tuple(sorted({*first.flags, *second.flags}))
    if first.starts is None or first.ends is None:
        return CleanText(second.heard, flags, second.starts, second.ends)
    if second.starts is None or second.ends is None:
        return CleanText(second.heard, flags, first.starts, first.ends)
    starts = tuple(first.starts[i] for i in second.starts)
    ends = tuple(first.ends[i - 1] for i in second.ends)
    return CleanText(second.heard, flags, starts, ends)


class _Pieces:
    """Cleaned characters with the original interval of each."""

    def __init__(self) -> None:
        self.characters: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def copy(self, text: str, start: int, end: int) -> None:
        self.characters.extend(text[start:end])
        self.starts.extend(range(start, end))
        self.ends.extend(range(start + 1, end + 1))

    def add(self, characters: str, start: int, end: int) -> None:
        self.characters.extend(characters)
        self.starts.extend([start] * len(characters))
        self.ends.extend([end] * len(characters))

    def take_back(self, kept: list[int]) -> None:
        """Give the last character back to ``kept``: what follows may combine with it."""
        if self.characters and self.ends[-1] - self.starts[-1] == 1:
            kept.insert(0, self.starts[-1])
            for column in (self.characters, self.starts, self.ends):
                column.pop()


def _visible(text: str, start: int, end: int, flags: set[str]) -> list[int]:
    """The positions of ``text[start:end]`` that stay, the rest named in ``flags``."""
    kept: list[int] = []
    for i in range(start, end):
        character = text[i]
        if not _INVISIBLE.match(character) or (character == ZERO_WIDTH_JOINER and _joins_emoji(text, i)):
            kept.append(i)
        elif character in _BIDI:
            flags.add("bidi")
        elif character not in _SILENT and not _is_orthography(text, i):
            flags.add("zero_width")
    return kept


def _joins_emoji(text: str, i: int) -> bool:
    before = text[:i].rstrip("\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")[-1:]
    after = text[i + 1 : i + 2]
    return bool(before and after) and unicodedata.category(before) == "So" and unicodedata.category(after) == "So"


def _is_orthography(text: str, i: int) -> bool:
    """Joiners belong to the spelling of Arabic and Indic words."""
    return text[i] in "\u200c\u200d" and i > 0 and "\u0600" <= text[i - 1] <= "\u109f"


def _continues(character: str) -> bool:
    """Whether ``character`` may combine with the one before it under NFKC."""
    return (
        unicodedata.category(character)[0] == "M"
        or "\u1160" <= character <= "\u11ff"  # Hangul vowels and finals
        or "\uff9e" <= character <= "\uffdc"  # half-width voice marks and Hangul
        or "\u3130" <= character <= "\u318f"
        or character == "\u0345"
    )


def _normalise(text: str, kept: list[int], pieces: _Pieces, flags: set[str]) -> None:
    """Append NFKC of the characters at ``kept``, unit by unit, a unit being what may combine."""
    i = 0
    while i < len(kept):
        j = i + 1
        while j < len(kept) and _continues(text[kept[j]]):
            j += 1
        unit = "".join([text[k] for k in kept[i:j]])
        normal = unicodedata.normalize("NFKC", unit.translate(_TRADE_MARKS))
        if normal.isascii() and normal.isalpha() and len(normal) == len(unit) and normal != unit:
            flags.add("lookalike")  # full-width, mathematical and such letters
        pieces.add(normal, kept[i], kept[j - 1] + 1)
        i = j


def _unmask(heard: str, flags: set[str]) -> str:
    """Put Latin letters for their look-alikes, one for one."""
    if not SUSPECT.search(heard):
        return heard
    mostly_latin = len(_LATIN.findall(heard)) * 2 > len(_LETTER.findall(heard))

    def replace(match: re.Match[str]) -> str:
        word = match[0]
        if not SUSPECT.search(word):
            return word
        if _LATIN.search(word):
            plain = "".join([COUSINS.get(c, c) for c in word])
        elif mostly_latin and len(word) >= FEWEST_TWINS and all(c in TWINS for c in word):
            plain = "".join([TWINS[c] for c in word])
        else:
            return word
        flags.add("lookalike")
        return plain

    return _WORD.sub(replace, heard)
