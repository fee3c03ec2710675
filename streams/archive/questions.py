"""What somebody asks of the archive, on the command line or on the page: what was typed, as filters and an embedding,
and what is found, as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from models.scorer import Scorer
from streams.archive.entries import Floats
from streams.archive.search import Found, moment
from streams.archive.store import Filters, Shelves
from streams.errors import InputError
from streams.intake import WatchList
from streams.intake.text import clean
from streams.scored import SENTIMENTS
from streams.watch.series import plain


class Wanted(Struct, frozen=True):
    """What somebody asked for, as typed; empty strings where nothing was."""

    question: str = ""
    entity: str = ""
    topic: str = ""
    series: str = ""
    alert: str = ""
    sentiment: str = ""
    stream: str = ""
    source: str = ""
    since: str = ""
    until: str = ""


def filters_of(shelves: Shelves, wanted: Wanted, names: dict[str, str], now_ms: int) -> Filters:
    """What ``wanted`` asks of a document; ``names`` are the ids of entities by their name in lower case.

    Raises:
        InputError: there is no such alert or series, or a time is none.
    """
    since = moment(wanted.since, now_ms) if wanted.since else None
    until = moment(wanted.until, now_ms) if wanted.until else None
    series = wanted.series
    if wanted.alert:
        alert = shelves.alert(wanted.alert)
        if alert is None:
            raise InputError(f"the archive has no alert {wanted.alert[:80]!r}, or more than one that begins so")
        series = series or alert.alert.series
        since = alert.starts_ms if since is None else since
        until = alert.ends_ms if until is None else until
    elif wanted.entity or wanted.topic:
        entity = names.get(wanted.entity.casefold(), wanted.entity)
        parts = [f"{kind}:{plain(name)}" for kind, name in (("entity", entity), ("topic", wanted.topic)) if name]
        series = "|".join(parts)
    if series:
        known = shelves.series(series)
        if not known:
            raise InputError(f"the archive has nothing of {series[:200]!r}")
        series = known
    if wanted.sentiment and wanted.sentiment not in SENTIMENTS:
        raise InputError(f"sentiment is one of {', '.join(SENTIMENTS)}")
    mood = [*SENTIMENTS].index(wanted.sentiment) if wanted.sentiment else None
    return Filters(series, wanted.stream, wanted.source, mood, since, until)


def told(found: Found) -> dict[str, Any]:
    """A document for a program or a page: plain values, and times in milliseconds."""
    entry, rest = found.kept.entry, found.kept.entry.rest
    return {
        "id": entry.id,
        "stream": entry.stream,
        "event_ms": entry.event_ms,
        "title": entry.title,
        "text": entry.text,
        "marked": found.kept.marked,
        "source": entry.source,
        "url": rest.url,
        "lang": rest.lang,
        "sentiment": SENTIMENTS[entry.mood],
        "probability": max(rest.probabilities),
        "topic": rest.topic,
        "entities": [{"id": id, "name": name, "sentiment": feeling} for id, name, feeling in rest.entities],
        "release": entry.release,
        "by_words": found.by_words,
        "by_meaning": found.by_meaning,
    }


def names_of(watchlist: WatchList) -> dict[str, str]:
    """The ids of the watch-list's entities by their names in lower case."""
    return {entity.name.casefold(): entity.id for entity in watchlist.entities.values()}


def embedded(scorer: Scorer, text: str) -> Floats:
    """The embedding of ``text`` as a document that says it would have."""
    return np.asarray(scorer.score([clean(text).heard]).embedding[0])
