"""Whom a document is about: what its record names, then what the watch-list finds in the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from streams.intake.finder import Hit, locate
from streams.intake.raw import NamedEntity, RawRecord
from streams.intake.text import CleanText, clean
from streams.intake.watchlist import WatchList, slug
from streams.records import Mention

LONGEST_NAME = 120
NAMES_READ = 64
"""Names of one record that are looked at; a list of thousands is not about any of them."""


class _Named(Struct, frozen=True):
    id: str
    name: str
    span: tuple[int, int] | None = None


class Heard(Struct, frozen=True):
    """The text in the forms that finding needs; ``length`` is that of the original."""

    text: CleanText
    folded: str
    length: int


def mentions(
    record: RawRecord, heard: Heard, hits: Sequence[Hit], watchlist: WatchList, most: int
) -> tuple[tuple[Mention, ...], bool]:
    """At most ``most`` mentions, one per entity, and whether any had to be left out.

    The record's own names come first, each where it says or where its name stands in the text (else
    without a span), then the watch-list's finds in the order of the text. Where there are too many, those
    on the watch-list stay.
    """
    found: dict[str, Mention] = {}
    first_hits: dict[str, Hit] = {}
    for hit in hits:
        first_hits.setdefault(hit.entity_id, hit)
    for read, named in enumerate(_named(record, watchlist)):
        if read == NAMES_READ:
            return _bounded(found, first_hits, heard, watchlist, most)[0], True
        if named.id not in found:
            found[named.id] = _place(named, heard, first_hits.get(named.id))
    return _bounded(found, first_hits, heard, watchlist, most)


def _bounded(
    found: dict[str, Mention], first_hits: dict[str, Hit], heard: Heard, watchlist: WatchList, most: int
) -> tuple[tuple[Mention, ...], bool]:
    for entity_id, hit in first_hits.items():
        if entity_id not in found:
            found[entity_id] = _mention(watchlist.entities[entity_id].name, entity_id, hit.start, hit.end, heard)
    if len(found) <= most:
        return tuple(found.values()), False
    watched = [mention for mention in found.values() if mention.id in watchlist.entities]
    others = [mention for mention in found.values() if mention.id not in watchlist.entities]
    return tuple((watched + others)[:most]), True


def _named(record: RawRecord, watchlist: WatchList) -> Iterator[_Named]:
    entities = record.entities
    if entities is not None:
        for item in entities if isinstance(entities, list) else [entities]:
            if isinstance(item, str):
                item = NamedEntity(name=item)
            if item is not None and (named := _from_record(item, watchlist)) is not None:
                yield named
    tickers = record.tickers
    if tickers is not None:
        for ticker in tickers if isinstance(tickers, list) else tickers.split(","):
            if ticker and (named := _from_record(NamedEntity(ticker=ticker), watchlist)) is not None:
                yield named
    for kind, name in (("product", record.product), ("brand", record.brand)):
        if name and (tidy := tidy_name(name)):
            known = watchlist.by_name(tidy)
            if known is not None:
                yield _Named(known.id, tidy)
            elif part := slug(tidy):
                yield _Named(f"{kind}:{part}", tidy)


def _from_record(item: NamedEntity, watchlist: WatchList) -> _Named | None:
    name = tidy_name(item.name or "")
    ticker = tidy_name(item.ticker or "").lstrip("$").upper()[:12]
    span = None if item.start is None or item.end is None else (item.start, item.end)
    known = (watchlist.by_ticker(ticker) if ticker else None) or (watchlist.by_name(name) if name else None)
    if known is None and name.startswith("$"):
        known = watchlist.by_ticker(name)
    if known is not None:
        return _Named(known.id, name or known.name, span)
    if part := slug(name):
        return _Named(part, name, span)
    part = slug(ticker)
    return _Named(f"ticker:{part}", ticker, span) if part else None


def tidy_name(name: str) -> str:
    """One line without invisible characters, at most 120 characters."""
    short = name[: 2 * LONGEST_NAME]
    if not (short.isascii() and short.isprintable()):
        short = clean(short).heard
    return " ".join(short.split())[:LONGEST_NAME]


def _place(named: _Named, heard: Heard, hit: Hit | None) -> Mention:
    if named.span is not None:
        start, end = named.span
        if 0 <= start < end <= heard.length:
            inside = heard.text.heard_span(start, end)
            if inside is not None and inside[1] <= len(heard.text.heard):
                return Mention(named.name, named.id, start, end, *inside)
    if hit is not None:
        return _mention(named.name, named.id, hit.start, hit.end, heard)
    place = locate(named.name, heard.text.heard, heard.folded)
    if place is None:
        return Mention(named.name, named.id)
    return _mention(named.name, named.id, *place, heard)


def _mention(name: str, entity_id: str, start: int, end: int, heard: Heard) -> Mention:
    return Mention(name, entity_id, *heard.text.original(start, end), start, end)
