"""A scored document and an alert as they are kept: masked, with the series they speak of. Pure."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streams.masking import mask
from streams.records import Alert, Background, Origin, ScoredDocument, ScoredEntity, TopicCall
from streams.watch.series import feelings, mood

LONGEST_TEXT = 8_000
LONGEST_VECTOR = 4_096
"""Numbers of an embedding; a longer one is none."""
SHOWN_TITLE = 300

Floats = NDArray[np.float32]


class Rest(Struct, frozen=True, array_like=True):
    """What of a document is shown and not searched."""

    origin: Origin
    url: str
    lang: str
    topic: str
    probabilities: tuple[float, float, float]
    topics: dict[str, TopicCall]
    entities: tuple[tuple[str, str, str], ...]
    stars: float | None
    product: str
    brand: str


class Entry(Struct, frozen=True, array_like=True):
    """A document to be kept. ``series`` are those it speaks of, with the mood there (0, 1, 2: negative to positive);
    ``vector`` is its embedding as :func:`pack` writes it; ``stored_ms`` the broker's time of the scored record."""

    stream: str
    id: str
    event_ms: int
    stored_ms: int
    mood: int
    source: str
    release: str
    title: str
    text: str
    rest: Rest
    series: tuple[tuple[str, int], ...] = ()
    vector: bytes | None = None


class AlertEntry(Struct, frozen=True):
    """An alert to be kept, in its present state; ``titles`` are those of its exemplars."""

    alert: Alert
    starts_ms: int
    ends_ms: int
    stored_ms: int
    titles: str


def entry_of(scored: ScoredDocument, stored_ms: int, masked: bool = True) -> Entry:
    """What is kept of ``scored``, which the broker took at ``stored_ms``; ``masked`` takes out what names a person.

    Names of entities stay: they are what is watched. Of an address that tells of a person nothing is kept.
    """

    def kept(text: str, longest: int) -> str:
        return mask(text, longest) if masked else text[:longest]

    probs = scored.sentiment_probs
    return Entry(
        stream=scored.stream,
        id=scored.id,
        event_ms=scored.event_ms,
        stored_ms=stored_ms,
        mood=mood(probs),
        source=kept(scored.source, 300),
        release=scored.release,
        title=kept(scored.title, SHOWN_TITLE),
        text=kept(scored.text, LONGEST_TEXT),
        rest=Rest(
            scored.origin,
            _address(scored.url, masked),
            scored.lang,
            scored.topic,
            (probs.negative, probs.neutral, probs.positive),
            scored.topics,
            tuple(_entity(entity) for entity in scored.entities),
            scored.stars,
            kept(scored.product, 300),
            kept(scored.brand, 300),
        ),
        series=tuple((series, mood(feeling)) for series, feeling in feelings(scored)),
        vector=None if scored.embedding is None else pack(unpack_record(scored.embedding)),
    )


def alert_entry(alert: Alert, stored_ms: int, known: Alert | None = None, masked: bool = True) -> AlertEntry | None:
    """What is kept of ``alert``, where ``known`` is what was kept of the incident before; ``None``: nothing new.

    Of an incident the last state is kept, and what a model said of it later.
    """
    if alert.state == "pending" or alert.reason == "lapsed":
        return None
    if known is not None:
        if alert.revision and alert.sequence <= known.sequence:
            if alert.annotation == known.annotation:
                return None
            alert = msgspec.structs.replace(known, annotation=alert.annotation)
        elif alert.sequence < known.sequence or (alert.sequence == known.sequence and not known.revision):
            return None
        elif alert.annotation is None:
            alert = msgspec.structs.replace(alert, annotation=known.annotation)
    if masked:
        alert = _masked(alert)
    alert = msgspec.structs.replace(alert, evidence=msgspec.structs.replace(alert.evidence, background=Background()))
    starts, ends = _ms(alert.starts_at), _ms(alert.ends_at or alert.window.end)
    titles = "\n".join(exemplar.title for exemplar in alert.exemplars)
    return AlertEntry(alert, starts, max(starts, ends), stored_ms, titles)


def unpack_record(encoded: str) -> Floats:
    """The embedding of a scored record; empty where it is none."""
    try:
        vector = np.frombuffer(base64.b64decode(encoded, validate=True), "<f2").astype(np.float32)
    except (binascii.Error, ValueError):
        return np.zeros(0, np.float32)
    return vector if len(vector) <= LONGEST_VECTOR and np.isfinite(vector).all() else np.zeros(0, np.float32)


def pack(vector: Floats) -> bytes | None:
    """``vector`` in a byte a number, scaled to its largest: its length is lost, its direction is not.

    >>> [int(b) for b in np.frombuffer(pack(np.array([0.1, -0.2, 0.0], np.float32)), np.int8)]
    [64, -127, 0]
    """
    largest = float(np.abs(vector).max(initial=0.0))
    if largest == 0.0:
        return None
    return bytes(np.rint(vector * (127.0 / largest)).astype(np.int8).tobytes())


def _entity(entity: ScoredEntity) -> tuple[str, str, str]:
    return entity.id, entity.name, entity.sentiment


def _address(url: str, masked: bool) -> str:
    """A web address without what names a user: one with a user in it, or a mail address, is not kept at all."""
    if not url.startswith(("https://", "http://")):
        return ""
    return "" if masked and ("@" in url or "%40" in url) else url


def _masked(alert: Alert) -> Alert:
    exemplars = tuple(msgspec.structs.replace(one, title=mask(one.title, SHOWN_TITLE)) for one in alert.exemplars)
    return msgspec.structs.replace(alert, exemplars=exemplars, summary=mask(alert.summary))


def _ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
