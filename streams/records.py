"""What travels between the stages: frozen, versioned msgspec structs.

Input from outside is tolerant and becomes a :class:`Document` in ``streams.intake``; everything here is
strict. Times are integer milliseconds since the Unix epoch (``*_ms``), UTC; probabilities are floats in
[0, 1] rounded to :data:`PROBABILITY_DIGITS`, so that a repeated slab encodes to the same bytes.
"""

from __future__ import annotations

from typing import Literal

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
    """What the watcher keeps of a document: enough to fold copies, to show it as an exemplar and to say what
    it is about."""

    offset: int
    event_ms: int
    id: str
    title: str
    source: str
    signature: int
    topic: str = ""


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
    """A document that speaks for an alert: ``copies`` of it were folded, ``similar`` other stories are like it."""

    id: str
    title: str
    source: str
    event_ms: int
    p_negative: float
    copies: int
    origin: Origin
    similar: int = 0


class Driver(Struct, frozen=True):
    """A source or a topic that drives a rise: negative stories ``observed`` and ``expected`` of it.

    ``power`` is its part of the whole excess, ``surprise`` (bits) how much its part of the stories has changed.
    """

    name: str
    observed: float
    expected: float
    power: float
    surprise: float


class Term(Struct, frozen=True):
    """A word, or two, in ``stories`` of the negative ones; ``z`` is its log-odds against calm days, in sigmas."""

    term: str
    stories: int
    z: float


class Background(Struct, frozen=True):
    """Where stories of calm days stand, negative ones and others, and which releases had read them."""

    negative: tuple[Origin, ...] = ()
    other: tuple[Origin, ...] = ()
    releases: tuple[str, ...] = ()


class Evidence(Struct, frozen=True):
    """Why it rang. ``volume`` and ``share`` say how rare each is by itself, as -log10 of its tail probability.

    ``expected_low`` to ``expected_high`` is where 95 of 100 calm windows lie. By chance a series gets such a score
    once in ``chance_days``. For ``highest_in_days`` it got none as high: since it did (``reached_before``), or since
    it is watched. ``clusters`` is the number of different stories among those kept as witnesses.
    """

    volume: float = 0.0
    share: float = 0.0
    window_open: bool = False
    expected_low: int = 0
    expected_high: int = 0
    chance_days: float = 0.0
    highest_in_days: int = 0
    reached_before: bool = False
    clusters: int = 0
    sources: tuple[Driver, ...] = ()
    topics: tuple[Driver, ...] = ()
    terms: tuple[Term, ...] = ()
    background: Background = Background()


class WeighedWord(Struct, frozen=True):
    """A word of a document and what it adds to the log-odds of its being negative."""

    word: str
    weight: float


class Explained(Struct, frozen=True):
    """Which words of an exemplar (by its id) the release leans on, heaviest first."""

    id: str
    words: tuple[WeighedWord, ...]


class Annotation(Struct, frozen=True):
    """What a model says later of an alert; see ``streams.annotate``.

    ``world``: the previous release hears the same shift. ``model``: on calm days' stories alone the change of the
    release moves the share as much. Shares are negative parts: of calm stories by the release of the alert
    (``calm_now``) and by the ``previous`` one (``calm_then``); ``kept`` is the part of the exemplars that the previous
    release calls negative, too.
    """

    verdict: Literal["world", "model", "both", "undecided"]
    why: str
    release: str
    previous: str = ""
    stories: int = 0
    calm_now: float | None = None
    calm_then: float | None = None
    kept: float | None = None
    explained: tuple[Explained, ...] = ()


class Alert(Struct, frozen=True):
    """Topic ``<prefix>.alerts.v1``, keyed by ``alert_id``: one state transition of an incident.

    ``alert_id`` names the incident from first to last state; ``transition_id`` is the idempotency key of
    this message. Neither depends on the release or the wall clock. ``score`` is -log10 of the calibrated
    tail probability, ``threshold`` what the budget asks of it; ``observed`` and ``expected`` count
    negative stories in ``window``. ``rang`` is how often the incident began to ring so far; ``flapping`` says
    that it came and went too often within a day to be told of each time. The notifier adds ``drivers``, the series
    for which this one speaks, and ``acknowledged_by``. A ``revision`` above 0 is the transition of this sequence told
    again with an ``annotation``; its transition id is its own.
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
    evidence: Evidence = Evidence()
    labels: dict[str, str] = {}
    flapping: bool = False
    rang: int = 1
    drivers: tuple[str, ...] = ()
    acknowledged_by: str = ""
    revision: int = 0
    annotation: Annotation | None = None
    v: int = 1


Verdict = Literal["acknowledge", "dismiss", "confirm"]


class AlertFeedback(Struct, frozen=True, tag_field="kind", tag="alert"):
    """Topic ``<prefix>.feedback.v1``, keyed by ``<alert_id>:<acknowledge or verdict>``: a person's word on an alert.

    Acknowledged: somebody is on it, tell no more of it until it is over. Dismissed: it was a false alarm and is over.
    Confirmed: it was right. Of dismissals and confirmations the last counts.
    """

    alert_id: str
    verdict: Verdict
    by: str
    note: str
    at_ms: int
    v: int = 1

    @property
    def key(self) -> bytes:
        """Its key in the compacted topic: an acknowledgement does not push out a verdict."""
        return f"{self.alert_id}:{'acknowledge' if self.verdict == 'acknowledge' else 'verdict'}".encode()


class ReleaseHint(Struct, frozen=True):
    """Topic ``<prefix>.releases.v1``, keyed by the alias: it names another release now. Only a hint to look."""

    alias: str
    release: str
    at_ms: int
    v: int = 1


def encode(record: Struct) -> bytes:
    """The JSON bytes of ``record``; equal records give equal bytes."""
    return _encoder.encode(record)


_encoder = msgspec.json.Encoder()
