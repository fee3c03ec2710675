"""Bytes of a feed -> its items, in a process of its own.

What is read here comes from strangers. A document type declaration with anything in it is refused before a parser sees
it, so no entity is ever declared; the bytes are decoded here, by encodings from a closed list, so that what was looked
at is what is parsed. That does not make parsing cheap: two megabytes of attributes keep feedparser busy for minutes.
What is shaped so is refused, too, and each answer is read under a limit of processor time that the kernel enforces, and
of memory, in a process that holds no secrets and is replaced when it dies (:mod:`streams.feeds.readers`).

    python -m streams.feeds.reading      requests on standard input, answers on standard output
"""

from __future__ import annotations

import calendar
import codecs
import io
import re
import resource
import signal
import sys
import xml.parsers.expat
from typing import Any, BinaryIO
from urllib.parse import urljoin

import feedparser
from msgspec import Struct, msgpack

from streams.feeds.markup import text_of, tidy

CPU_SECONDS = 4.0
"""Of processor time for one answer; four megabytes of long articles take one."""
MEMORY_BYTES = 1 << 30
LONGEST_TITLE = 500
LONGEST_TEXT = 20_000
LONGEST_KEY = 2_048
DEEPEST = 100
MOST_ATTRIBUTES = 100
LONGEST_TAG = 16_384
DECLARES = "it declares entities, which are not read"
NOT_XML = "it is not XML"
MISSHAPEN = "it is not shaped like a feed: too deep, or too many attributes"

_UTF8 = b"<?xml version='1.0' encoding='utf-8'?>"
_ENCODINGS = re.compile(
    r"utf-?8|utf-?16(le|be)?|utf-?32(le|be)?|us-ascii|ascii|latin-?1|iso-?8859-?\d{1,2}|(windows-|cp)(125\d|874|1252)|"
    r"koi8-[ru]|shift[_-]jis|sjis|euc-(jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5(-hkscs)?"
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,150}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._-]{1,40})""", re.IGNORECASE)
_ROOT = re.compile(r"<([A-Za-z_][\w:.-]*)")
_LONG_TAG = re.compile(rf"<[A-Za-z_][^<>]{{{LONGEST_TAG}}}")
_ITEM = re.compile(r"<(?:item|entry)[\s>]")
_CLOSING = {"rss": "</channel></rss>", "feed": "</feed>"}


class Request(Struct):
    """An answer of a server: its body, unpacked, where it came from, and how many items are wanted at most."""

    body: bytes
    content_type: str
    url: str
    most: int


class Item(Struct):
    """One item. ``key`` is what its feed knows it by; ``published_ms`` is ``None`` where it names no time."""

    key: str
    title: str
    text: str
    link: str
    published_ms: int | None


class Reading(Struct):
    """What an answer holds; with a ``refusal`` it holds nothing that may be read."""

    title: str = ""
    items: list[Item] = []
    left_out: int = 0
    refusal: str = ""


def read(request: Request) -> Reading:
    """The items of a feed. Never raises on what it is given, but may take as long as the parser does."""
    text = decoded(request.body, request.content_type)
    text, refusal = undeclared(text)
    if refusal:
        return Reading(refusal=refusal)
    if misshapen(text):
        return Reading(refusal=MISSHAPEN)
    text, left_out = shortened(text, request.most)
    parsed = feedparser.parse(
        io.BytesIO(_UTF8 + text.encode("utf-8", "replace")),
        # Without an address of its own, which would become part of every key and change with a redirect.
        response_headers={"content-type": "application/xml; charset=utf-8"},
        sanitize_html=False,  # no HTML leaves this process
        resolve_relative_uris=False,
    )
    if not parsed.version and not parsed.entries:
        return Reading(refusal="it is neither RSS nor Atom")
    return Reading(
        title=_text(parsed.feed, "title").replace("\n", " ")[:LONGEST_TITLE],
        items=[item for entry in parsed.entries[: request.most] if (item := _item(entry, request.url)) is not None],
        left_out=left_out + max(0, len(parsed.entries) - request.most),
    )


def decoded(body: bytes, content_type: str) -> str:
    """``body`` as text: by its mark, else by the header, else by its declaration, else UTF-8, else what it may be."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    named = [found[1] for found in [_CHARSET.search(content_type)] if found]
    named += [found[1].decode("ascii") for found in [_DECLARED.match(body)] if found]
    for encoding in (*named, "utf-8"):
        if _ENCODINGS.fullmatch(encoding.lower()):
            try:
                return body.decode(encoding)
            except (UnicodeError, LookupError):
                continue
    return body.decode("windows-1252", "replace")


