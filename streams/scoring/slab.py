"""The work on one slab: intake, scoring, observations, encoding. Runs in a thread; sends nothing.

What it returns follows from the slab's bytes, the watch-list and the release alone, so that a slab that is
read again, cut elsewhere, gives the same documents under the same ids. One release reads a slab from its first
record to its last, whatever becomes champion meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.errors import InferenceError, ModelError, ReleaseError
from models.scorer import Batch, RawBatch, Scorer, Scores
from streams import logs
from streams.delivery.journal import SUSPECT_AFTER, Journal, probe_each
from streams.delivery.lanes import Dropped
from streams.delivery.outputs import Output, partition_by_key
from streams.delivery.slabs import Record, Slab
from streams.intake.reader import Intake
from streams.metrics import Metrics
from streams.page.sentiments import Heard, heard
from streams.records import Document, Observations, Origin, Rejection, ScoredDocument, encode
from streams.scored import scored_documents, spans_of
from streams.scoring.bisect import HARMLESS, score_or_reject
from streams.scoring.dead_letters import dead_letter
from streams.scoring.listening import Slice
from streams.scoring.serving import Live, Serving, drawn
from streams.settings import Settings
from streams.topics import LARGEST_DEAD_LETTER_BYTES, LONGEST_OBSERVATIONS_BYTES
from streams.watch.observations import gather

log = logs.get(__name__)

THREADS = 2
"""One slab is tokenised, encoded or read while another is in the model."""

STAGES = ("size", "decode", "validate", "score")

Verdict = ScoredDocument | Rejection


@dataclass
class Work:
    """What a slab came to. ``observations`` are complete but for the event time of what went before.

    ``heard`` is what the live page counts of it, where there is one; ``slices`` are for the drift detectors, once
    everything else is acknowledged.
    """

    outputs: list[Output] = field(default_factory=list)
    observations: list[Observations] = field(default_factory=list)
    scored: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    event_ms: int | None = None
    broker_ms: int | None = None
    heard: Heard | None = None
    slices: Sequence[Slice] = ()


class SlabScorer:
    """Scores slabs in up to :data:`THREADS` threads; ``counts`` are partition counts by topic.

    ``shown`` says that somebody wants to know what was heard.
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        live: Live,
        journal: Journal,
        metrics: Metrics,
        counts: Mapping[str, int],
        *,
        shown: bool = False,
    ) -> None:
        self._shown = shown
        self._settings = settings
        self._intake = intake
        self._live = live
        self._journal = journal
        self._metrics = metrics
        self._counts = counts
        self._streams = {stream.topic: name for name, stream in settings.streams.items()}
        for topic in self._streams:
            for stage in STAGES:  # a counter that begins at 1 has, to Prometheus, never increased
                metrics.dead_letters.labels(topic, stage)
        self._model = threading.Lock()
        self._desks = threading.Semaphore(THREADS)
        self._alone = threading.Lock()

    def compute(self, slab: Slab) -> Work:
        """Everything that is to be sent for ``slab``.

        Raises:
            Dropped: the slab was dropped meanwhile.
            ModelError: the release no longer works, on any document, and no other takes over.
        """
        attempt = self._journal.begin(slab)
        try:
            while True:
                serving = self._live.current
                try:
                    return self._compute(slab, attempt, serving)
                except ModelError as error:
                    if not self._live.back_out(serving, str(error)[:300]):
                        raise
        finally:
            self._journal.end(slab)

    def _compute(self, slab: Slab, attempt: int, serving: Serving) -> Work:
        slices: list[Slice] = []
        if attempt > SUSPECT_AFTER:
            verdicts = self._probe(slab, serving, slices)
        else:
            with self._desks:
                verdicts = self._judge(slab, slab.records, serving, slices)
        with self._desks:
            work = self._work(slab, verdicts, attempt, serving)
        work.slices = slices
        self._live.scored(serving, work.scored)
        return work

    def _judge(self, slab: Slab, records: Sequence[Record], serving: Serving, slices: list[Slice]) -> list[Verdict]:
        """A verdict for each record, in order; what was scored is added to ``slices``."""
        verdicts: dict[int, Verdict] = {}
        documents: list[Document] = []
        stream = self._streams[slab.place.topic]
        for record in records:
            origin = Origin(*slab.place, record.offset)
            found = self._intake.read(record.value, origin, record.timestamp, stream)
            if isinstance(found, Document):
                documents.append(found)
            else:
                verdicts[record.offset] = found
        judged = score_or_reject(
            documents,
            lambda some: self._score(slab, some, serving, slices),
            lambda document, error: self._rejected(slab, document, error, serving),
            lambda: self._prove_healthy(serving),
            passing=(Dropped, ReleaseError),
        )
        verdicts.update((document.origin.offset, verdict) for document, verdict in zip(documents, judged, strict=True))
        return [verdicts[record.offset] for record in records]

    def _score(self, slab: Slab, documents: Sequence[Document], serving: Serving, slices: list[Slice]) -> list[Verdict]:
        scores = self._ask(slab, documents, serving.scorer)
        disputed = self._compare(slab, documents, scores, serving)
        scored = scored_documents(documents, scores, serving.reading)
        slices.append(Slice(self._streams[slab.place.topic], serving.scorer, documents, scores, scored, disputed))
        return list(scored)

    def _ask(self, slab: Slab, documents: Sequence[Document], scorer: Scorer) -> Scores:
        batches = scorer.prepare([d.heard for d in documents], [spans_of(d) for d in documents])
        return scorer.read(batches, [self._infer(slab, batch, scorer) for batch in batches])

    def _infer(self, slab: Slab, batch: Batch, scorer: Scorer) -> RawBatch:
        # One batch in the model at a time: it uses every core it may, and a GPU session is one stream anyway.
        with self._model:
            if slab.dropped:
                raise Dropped
            began = time.perf_counter()
            raw = scorer.infer(batch)
            self._metrics.inference_seconds.observe(time.perf_counter() - began)
        self._metrics.batch_documents.observe(len(batch.rows))
        return raw

    def _compare(self, slab: Slab, documents: Sequence[Document], scores: Scores, serving: Serving) -> frozenset[int]:
        """Let the releases beside the one that serves read some of the same documents. Nothing of it is sent.

        Returns the documents of which one of them names another sentiment.

        Raises:
            ReleaseError: the predecessor says that the one that serves should not.
        """
        companions = self._live.companions(serving)
        rows = [at for at, one in enumerate(documents) if drawn(one.id, self._live.percent)] if companions else []
        if not rows:
            return frozenset()
        called = scores.sentiment[rows].argmax(1)
        disputed: set[int] = set()
        for role, other in companions:
            try:
                heard = self._ask(slab, [documents[row] for row in rows], other.scorer)
            except Dropped:
                raise
            except Exception as exc:  # it only reads along: whatever it raises, the slab goes on
                log.warning("a release beside cannot read along", release=other.release, reason=str(exc)[:300])
                continue
            found = self._live.compare(role, scores, rows, heard)
            otherwise = called != heard.sentiment.argmax(1)
            disputed.update(row for row, differs in zip(rows, otherwise, strict=True) if differs)
            self._metrics.compared.labels(role).inc(len(rows))
            for head, count in found.items():
                self._metrics.differing.labels(role, head).inc(count)
        if objection := self._live.objection():
            raise ReleaseError(objection)
        return frozenset(disputed)

    def _rejected(self, slab: Slab, document: Document, error: Exception, serving: Serving) -> Verdict:
        """The verdict on a document that fails, unless its release is new and the one before can read it.

        Raises:
            ReleaseError: it is the release that is to blame.
        """
        previous = self._live.beside.get("previous")
        if self._live.on_probation and previous is not None:
            try:
                self._ask(slab, [document], previous.scorer)
            except InferenceError:
                pass
            else:
                raise ReleaseError(f"it fails on a document that {previous.release} reads: {error}")
        return Rejection("score", type(error).__name__, f"scoring failed twice: {error}"[:500], document.id)

    def _prove_healthy(self, serving: Serving) -> None:
        with self._model:
            serving.scorer.score([HARMLESS, HARMLESS])

    def _probe(self, slab: Slab, serving: Serving, slices: list[Slice]) -> list[Verdict]:
        """Record by record, with nothing else at work, so that another death of the process names its cause."""
        log.warning("a slab was in hand at several deaths of the process: probing its records", slab=repr(slab))
        by_offset = {record.offset: record for record in slab.records}
        verdicts: dict[int, Verdict] = {}

        def work(offset: int) -> None:
            if slab.dropped:
                raise Dropped
            verdicts[offset] = self._judge(slab, [by_offset[offset]], serving, slices)[0]

        def give_up(offset: int, deaths: int) -> None:
            verdicts[offset] = Rejection("score", "ProcessDied", f"the process died {deaths} times scoring this record")

        with self._alone:
            for _ in range(THREADS):
                self._desks.acquire()
            try:
                probe_each(self._journal, slab, list(by_offset), work, give_up)
            finally:
                self._journal.acquit(slab.place)
                self._desks.release(THREADS)
        return [verdicts[record.offset] for record in slab.records]

    def _work(self, slab: Slab, verdicts: Sequence[Verdict], attempt: int, serving: Serving) -> Work:
        work = Work()
        kept: list[ScoredDocument] = []
        for record, verdict in zip(slab.records, verdicts, strict=True):
            if isinstance(verdict, ScoredDocument):
                value = encode(verdict)
                if len(value) <= LARGEST_DEAD_LETTER_BYTES:
                    kept.append(verdict)
                    work.outputs.append(self._scored_output(slab, verdict, value))
                    continue
                verdict = Rejection("score", "ScoredTooLarge", f"the scored record has {len(value)} bytes", verdict.id)
            work.outputs.append(self._dead_letter(slab, record, verdict, attempt, serving))
            work.dead[verdict.stage] += 1
        work.scored = len(kept)
        work.event_ms = max((document.event_ms for document in kept), default=None)
        work.broker_ms = max((record.timestamp or 0 for record in slab.records), default=0) or None
        work.observations = self._observe(slab, kept, slab.start, slab.end, serving)
        if self._shown:
            work.heard = heard(kept, serving.scorer.languages, self._settings.watch.count_unknown_language)
        return work

    def _scored_output(self, slab: Slab, document: ScoredDocument, value: bytes) -> Output:
        topic, key = self._settings.topics.scored, document.id.encode()
        count = self._counts[topic]
        same = count == self._counts[slab.place.topic]
        partition = slab.place.partition if same else partition_by_key(key, count)
        return Output(topic, partition, key, value)

    def _dead_letter(self, slab: Slab, record: Record, rejection: Rejection, attempt: int, serving: Serving) -> Output:
        topic = self._settings.topics.dead_letters(slab.place.topic)
        origin = Origin(*slab.place, record.offset)
        partition = slab.place.partition % self._counts[topic]
        return dead_letter(topic, partition, record, origin, rejection, serving.release, attempt)

    def _observe(
        self, slab: Slab, kept: list[ScoredDocument], start: int, end: int, serving: Serving
    ) -> list[Observations]:
        """One message per observations partition for offsets ``start``..``end``; more where one grew too large."""
        gathered = gather(
            [document for document in kept if start <= document.origin.offset < end],
            topic=slab.place.topic,
            partition=slab.place.partition,
            first=start,
            last=end - 1,
            event_ms=None,
            release=serving.release,
            partitions=self._counts[self._settings.topics.observations],
            languages=serving.scorer.languages,
            count_unknown_language=self._settings.watch.count_unknown_language,
        )
        if end - start > 1 and max(len(encode(message)) for message in gathered) > LONGEST_OBSERVATIONS_BYTES // 2:
            middle = (start + end) // 2
            return [
                *self._observe(slab, kept, start, middle, serving),
                *self._observe(slab, kept, middle, end, serving),
            ]
        return gathered
