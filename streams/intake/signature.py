"""The story signature: 64 bits that the copies of one story share.

Copies differ at the edges: ``RT @name:`` and a comment before it, links, handles, tags, "UPDATE 1-", a
dateline, the agency's name, a cut end. The edges are taken off, then the first words that carry meaning and
the figures near them are hashed. So equality of one number folds copies, whatever order they come in, and
a flood of complaints that share a turn of phrase but not their beginning, or differ in a figure, stays many.

Measured (tests/bench/folding.py) on 5,000 headlines with one change each: RT, link, tags, agency, dateline,
"Breaking:" fold in 99 %, a cut end in 93 %, a sentence appended in 48 %, one word put for another in 12 %; one
pair of 14,239 different texts folds wrongly. A MinHash band over four words folds half of the edited ones, with a
hundred times the false folds between stories that are built from one phrase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

NO_SIGNATURE = 0
"""Signature of a text too short to tell a copy from two people who say the same."""
FEWEST_WORDS = 5
LEADING_WORDS = 12
LEADING_CHARACTERS = 280
"""Figures count up to here; page counters and times further down differ between copies."""
HEADLINE_WORDS = 7
"""A title with so many words of meaning is the story by itself; bodies of copies vary."""

FUNCTION_WORDS = frozenset(
    """
    the a an and or of to in on for with at by from as is are was were be it its this that after over amid
    says said has have had will
    """.split()  # noqa: SIM905
)
_AGENCIES = (
    "reuters|bloomberg|bloomberg news|cnbc|ap|associated press|afp|upi|dpa|xinhua|bbc|bbc news|cnn|cnn business|"
    "wsj|wall street journal|the wall street journal|marketwatch|economic times|the economic times|yahoo finance|"
    "dow jones|dow jones newswires|the guardian|ft|financial times|new york times|the new york times|nyt|"
    "washington post|the washington post|forbes|fortune|business insider|benzinga|seeking alpha|zacks|barrons|"
    "barron's|investing\\.com|thestreet|techcrunch|the verge|usa today|fox business|msn|pr newswire|business wire"
)
_RETWEET = re.compile(r"\b(?:rt|mt) ?@\w+:? ?")
_HANDLE = re.compile(r"(?:\b(?:rt|mt|via|by|h/t) ?:? ?)?@\w+:?|^rt\b")
_LINK = re.compile(r"(?:https?:|www\.)\S*")
_FRONT = re.compile(
    r"\W*(?:breaking(?: news)?|exclusive|just in|watch|video|live|alert|news alert|correct(?:ed|ion)|refile|"
    r"(?:update|wrapup|recast)(?: ?\d+)?)\s*[:|–—-]+\s*"
)
_DATELINE = re.compile(rf"\W{{0,3}}[a-z][a-z .,/]{{1,39}}(?:\d{{1,2}} ?)?\((?:{_AGENCIES})\)\s*[-–—:]+\s*")
_TAGS_IN_FRONT = re.compile(r"(?:[$#][a-z][\w.]*[:,\s|–—-]+)+")
_END = re.compile(rf"(?:\s*(?:[-|–—]|\()\s*(?:{_AGENCIES})\)?|\s+[#$][a-z][\w.]*|\s+via)\s*[.!]?\s*$")
_END_REACH = 48
_END_HINT = re.compile(r"[#$|(–—-]|via\s*$")
_CUT_WORD = re.compile(r"\S*(?:…|\.\.\.)\s*$")
_NO_FIGURES = bytes(set(range(256)) - set(b"0123456789"))
_WORD = re.compile(r"\w+")
_TO_SPACES = {code: " " for code in range(128) if not chr(code).isalnum()} | {ord("'"): None}


def words_of(folded: str) -> list[str]:
    """The lower-case words of a text; an apostrophe does not part one."""
    if folded.isascii():
        return folded.translate(_TO_SPACES).split()
    return _WORD.findall(folded.replace("'", "").replace("’", ""))


def signature(folded: str, words: Sequence[str], source: str = "", has_title: bool = False) -> int:
    """The signature of a lower-case text, 0 if it is too short; equal for copies of one story.

    ``words`` are :func:`words_of` it. ``source`` is the record's own, which may stand at the end of the
    text. With ``has_title`` the first line is the title.

    >>> story = "acme recalls 40,000 heaters after two fires in ohio"
    >>> copy = "rt @desk: breaking: acme recalls 40,000 heaters after two fires in ohio - reuters http://x.y/z"
    >>> signature(story, words_of(story)) == signature(copy, words_of(copy))
    True
    """
    story = folded
    if has_title:
        title = folded.partition("\n")[0]
        if len(_leading(words_of(title), HEADLINE_WORDS)) == HEADLINE_WORDS:
            story = title
    story = _bare(story, source.lower())
    leading = _leading(words if story == folded else words_of(story), LEADING_WORDS)
    if len(leading) < FEWEST_WORDS:  # mostly tags and names: then those are the story
        leading = words_of(_HANDLE.sub("", _LINK.sub("", folded)))[: 2 * LEADING_WORDS]
        if len(leading) < 2 * FEWEST_WORDS:
            return NO_SIGNATURE
    figures = story[:LEADING_CHARACTERS].encode().translate(None, _NO_FIGURES)
    digest = blake2b(b"%b|%b" % (" ".join(leading).encode(), figures), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


def _leading(words: Sequence[str], most: int) -> list[str]:
    kept: list[str] = []
    for word in words:
        if word not in FUNCTION_WORDS:
            kept.append(word)
            if len(kept) == most:
                break
    return kept


def _bare(story: str, source: str) -> str:
    """``story`` without what syndication puts around it."""
    if "@" in story or story.startswith("rt "):
        story = _without_handles(story)
    if "http" in story or "www." in story:
        story = _LINK.sub("", story)
    story = story.strip()
    if story.endswith(("…", "...")):
        story = _CUT_WORD.sub("", story)
    story = _without_end(story, source)
    return _without_front(story)


def _without_front(story: str) -> str:
    for _ in range(3):
        match = _FRONT.match(story)
        if match is None and story[:1] in "$#" and (match := _TAGS_IN_FRONT.match(story)):
            match = match if story.count(" ", match.end()) >= FEWEST_WORDS else None
        if match is None and "(" in story[:60]:
            match = _DATELINE.match(story)
        if match is None:
            break
        story = story[match.end() :]
    return story


def _without_handles(story: str) -> str:
    """What was retweeted, if that is long enough to be a story, without any name of a user."""
    for match in _RETWEET.finditer(story):
        if len(story) - match.end() >= 30:
            story = story[match.end() :]
            break
    return _HANDLE.sub("", story)


def _without_end(story: str, source: str) -> str:
    for _ in range(8):
        tail = story[-_END_REACH:]
        if source and tail.rstrip(" ).").endswith(source) and len(story) > 2 * len(source):
            shorter = story.rstrip(" ).")[: -len(source)]
            if shorter.rstrip()[-1:] in "-|–—(":
                story = shorter.rstrip(" -|–—(")
                continue
        if not _END_HINT.search(tail) or (match := _END.search(tail)) is None:
            break
        story = story[: len(story) - len(tail) + match.start()]
    return story
