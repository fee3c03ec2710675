"""Lets the drift detectors hear what was scored, after it was acknowledged, on a thread of its own.

Nothing waits for it: where it cannot keep up, documents are skipped and counted, and a signal that the broker does not
take is logged and forgotten. It starts anew with the process: baselines are then the release's again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from models.scorer import Scorer, Scores
from streams import logs
from streams.delivery.outputs import Output, Outputs, partition_by_key
from streams.drift.joining import Known, hear
from streams.drift.listener import Heard, Home, Listener
from streams.drift.sampler import Sampler
from streams.drift.samples import candidates_of, sample_of
from streams.drift.senses import Senses
from streams.drift.signals import signal_of
from streams.errors import DeliveryError
from streams.metrics import Metrics
from streams.records import Document, ScoredDocument, encode
from streams.settings import Settings

log = logs.get(__name__)

MOST_WAITING = 64
"""Slabs that may wait for the detectors; more than that are skipped."""
REMEMBERED = 2_000.0
"""Documents over which the expected accuracy is a mean."""
RELEASES = 2
"""Releases whose listeners are kept: the one that serves, and the one before, which may come back."""


class Slice(NamedTuple):
    """Documents of one stream, scored together by one release, and the records that came of it.

    Of the documents ``disputed`` a release that reads along named another sentiment.
    """

    stream: str
    scorer: Scorer
    documents: Sequence[Document]
    scores: Scores
    scored: Sequence[ScoredDocument]
    disputed: Set[int] = frozenset()


@dataclass
class _Ear:
    """What listens under one release: its home, and a listener and a sampler by stream."""

    home: Home
    listeners: dict[str, Listener]
    samplers: dict[str, Sampler]


class Listening:
    """The drift detectors of a worker: one listener for each release and stream."""

    def __init__(
        self, settings: Settings, outputs: Outputs, executor: Executor, metrics: Metrics, counts: Mapping[str, int]
    ) -> None:
        self._settings = settings
        self._outputs = outputs
        self._executor = executor
        self._metrics = metrics
        self._topic = settings.topics.drift
        self._partitions = counts[self._topic]
        self._samples = settings.topics.drift_samples
        self._sample_partitions = counts[self._samples]
        self._queue: asyncio.Queue[Slice] = asyncio.Queue(MOST_WAITING)
        self._ears: dict[str, _Ear | None] = {}
        self._event_ms: dict[str, int] = {}
        self._sure: dict[tuple[str, str], float] = {}

    def offer(self, part: Slice) -> None:
        """Take documents if there is room; returns at once. On the event loop."""
        try:
            self._queue.put_nowait(part)
        except asyncio.QueueFull:
            self._metrics.drift_skipped.labels(part.stream).inc(len(part.documents))

    async def listen(self) -> None:
        """Hear what is offered, for ever, and send what alarms."""
        loop = asyncio.get_running_loop()
        while True:
            part = await self._queue.get()
            try:
                signals = await loop.run_in_executor(self._executor, self.hear, part)
                await self._outputs.deliver(signals)
            except DeliveryError as exc:
                log.warning("a drift signal was not delivered", reason=str(exc)[:300])
            except Exception as exc:  # detectors only advise: what breaks in them must not stop the scoring
                log.error("the drift detectors failed on a slab", reason=repr(exc)[:300])
            finally:
                self._queue.task_done()

    async def drained(self) -> None:
        """Wait until all that was offered has been heard."""
        await self._queue.join()

    def hear(self, part: Slice) -> list[Output]:
        """The signals that these documents lead to. In a thread, one at a time."""
        ear = self._ear(part.scorer)
        if ear is None or not part.documents:
            return []
        stream, scorer = part.stream, part.scorer
        taxonomy = self._settings.streams[stream].taxonomy
        listener = ear.listeners.get(stream)
        if listener is None:
            listener = ear.listeners[stream] = Listener(ear.home, taxonomy, self._settings.drift.run_length)
        labels = [None if document.stars is None else Known(stars=document.stars) for document in part.documents]
        heard = hear(part.documents, part.scores, labels, scorer.languages, taxonomy, scorer.taxonomies[taxonomy])
        self._event_ms[stream] = max(self._event_ms.get(stream, 0), *(document.event_ms for document in part.documents))
        outputs: list[Output] = []
        metrics = self._metrics
        for step in listener.hear(heard):
            metrics.drift_statistic.labels(stream, step.detector).set(step.look.statistic)
            metrics.drift_threshold.labels(stream, step.detector).set(step.look.threshold)
            if step.look.alarm:
                metrics.drift_alarms.labels(stream, step.detector).inc()
                signal = signal_of(step, listener, scorer.taxonomies, scorer.release, stream, self._event_ms[stream])
                log.warning("drift", stream=stream, detector=step.detector, calls=signal.calls, documents=step.row)
                outputs.append(
                    Output(self._topic, partition_by_key(signal.key, self._partitions), signal.key, encode(signal))
                )
        outputs += self._sample(part, ear, listener, heard)
        metrics.drift_documents.labels(stream).inc(len(part.documents))
        self._expect(stream, heard.heads)
        return outputs

    def _sample(self, part: Slice, ear: _Ear, listener: Listener, heard: Heard) -> Iterator[Output]:
        """The documents of ``part`` that are worth a label, as they are sent."""
        share = self._settings.drift.sample_share
        if not share:
            return
        sampler = ear.samplers.setdefault(part.stream, Sampler(share))
        candidates = candidates_of(
            part.documents, part.scored, heard, listener.surprise(heard.embedding), part.disputed
        )
        for chosen in sampler.choose(candidates, heard.embedding):
            sample = sample_of(part.documents[chosen.at], part.scored[chosen.at], chosen)
            key = sample.id.encode("utf-8", "surrogatepass")
            self._metrics.drift_samples.labels(part.stream, sample.slice).inc()
            yield Output(self._samples, partition_by_key(key, self._sample_partitions), key, encode(sample))

    def _ear(self, scorer: Scorer) -> _Ear | None:
        if scorer.release not in self._ears:
            while len(self._ears) >= RELEASES:
                self._ears.pop(next(iter(self._ears)))
            if scorer.reference is None:
                log.warning(
                    "the release has nothing to compare a stream with: drift is not heard", release=scorer.release
                )
                self._ears[scorer.release] = None
            else:
                home = Home.of(Senses.of(scorer.reference), self._settings.drift.run_length)
                self._ears[scorer.release] = _Ear(home, {}, {})
        return self._ears[scorer.release]

    def _expect(self, stream: str, heads: Mapping[str, Any]) -> None:
        """Move the expected accuracy of each head on by these documents."""
        for head, table in heads.items():
            mean, weight = float(np.max(table, axis=1).mean()), len(table) / (len(table) + REMEMBERED)
            before = self._sure.get((stream, head), mean)
            self._sure[stream, head] = before + weight * (mean - before)
            self._metrics.expected_accuracy.labels(stream, head).set(self._sure[stream, head])
