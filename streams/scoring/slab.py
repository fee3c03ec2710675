"""The work on one slab: intake, scoring, observations, encoding. Runs in a thread; sends nothing.

What it returns follows from the slab's bytes, the watch-list and the release alone, so that a slab that is
read again, cut elsewhere, gives the same documents under the same ids.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.scorer import Batch, RawBatch, Scorer
from streams import logs
from streams.delivery.journal import SUSPECT_AFTER, Journal, probe_each
from streams.delivery.lanes import Dropped
from streams.delivery.outputs import Output, partition_by_key
from streams.delivery.slabs import Record, Slab
from streams.intake.reader import Intake
from streams.metrics import Metrics
from streams.page.sentiments import Heard, heard
from streams.records import Document, Observations, Origin, Rejection, ScoredDocument, encode
from streams.scored import Reading, scored_documents, spans_of
from streams.scoring.bisect import HARMLESS, score_or_reject
from streams.scoring.dead_letters import dead_letter
from streams.settings import Settings
from streams.topics import LARGEST_DEAD_LETTER_BYTES, LONGEST_OBSERVATIONS_BYTES
from streams.watch.observations import gather

log = logs.get(__name__)

THREADS = 2
"""One slab is tokenised, encoded or read while another is in the model."""

Verdict = ScoredDocument | Rejection


@dataclass
class Work:
    """What a slab came to. ``observations`` are complete but for the event time of what went before.

    ``heard`` is what the live page counts of it, where there is one.
    """

    outputs: list[Output] = field(default_factory=list)
    observations: list[Observations] = field(default_factory=list)
    scored: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    event_ms: int | None = None
    broker_ms: int | None = None
    heard: Heard | None = None


class SlabScorer:
    """Scores slabs in up to :data:`THREADS` threads; ``counts`` are partition counts by topic.

    ``shown`` says that somebody wants to know what was heard.
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        scorer: Scorer,
        journal: Journal,
        metrics: Metrics,
        counts: Mapping[str, int],
        *,
        shown: bool = False,
    ) -> None:
        self._shown = shown
        self._settings = settings
        self._intake = intake
        self._scorer = scorer
        self._reading = Reading.of(scorer, settings.streams, settings.scoring.embeddings)
        self._journal = journal
        self._metrics = metrics
        self._counts = counts
        self._streams = {stream.topic: name for name, stream in settings.streams.items()}
        self._model = threading.Lock()
        self._desks = threading.Semaphore(THREADS)
        self._alone = threading.Lock()

    def compute(self, slab: Slab) -> Work:
        """Everything that is to be sent for ``slab``.

        Raises:
            Dropped: the slab was dropped meanwhile.
            ModelError: the release no longer works, on any document.
        """
        attempt = self._journal.begin(slab)
        try:
            if attempt > SUSPECT_AFTER:
                verdicts = self._probe(slab)
            else:
                with self._desks:
                    verdicts = self._judge(slab, slab.records)
            with self._desks:
                return self._work(slab, verdicts, attempt)
        finally:
            self._journal.end(slab)

    def _judge(self, slab: Slab, records: Sequence[Record]) -> list[Verdict]:
        """A verdict for each record, in order."""
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
            documents, lambda some: self._score(slab, some), _rejected, self._prove_healthy, passing=(Dropped,)
        )
        verdicts.update((document.origin.offset, verdict) for document, verdict in zip(documents, judged, strict=True))
        return [verdicts[record.offset] for record in records]

    def _score(self, slab: Slab, documents: Sequence[Document]) -> list[Verdict]:
        batches = self._scorer.prepare([d.heard for d in documents], [spans_of(d) for d in documents])
        raws = [self._infer(slab, batch) for batch in batches]
        return list(scored_documents(documents, self._scorer.read(batches, raws), self._reading))

    def _infer(self, slab: Slab, batch: Batch) -> RawBatch:
        # One batch in the model at a time: it uses every core it may, and a GPU session is one stream anyway.
        with self._model:
            if slab.dropped:
                raise Dropped
            began = time.perf_counter()
            raw = self._scorer.infer(batch)
            self._metrics.inference_seconds.observe(time.perf_counter() - began)
        self._metrics.batch_documents.observe(len(batch.rows))
        return raw

    def _prove_healthy(self) -> None:
        with self._model:
            self._scorer.score([HARMLESS, HARMLESS])

    def _probe(self, slab: Slab) -> list[Verdict]:
        """Record by record, with nothing else at work, so that another death of the process names its cause."""
        log.warning("a slab was in hand at several deaths of the process: probing its records", slab=repr(slab))
        by_offset = {record.offset: record for record in slab.records}
        verdicts: dict[int, Verdict] = {}

        def work(offset: int) -> None:
            if slab.dropped:
                raise Dropped
            verdicts[offset] = self._judge(slab, [by_offset[offset]])[0]

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

    def _work(self, slab: Slab, verdicts: Sequence[Verdict], attempt: int) -> Work:
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
            work.outputs.append(self._dead_letter(slab, record, verdict, attempt))
            work.dead[verdict.stage] += 1
        work.scored = len(kept)
        work.event_ms = max((document.event_ms for document in kept), default=None)
        work.broker_ms = max((record.timestamp or 0 for record in slab.records), default=0) or None
        work.observations = self._observe(slab, kept, slab.start, slab.end)
        if self._shown:
            work.heard = heard(kept, self._scorer.languages)
        return work

    def _scored_output(self, slab: Slab, document: ScoredDocument, value: bytes) -> Output:
        topic, key = self._settings.topics.scored, document.id.encode()
        count = self._counts[topic]
        same = count == self._counts[slab.place.topic]
        partition = slab.place.partition if same else partition_by_key(key, count)
        return Output(topic, partition, key, value)

    def _dead_letter(self, slab: Slab, record: Record, rejection: Rejection, attempt: int) -> Output:
        topic = self._settings.topics.dead_letters(slab.place.topic)
        origin = Origin(*slab.place, record.offset)
        partition = slab.place.partition % self._counts[topic]
        return dead_letter(topic, partition, record, origin, rejection, self._reading.release, attempt)

    def _observe(self, slab: Slab, kept: list[ScoredDocument], start: int, end: int) -> list[Observations]:
        """One message per observations partition for offsets ``start``..``end``; more where one grew too large."""
        gathered = gather(
            [document for document in kept if start <= document.origin.offset < end],
            topic=slab.place.topic,
            partition=slab.place.partition,
            first=start,
            last=end - 1,
            event_ms=None,
            release=self._reading.release,
            partitions=self._counts[self._settings.topics.observations],
            languages=self._scorer.languages,
            count_unknown_language=self._settings.watch.count_unknown_language,
        )
        if end - start > 1 and max(len(encode(message)) for message in gathered) > LONGEST_OBSERVATIONS_BYTES // 2:
            middle = (start + end) // 2
            return [*self._observe(slab, kept, start, middle), *self._observe(slab, kept, middle, end)]
        return gathered


def _rejected(document: Document, error: Exception) -> Verdict:
    return Rejection("score", type(error).__name__, f"scoring failed twice: {error}"[:500], document.id)
