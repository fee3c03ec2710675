"""Watch-list names in running text: Aho-Corasick proposes, word boundaries and the entity's rules decide."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import ahocorasick
from msgspec import Struct

from streams.intake.text import clean
from streams.intake.watchlist import Alias, WatchList

REACH = 70
"""Characters looked at before and behind a name for the words that spoil it."""

_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_EXCHANGE = re.compile(
    r"\b(?:nyse|nasdaq|nasdaqgs|amex|lse|lon|tsx|asx|nse|bse|otc|otcmkts|hkex|hkg|sse|fra|etr|xetra|epa|ams|swx)"
    r"(?: (?:american|arca))?$"
)
_CASHTAG_EXACT_UP_TO = 2
"""Cashtags this short count in upper case only: "$a" is more often a slip than a ticker."""


class Hit(Struct, frozen=True):
    """``heard[start:end]`` names the entity."""

    start: int
    end: int
    entity_id: str


class _Pattern(Struct, frozen=True):
    """One way to write an entity. ``skip`` characters in front (``$``, ``: ``) are not part of the name."""

    entity_id: str
    written: str | None
    skip: int = 0
    exchange: bool = False
    ticker: bool = False
    alias: Alias | None = None
    context: frozenset[str] = frozenset()


class Finder:
    """Finds the entities of a watch-list; built once per list."""

    def __init__(self, watchlist: WatchList) -> None:
        patterns: dict[str, list[_Pattern]] = {}
        for entity in watchlist.entities.values():
            for alias in entity.aliases:
                _add(patterns, alias.text, _alias_pattern(entity.id, alias))
            for ticker in entity.tickers:
                upper = ticker.upper()
                short = upper if len(upper) <= _CASHTAG_EXACT_UP_TO else None
                _add(patterns, f"${upper}", _Pattern(entity.id, short, skip=1, ticker=True))
                for colon in (":", ": "):
                    _add(patterns, colon + upper, _Pattern(entity.id, upper, len(colon), exchange=True, ticker=True))
                if entity.bare_tickers:
                    _add(patterns, upper, _Pattern(entity.id, upper, ticker=True))
        self._automaton: Any = None
        if patterns:
            self._automaton = ahocorasick.Automaton()
            for text, ways in patterns.items():
                self._automaton.add_word(text, (len(text), tuple(ways)))
            self._automaton.make_automaton()

    def find(self, heard: str, folded: str, words: Callable[[], frozenset[str]]) -> list[Hit]:
        """Every name in ``heard``, left to right, none inside another; the longest wins where two overlap.

        ``folded`` is :func:`fold` of ``heard``; ``words`` gives its words when a rule asks for context.
        """
        if self._automaton is None:
            return []
        hits: list[Hit] = []
        urls: list[tuple[int, int]] | None = None
        for last, (length, ways) in self._automaton.iter(folded):
            start, end = last + 1 - length, last + 1
            if _inside_word(heard, start, end):
                continue
            if urls is None:
                urls = [match.span() for match in _URL.finditer(heard)] if "://" in heard or "www." in folded else []
            if any(first <= start < past for first, past in urls):
                continue
            for way in ways:
                if _counts(way, heard, folded, start, end, words):
                    hits.append(Hit(start + way.skip, end, way.entity_id))
                    break
        return _longest(hits) if len(hits) > 1 else hits


def fold(text: str) -> str:
    """Lower case, character by character, so that positions stay."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join([low if len(low := character.lower()) == 1 else character for character in text])


def locate(name: str, heard: str, folded: str) -> tuple[int, int] | None:
    """The first place where ``heard`` has ``name`` as a word of its own, in its own case if there is one."""
    plain = clean(name).heard.strip()
    if not plain:
        return None
    return _first(plain, heard, heard) or _first(fold(plain), folded, heard)


def _first(name: str, text: str, heard: str) -> tuple[int, int] | None:
    start = text.find(name)
    while start >= 0:
        if not _inside_word(heard, start, start + len(name)):
            return start, start + len(name)
        start = text.find(name, start + 1)
    return None


def _add(patterns: dict[str, list[_Pattern]], text: str, pattern: _Pattern) -> None:
    folded = fold(clean(text).heard.strip())
    if folded:
        patterns.setdefault(folded, []).append(pattern)


def _alias_pattern(entity_id: str, alias: Alias) -> _Pattern:
    ruled = bool(alias.context or alias.not_followed_by or alias.not_preceded_by)
    written = clean(alias.text).heard.strip() if alias.minds_case else None
    return _Pattern(
        entity_id, written, alias=alias if ruled else None, context=frozenset(word.lower() for word in alias.context)
    )


def _counts(way: _Pattern, heard: str, folded: str, start: int, end: int, words: Callable[[], frozenset[str]]) -> bool:
    if way.written is not None and heard[start + way.skip : end] != way.written:
        return False
    if way.exchange and not _EXCHANGE.search(folded[max(0, start - 24) : start].rstrip()):
        return False
    if way.ticker and _is_class_share(heard, end):
        return False
    if way.alias is None:
        return True
    if way.context and not _has_context(way.context, folded, words):
        return False
    if way.alias.not_followed_by:
        behind = folded[end : end + REACH].lstrip(" \t\n-'’")
        if any(_starts_with_word(behind, word.lower()) for word in way.alias.not_followed_by):
            return False
    if way.alias.not_preceded_by:
        before = folded[max(0, start - REACH) : start].rstrip(" \t\n-")
        if any(_ends_with_word(before, word.lower()) for word in way.alias.not_preceded_by):
            return False
    return True


def _has_context(context: frozenset[str], folded: str, words: Callable[[], frozenset[str]]) -> bool:
    return not context.isdisjoint(words()) or any(phrase in folded for phrase in context if not phrase.isalnum())


def _starts_with_word(text: str, word: str) -> bool:
    return text.startswith(word) and not text[len(word) : len(word) + 1].isalnum()


def _ends_with_word(text: str, word: str) -> bool:
    return text.endswith(word) and not text[: -len(word)][-1:].isalnum()


def _is_class_share(heard: str, end: int) -> bool:
    """``$BRK`` in ``$BRK.B`` is another paper."""
    return heard[end : end + 1] == "." and heard[end + 1 : end + 2].isalpha() and not heard[end + 2 : end + 3].isalnum()


def _inside_word(heard: str, start: int, end: int) -> bool:
    return (start > 0 and _one_word(heard[start - 1], heard[start])) or (
        end < len(heard) and _one_word(heard[end - 1], heard[end])
    )


def _one_word(left: str, right: str) -> bool:
    """Whether a word goes on from ``left`` to ``right``; scripts without spaces leave it to the name."""
    if not (left.isalnum() or left == "_") or not (right.isalnum() or right == "_"):
        return False
    return not (_unspaced(left) or _unspaced(right))


def _unspaced(character: str) -> bool:
    return "\u2e80" <= character <= "\ufaff" or "\u0e00" <= character <= "\u0eff" or "\u1780" <= character <= "\u17ff"


def _longest(hits: list[Hit]) -> list[Hit]:
    """Leftmost first, of those that begin together the longest."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if not kept or hit.start >= kept[-1].end:
            kept.append(hit)
    return kept
