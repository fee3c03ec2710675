"""Texts in, calibrated probabilities out: one release on one ONNX Runtime session.

Scoring has three steps, so that a pipeline can overlap them: :meth:`Scorer.prepare` tokenises and forms
batches, :meth:`Scorer.infer` runs the graph (thread safe, without the interpreter lock), and
:meth:`Scorer.read` calibrates and puts the rows back in order.

A document's numbers do not depend on its neighbours: its padded length follows from the text alone, only
documents of equal padded length share a batch, and a batch has at least two rows, because matrix libraries
take another path for one. So a slab that is read again after a crash, cut elsewhere, says the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models import graphs
from models.device import Precision, Provider, choose_precision, choose_provider, open_session, provider_of, runner
from models.errors import CorruptReleaseError, InferenceError, MislabelledReleaseError
from models.halve import halve
from models.reference import Reference, read_reference
from models.release import Manifest, read_file, verify
from models.text import open_tokenizer, padded, tokens_of_span

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Span = tuple[int, int] | None

CHARS_PER_TOKEN = 16
"""A text is cut at this many characters per token read: what lies beyond is never reached in English."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Batch:
    """B rows of equal padded length S. ``rows`` are positions in the texts; further rows only pad.

    ``named`` says for each row which column of ``spans`` [B, E, 2] holds each of its entities, ``None``
    where the entity was not found among the tokens.
    """

    rows: tuple[int, ...]
    ids: Ints
    mask: Ints
    spans: Ints
    named: tuple[tuple[int | None, ...], ...]
    truncated: tuple[bool, ...]

    @property
    def tokens(self) -> int:
        """Tokens computed, padding included."""
        return int(self.ids.size)


RawBatch = dict[str, Floats]
"""A batch's outputs by name, before calibration, padding rows included."""


@dataclass(frozen=True)
class Scores:
    """What the release says of n documents, in the order they were given.

    ``sentiment`` [n, 3] and ``topics[taxonomy]`` [n, k] are calibrated probabilities in the order of the
    labels; ``entities[i]`` [m_i, 3] the sentiment toward each entity of document i; ``embedding`` [n, H]
    has unit length; ``truncated`` [n] tells which texts were longer than the tokens read.
    """

    sentiment: Floats
    topics: dict[str, Floats]
    entities: list[Floats]
    embedding: Floats
    truncated: NDArray[np.bool_]


