"""What travels to the trainer: signals that a stream has changed, documents worth a label, and labels of people.

Records like those of :mod:`streams.records`, in a file of their own.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from streams.records import Origin, Sentiment, SentimentProbs, TopicCall


class Shift(Struct, frozen=True):
    """A class whose share of the documents has changed: what it ``usual``ly was and what it is ``now``."""

    name: str
    usual: float
    now: float


class DriftSignal(Struct, frozen=True):
    """Topic ``<prefix>.drift.v1``, keyed by ``<release>:<stream>:<detector>``: a detector of a worker alarmed.

    ``calls`` for what should follow: a person's ``look`` at a feed that seems broken, ``collect``ing samples, or
    ``train``ing. ``documents`` had been heard of the stream under the release by that worker, ``window`` of them are
    what alarmed; ``own`` says that they were compared with the stream's own past and not with the release's
    reference. ``event_ms`` is the highest event time among them. ``shifts`` are the classes that moved most.
    """

    release: str
    stream: str
    detector: str
    calls: Literal["look", "collect", "train"]
    documents: int
    window: int
    statistic: float
    threshold: float
    own: bool
    event_ms: int
    shifts: tuple[Shift, ...] = ()
    v: int = 1

    @property
    def key(self) -> bytes:
        return f"{self.release}:{self.stream}:{self.detector}".encode()


class DriftSample(Struct, frozen=True):
    """Topic ``<prefix>.drift-samples.v1``, keyed by ``id``: a document worth a label.

    ``text`` is cut and masked: no addresses, handles, numbers of persons. The ``random`` slice is drawn with
    ``probability`` by a hash of the id, so that what is found on it holds for the stream; the others were chosen for
    their ``reasons``. ``priority`` orders them; it says nothing between releases. A document that is read again may
    come again, under its id.
    """

    id: str
    origin: Origin
    stream: str
    event_ms: int
    text: str
    source: str
    lang: str
    release: str
    sentiment_probs: SentimentProbs
    topics: dict[str, TopicCall]
    slice: Literal["random", "merit"]
    probability: float
    reasons: tuple[str, ...]
    priority: float
    stars: float | None = None
    v: int = 1


class DocumentFeedback(Struct, frozen=True, tag_field="kind", tag="document"):
    """Topic ``<prefix>.feedback.v1``, keyed by ``<id>:label:<by>``: what a person says that a document is.

    ``id`` is the document's, as in a drift sample or a scored record; with a ``text`` the label stands by itself.
    ``topics`` are labels by taxonomy. Of several words of one person on one document the last counts; without a
    sentiment and topics it takes the earlier ones back.
    """

    id: str
    by: str
    at_ms: int
    sentiment: Sentiment | None = None
    topics: dict[str, str] = {}
    text: str = ""
    source: str = ""
    note: str = ""
    v: int = 1

    @property
    def key(self) -> bytes:
        """Its key in the compacted topic: one word of each person on each document."""
        return f"{self.id}:label:{self.by}".encode("utf-8", "surrogatepass")
