"""What travels between the stages: frozen, versioned msgspec structs.

Input from outside is tolerant and becomes a :class:`Document` in ``streams.intake``; everything here is
strict. Times are integer milliseconds since the Unix epoch (``*_ms``), UTC; probabilities are floats in
[0, 1] rounded to :data:`PROBABILITY_DIGITS`, so that a repeated slab encodes to the same bytes.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

PROBABILITY_DIGITS = 4

Sentiment = Literal["negative", "neutral", "positive"]
AlertState = Literal["pending", "firing", "recovering", "resolved"]


class Origin(Struct, frozen=True, order=True):
    """Where a record stood in Kafka; offline, ``topic`` is the file's name and ``offset`` the line number."""

    topic: str
    partition: int
    offset: int


class Mention(Struct, frozen=True):
    """An entity in a document. Spans are code points, half-open; ``None`` where the record only named it.

    ``start``/``end`` count in the original text (what users see), ``heard_start``/``heard_end`` in
    ``Document.heard`` (what the model reads).
    """

    name: str
    id: str
    start: int | None = None
    end: int | None = None
    heard_start: int | None = None
    heard_end: int | None = None


class Document(Struct, frozen=True):
    """One accepted input record, cleaned and annotated; lives only inside a worker."""

    id: str
    origin: Origin
    stream: str
    event_ms: int
    title: str
    text: str
    heard: str
    lang: str
    signature: int
    source: str = ""
    url: str = ""
    flags: tuple[str, ...] = ()
    mentions: tuple[Mention, ...] = ()
    stars: float | None = None
    product: str = ""
    brand: str = ""


class Rejection(Struct, frozen=True):
    """Why a record could not become a document. ``stage`` is decode, validate, score or size."""

    stage: Literal["size", "decode", "validate", "score"]
    error: str
    message: str
    id: str | None = None


class SentimentProbs(Struct, frozen=True):
    negative: float
    neutral: float
    positive: float


class TopicCall(Struct, frozen=True):
    """The winning label of one taxonomy and its calibrated probability."""

    label: str
    probability: float


class ScoredEntity(Struct, frozen=True):
    name: str
    id: str
    start: int | None
    end: int | None
    sentiment: Sentiment
    sentiment_probs: SentimentProbs


class ScoredDocument(Struct, frozen=True, omit_defaults=False):
    """Topic ``<prefix>.scored.v1``, keyed by ``id``. ``signature`` is the story signature, 16 hex digits."""

    id: str
    origin: Origin
    stream: str
    event_ms: int
    title: str
    text: str
    source: str
    url: str
    lang: str
    flags: tuple[str, ...]
    sentiment: Sentiment
    sentiment_probs: SentimentProbs
    topic: str
    topics: dict[str, TopicCall]
    entities: tuple[ScoredEntity, ...]
    signature: str
    release: str
    stars: float | None = None
    product: str = ""
    brand: str = ""
    embedding: str | None = None
    v: int = 1


class ObservedDocument(Struct, frozen=True, array_like=True):
    """What the watcher keeps of a document: enough to fold copies and to show it as an exemplar."""

    offset: int
    event_ms: int
    id: str
    title: str
    source: str
    signature: int


class Observation(Struct, frozen=True, array_like=True):
    """One document counted in one series; ``document`` indexes ``Observations.documents``."""

    series: str
    document: int
    p_negative: float
    negative: bool


class Observations(Struct, frozen=True):
    """Topic ``<prefix>.observations.v1``: one message per slab and observations partition, also when empty.

    Covers the source offsets ``first``..``last``, both included. An idle tick has ``last == first - 1``
    and no items: it only moves the clock. ``event_ms`` is the highest event time seen so far on that
    source partition, ``None`` while it never had a record.
    """

    topic: str
    partition: int
    first: int
    last: int
    event_ms: int | None
    release: str
    documents: tuple[ObservedDocument, ...] = ()
    items: tuple[Observation, ...] = ()
    v: int = 1


class Window(Struct, frozen=True):
    """Half-open event-time interval; ``start`` and ``end`` are RFC 3339 UTC."""

    start: str
    end: str
    seconds: int


class Exemplar(Struct, frozen=True):
    id: str
    title: str
    source: str
    event_ms: int
    p_negative: float
    copies: int
    origin: Origin


class Alert(Struct, frozen=True):
    """Topic ``<prefix>.alerts.v1``, keyed by ``alert_id``: one state transition of an incident.

    ``alert_id`` names the incident from first to last state; ``transition_id`` is the idempotency key of
    this message. Neither depends on the release or the wall clock. ``score`` is -log10 of the calibrated
    tail probability, ``threshold`` what the budget asks of it; ``observed`` and ``expected`` count
    negative stories in ``window``. ``rang`` is how often the incident began to ring so far; ``flapping`` says
    that it came and went too often within a day to be told of each time.
    """

    alert_id: str
    transition_id: str
    sequence: int
    rule: str
    rule_version: str
    series: str
    state: AlertState
    severity: str
    starts_at: str
    ends_at: str | None
    window: Window
    observed: float
    expected: float
    total: float
    share: float
    baseline_share: float
    score: float
    threshold: float
    exemplars: tuple[Exemplar, ...]
    copies: int = 0
    release: str = ""
    reason: str = ""
    summary: str = ""
    evidence: dict[str, Any] = {}
    labels: dict[str, str] = {}
    flapping: bool = False
    rang: int = 1
    v: int = 1


def encode(record: Struct) -> bytes:
    """The JSON bytes of ``record``; equal records give equal bytes."""
    return _encoder.encode(record)


_encoder = msgspec.json.Encoder()
