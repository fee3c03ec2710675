"""Which feeds: from OPML, from a plain list, from the settings."""

from __future__ import annotations

import xml.parsers.expat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from streams.errors import InputError
from streams.feeds.settings import FeedsSettings

LARGEST_LIST = 16 * 1024 * 1024
LONGEST_URL = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Feed:
    """A feed to be read. ``id`` stays the same where only the scheme or a password in the address changes."""

    url: str
    name: str = ""
    every_seconds: float | None = None

    @property
    def host(self) -> str:
        """The host's name, in lower case."""
        return (urlsplit(self.url).hostname or "").rstrip(".")

    @property
    def id(self) -> str:
        parts = urlsplit(self.url)
        port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
        return f"{self.host}{port}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"

    @property
    def shown(self) -> str:
        """The address as people may see it: a password or a token in it stays out of logs and reports."""
        parts = urlsplit(self.url)
        return f"{self.id.partition('?')[0]}{'?...' if parts.query else ''}"


def feeds(settings: FeedsSettings, lists: Iterable[Path] = ()) -> list[Feed]:
    """Every feed of the settings and of ``lists``, each once; the first mention of one wins.

    Raises:
        InputError: a file cannot be read, or names what is no address of a feed; the text says where.
    """
    found: dict[str, Feed] = {}
    for source in settings.sources:
        _add(found, Feed(source.url, source.name, source.every_seconds), "feeds.sources")
    for path in (*settings.lists, *lists):
        for place, feed in _listed(path):
            _add(found, feed, place)
    if not found:
        raise InputError("no feed is named: give a file of feeds, or set feeds.lists or feeds.sources")
    return list(found.values())


def _add(found: dict[str, Feed], feed: Feed, place: str) -> None:
    try:
        parts = urlsplit(feed.url)
        good = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or len(feed.url) > LONGEST_URL or not feed.url.isprintable() or " " in feed.url:
        raise InputError(f"{place}: {feed.url[:80]!r} is no http(s) address of a feed")
    found.setdefault(feed.id, feed)


def _listed(path: Path) -> Iterator[tuple[str, Feed]]:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InputError(f"the list of feeds {path} cannot be read: {exc.strerror or exc}") from exc
    if len(content) > LARGEST_LIST:
        raise InputError(f"the list of feeds {path} has more than {LARGEST_LIST} bytes")
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        yield from _outlines(path, content)
        return
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        url, _, name = line.strip().partition(" ")
        if url and not url.startswith("#"):
            yield f"{path}, line {number}", Feed(url, name.strip())


def _outlines(path: Path, content: bytes) -> list[tuple[str, Feed]]:
    """The outlines of an OPML file that name a feed. Declarations of entities are refused, not expanded."""
    found: list[tuple[str, Feed]] = []
    parser = xml.parsers.expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise InputError(f"the list of feeds {path} declares entities; take the DTD out of it")

    def start(tag: str, attributes: dict[str, str]) -> None:
        given = {name.lower(): value.strip() for name, value in attributes.items()}
        if tag.lower() == "outline" and given.get("xmlurl"):
            place = f"{path}, line {parser.CurrentLineNumber}"
            found.append((place, Feed(given["xmlurl"], given.get("title") or given.get("text", ""))))

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    try:
        parser.Parse(content, True)
    except xml.parsers.expat.ExpatError as exc:
        raise InputError(f"the list of feeds {path} is no OPML: {exc}") from exc
    return found