def undeclared(text: str) -> tuple[str, str]:
    """``text`` from its first element on, or why it is refused: what stands before it declares things."""
    at = 0
    while True:
        at += len(text[at:]) - len(text[at:].lstrip()) if text[at : at + 1].isspace() else 0
        if text.startswith("<?", at):
            end, mark = text.find("?>", at), 2
        elif text.startswith("<!--", at):
            end, mark = text.find("-->", at), 3
        elif text[at : at + 9].upper() == "<!DOCTYPE":
            end, mark = text.find(">", at), 1
            if 0 <= text.find("[", at) < end:
                return "", DECLARES
        else:
            break
        if end < 0:
            return "", NOT_XML
        at = end + mark
    root = _ROOT.search(text, at)
    if root is None:
        return "", NOT_XML
    if "<!" in text[at : root.start()]:
        return "", DECLARES
    return text[root.start() :], ""


def misshapen(text: str) -> bool:
    """Whether ``text`` is shaped to be slow: nested too deep, or with tags that have more in them than tags have.

    Only as far as it is well-formed; what comes behind is read under the limit of processor time alone.
    """
    if _LONG_TAG.search(text):
        return True
    depth = 0

    def start(_: str, attributes: list[str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST or len(attributes) > 2 * MOST_ATTRIBUTES:
            raise _Misshapen

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = xml.parsers.expat.ParserCreate("utf-8")
    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except _Misshapen:
        return True
    except xml.parsers.expat.ExpatError:
        return False
    return False


def shortened(text: str, most: int) -> tuple[str, int]:
    """``text`` with its first ``most`` items, and how many were cut off: whatever is read costs time."""
    starts = [found.start() for found in _ITEM.finditer(text)]
    root = _ROOT.match(text)
    if len(starts) <= most or root is None or root[1].lower() not in _CLOSING:
        return text, 0
    return text[: starts[most]] + _CLOSING[root[1].lower()], len(starts) - most


class _Misshapen(Exception):
    pass


def _item(entry: Any, base: str) -> Item | None:
    """An item with a text and something to know it by, or ``None``."""
    title = _text(entry, "title").replace("\n", " ")[:LONGEST_TITLE]
    text = max((_text_in(content) for content in entry.get("content", ())), key=len, default="")
    text = (text or _text(entry, "summary"))[:LONGEST_TEXT]
    link = _web_address(base, str(entry.get("link") or "").strip())
    key = str(entry.get("id") or "").strip() or link or f"{title}\n{text[:200]}"
    if not title and not text:
        return None
    moment = entry.get("published_parsed") or dict.get(entry, "updated_parsed")
    return Item(key[:LONGEST_KEY], title, text, link, calendar.timegm(moment) * 1000 if moment else None)


def _web_address(base: str, link: str) -> str:
    try:
        whole = urljoin(base, link) if link else ""
    except ValueError:
        return ""
    return (
        whole if whole.startswith(("http://", "https://")) and whole.isprintable() and len(whole) <= LONGEST_KEY else ""
    )


def _text(parsed: Any, name: str) -> str:
    return _text_in(parsed.get(f"{name}_detail") or {"value": parsed.get(name) or ""})


def _text_in(detail: Any) -> str:
    value = str(detail.get("value") or "")
    return tidy(value) if detail.get("type") == "text/plain" and "<" not in value else text_of(value)


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are none; each under its own limit of processor time."""
    while len(head := requests.read(4)) == 4:
        request = msgpack.decode(requests.read(int.from_bytes(head, "big")), type=Request)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # its signal ends the process, wherever it is
        try:
            reading = read(request)
        except Exception as exc:  # whatever a parser raises on a stranger's bytes: one feed is lost, and told of
            reading = Reading(refusal=f"it cannot be read ({type(exc).__name__})")
        signal.setitimer(signal.ITIMER_PROF, 0)
        answer = msgpack.encode(reading)
        answers.write(len(answer).to_bytes(4, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(sys.stdin.buffer, sys.stdout.buffer)