class Scorer:
    """One loaded release. Build it with :meth:`load`; all methods may be called from any thread."""

    def __init__(
        self,
        manifest: Manifest,
        tokenizer: Tokenizer,
        session: Any,
        *,
        provider: str,
        precision: str,
        max_tokens: int,
        batch_tokens: int,
        reference: Reference | None = None,
    ) -> None:
        self.release = manifest.version
        self.reference = reference
        self.languages = manifest.languages
        self.taxonomies: dict[str, tuple[str, ...]] = dict(manifest.labels.topics)
        self.provider = provider
        self.precision = precision
        self.max_tokens = max_tokens
        self.batch_tokens = batch_tokens
        self._temperatures = manifest.temperatures
        self._tokenizer = tokenizer
        self._outputs = [output.name for output in session.get_outputs()]
        self._run = runner(session, self._outputs, provider)
        self._close = int(tokenizer.encode("").ids[-1])

    @classmethod
    def load(
        cls,
        release: Path,
        *,
        provider: Provider = "auto",
        precision: Precision = "auto",
        threads: int = 0,
        max_tokens: int = 256,
        batch_tokens: int = 4096,
    ) -> Scorer:
        """Verify and load the release in directory ``release``, and score a first batch with it.

        ``threads`` are ONNX Runtime's own, 0 for one per core; ``max_tokens`` bounds what is read of a
        document, ``batch_tokens`` (padding included) what is computed at once.

        Raises:
            ReleaseError: a file is missing, changed, unsafe or contradicts the labels.
            ProviderError: the provider asked for is not there.
            PrecisionError: the release has no graph of that precision.
        """
        manifest = verify(release)
        if "tokenizer.json" not in manifest.files:
            raise MislabelledReleaseError(f"{release} has no tokenizer.json")
        try:
            tokenizer = open_tokenizer(release / "tokenizer.json")
        except Exception as exc:  # tokenizers raises bare Exception
            raise CorruptReleaseError(f"{release}: tokenizer.json cannot be read: {exc}") from exc
        wanted = choose_provider(provider)
        chosen = choose_precision(manifest, precision, wanted)
        session = open_session(_graph(release, manifest, chosen), wanted, threads, required=provider != "auto")
        used = provider_of(session)
        if used != wanted and choose_precision(manifest, precision, used) != chosen:
            # ONNX Runtime fell back: its libraries for the device are missing. What is best there is not best here.
            chosen = choose_precision(manifest, precision, used)
            session = open_session(_graph(release, manifest, chosen), used, threads, required=True)
        scorer = cls(
            manifest,
            tokenizer,
            session,
            provider=used,
            precision=chosen,
            max_tokens=max_tokens,
            batch_tokens=batch_tokens,
            reference=read_reference(release, manifest),
        )
        scorer._prove()
        return scorer

    def prepare(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Batch]:
        """Tokenise, and form batches of equal padded length within the token budget.

        ``spans[i]`` are the entities of text i as half-open ranges of code points, ``None`` for one that
        the text does not name.
        """
        if len(texts) != len(spans):
            raise ValueError(f"{len(texts)} texts and {len(spans)} lists of spans")
        cut = self.max_tokens * CHARS_PER_TOKEN
        encodings = self._encode([text[:cut] for text in texts], offsets=any(map(any, spans)))
        by_length: dict[int, list[int]] = {}
        kept: list[list[int]] = []
        truncated: list[bool] = []
        for row, encoding in enumerate(encodings):
            ids = encoding.ids
            longer = len(ids) > self.max_tokens
            kept.append([*ids[: self.max_tokens - 1], self._close] if longer else ids)
            truncated.append(longer or len(texts[row]) > cut)
            by_length.setdefault(padded(len(kept[row])), []).append(row)
        batches: list[Batch] = []
        for length in sorted(by_length):
            rows = by_length[length]
            most = max(2, self.batch_tokens // length)
            for start in range(0, len(rows), most):
                part = rows[start : start + most]
                found = [self._locate(encodings[row], spans[row], len(kept[row])) for row in part]
                batches.append(_form(part, length, kept, found, truncated))
        return batches

    def infer(self, batch: Batch) -> RawBatch:
        """Run the graph over one batch.

        Raises:
            InferenceError: ONNX Runtime failed, or an output is not finite.
        """
        feeds = {"input_ids": batch.ids, "attention_mask": batch.mask, "spans": batch.spans}
        try:
            values = self._run(feeds)
        except Exception as exc:  # ONNX Runtime's errors share no base
            raise InferenceError(f"release {self.release} failed on a batch of {len(batch.rows)}: {exc}") from exc
        raw = dict(zip(self._outputs, (np.asarray(value, np.float32) for value in values), strict=True))
        for name, value in raw.items():
            if not np.isfinite(value).all():
                raise InferenceError(f"release {self.release}: output {name} is not finite")
        return raw

    def read(self, batches: Sequence[Batch], raws: Sequence[RawBatch]) -> Scores:
        """Calibrated scores in the order of the texts that :meth:`prepare` was given."""
        total = sum(len(batch.rows) for batch in batches)
        width = raws[0]["embedding"].shape[1] if raws else 0
        sentiment = np.zeros((total, 3), np.float32)
        topics = {name: np.zeros((total, len(labels)), np.float32) for name, labels in self.taxonomies.items()}
        entities: list[Floats] = [np.zeros((0, 3), np.float32)] * total
        embedding = np.zeros((total, width), np.float32)
        truncated = np.zeros(total, np.bool_)
        for batch, raw in zip(batches, raws, strict=True):
            rows, count = list(batch.rows), len(batch.rows)
            sentiment[rows] = _calibrated(raw["sentiment"][:count], self._temperatures.sentiment)
            for name, table in topics.items():
                temperature = self._temperatures.topics.get(name, 1.0)
                table[rows] = _calibrated(raw[f"topic.{name}"][:count], temperature)
            embedding[rows] = raw["embedding"][:count]
            truncated[rows] = batch.truncated
            toward = _calibrated(raw["entities"][:count], self._temperatures.entities)
            for at, (row, columns) in enumerate(zip(rows, batch.named, strict=True)):
                if columns:
                    entities[row] = np.stack(
                        [sentiment[row] if column is None else toward[at, column] for column in columns]
                    )
        return Scores(sentiment, topics, entities, embedding, truncated)

    def score(self, texts: Sequence[str], spans: Sequence[Sequence[Span]] | None = None) -> Scores:
        """Prepare, infer and read in one go; without ``spans`` no entity is asked about."""
        batches = self.prepare(texts, spans if spans is not None else [()] * len(texts))
        return self.read(batches, [self.infer(batch) for batch in batches])

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The code points that each token read of ``text`` stands for; an empty range for special ones."""
        (encoding,) = self._encode([text[: self.max_tokens * CHARS_PER_TOKEN]], offsets=True)
        offsets: list[tuple[int, int]] = encoding.offsets[: self.max_tokens]
        if len(encoding.offsets) > self.max_tokens:
            offsets[-1] = (0, 0)  # the closing token stands there
        return offsets

    def _encode(self, texts: list[str], *, offsets: bool) -> list[Any]:
        encode = self._tokenizer.encode_batch if offsets else self._tokenizer.encode_batch_fast
        try:
            return list(encode(texts))
        except (UnicodeEncodeError, TypeError):  # a lone surrogate: another code point stands in for it
            return list(encode([_SURROGATE.sub("\ufffd", text) for text in texts]))

    def _locate(self, encoding: Any, spans: Sequence[Span], length: int) -> list[tuple[int, int] | None]:
        if not any(spans):
            return [None] * len(spans)
        offsets = encoding.offsets
        return [None if span is None else tokens_of_span(offsets, *span, length - 1) for span in spans]

    def _prove(self) -> None:
        """Score a first batch: shapes are what the labels promise, and the first slab does not pay for start-up."""
        scores = self.score(["tocsin is an alarm bell", "a"], [[(0, 6), None], []])
        for name, labels in self.taxonomies.items():
            if scores.topics[name].shape != (2, len(labels)):
                raise MislabelledReleaseError(f"release {self.release}: taxonomy {name} has other labels than outputs")
        if scores.entities[0].shape != (2, 3):
            raise MislabelledReleaseError(f"release {self.release}: entities have no three sentiments")


def _graph(release: Path, manifest: Manifest, precision: str) -> bytes:
    """The verified graph of that precision; where the release has no file for fp16, made of the fp32 one."""
    made = precision == "fp16" and "fp16" not in manifest.graphs
    data = read_file(release, manifest, manifest.graphs["fp32" if made else precision])
    model = graphs.parse(data)
    graphs.check_shapes(model, {name: len(some) for name, some in manifest.labels.topics.items()})
    return halve(model).SerializeToString() if made else data


def _form(
    rows: list[int],
    length: int,
    kept: list[list[int]],
    found: list[list[tuple[int, int] | None]],
    truncated: list[bool],
) -> Batch:
    height, widest = max(2, len(rows)), max(2, *(len(some) for some in found))
    ids = np.zeros((height, length), np.int64)
    mask = np.zeros((height, length), np.int64)
    spans = np.zeros((height, widest, 2), np.int64)
    mask[len(rows) :, 0] = 1
    named: list[tuple[int | None, ...]] = []
    for at, row in enumerate(rows):
        ids[at, : len(kept[row])] = kept[row]
        mask[at, : len(kept[row])] = 1
        for column, span in enumerate(found[at]):
            if span is not None:
                spans[at, column] = span
        named.append(tuple(None if span is None else column for column, span in enumerate(found[at])))
    return Batch(tuple(rows), ids, mask, spans, tuple(named), tuple(truncated[row] for row in rows))


def _calibrated(logits: Floats, temperature: float) -> Floats:
    scaled = logits.astype(np.float64) / temperature
    exp = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(exp / exp.sum(-1, keepdims=True), np.float32)
