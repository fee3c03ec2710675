"""The drift detectors of a worker: they hear what was scored, send what alarms, and are in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from models.scorer import Scorer
from streams.delivery.outputs import Output
from streams.drift.sampler import drawn
from streams.errors import DeliveryError
from streams.intake import Intake, WatchList
from streams.lessons import DriftSample, DriftSignal
from streams.metrics import Metrics
from streams.records import Document, Origin
from streams.scored import Reading, scored_documents
from streams.scoring.listening import MOST_WAITING, RELEASES, Listening, Slice
from streams.settings import Settings
from tests.models.tiny import build_tiny_release, invented_texts, remember

SETTINGS = Settings()
DRIFT, SAMPLES = SETTINGS.topics.drift, SETTINGS.topics.drift_samples
INTAKE = Intake(SETTINGS.intake, WatchList.load(None))


class Broker:
    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.refusing = False

    async def deliver(self, outputs: Iterable[Output]) -> None:
        sent = list(outputs)
        if self.refusing and sent:
            raise DeliveryError("no")
        self.outputs += sent


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(remember(build_tiny_release(tmp_path_factory.mktemp("registry"))), threads=1)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics.bind(CollectorRegistry())


def listening(broker: Any, metrics: Metrics) -> Listening:
    return Listening(SETTINGS, broker, ThreadPoolExecutor(1), metrics, {DRIFT: 3, SAMPLES: 5})


def slab(scorer: Scorer, texts: list[str], *, stars: float | None = None, start: int = 0) -> Slice:
    documents = []
    for at, text in enumerate(texts, start):
        value = msgspec.json.encode({"id": str(at), "text": text} | ({} if stars is None else {"stars": stars}))
        document = INTAKE.read(value, Origin("news", 0, at), 1_700_000_000_000 + at, "news")
        assert isinstance(document, Document)
        documents.append(document)
    scores = scorer.score([document.heard for document in documents])
    scored = scored_documents(documents, scores, Reading.of(scorer, SETTINGS.streams))
    return Slice("news", scorer, documents, scores, scored)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"tocsin_{name}", labels)


def signals_of(outputs: list[Output]) -> list[DriftSignal]:
    return [msgspec.json.decode(one.value or b"", type=DriftSignal) for one in outputs if one.topic == DRIFT]


async def heard(ear: Listening, *slices: Slice) -> None:
    task = asyncio.create_task(ear.listen())
    for part in slices:
        ear.offer(part)
    async with asyncio.timeout(60):
        await ear.drained()
    task.cancel()


async def test_another_stream_is_signalled_with_what_moved(scorer: Scorer, metrics: Metrics) -> None:
    broker = Broker()
    await heard(listening(broker, metrics), slab(scorer, invented_texts(256, about="service", seed=5)))
    signals = signals_of(broker.outputs)
    domain = next(signal for signal in signals if signal.detector == "domain")
    assert (domain.release, domain.stream, domain.calls, domain.own) == ("tiny", "news", "collect", False)
    assert domain.documents <= 128
    assert domain.event_ms == 1_700_000_000_255
    assert domain.shifts[0].name in ("service", "shares")
    sent = [output for output in broker.outputs if output.topic == DRIFT]
    assert [output.key for output in sent] == [signal.key for signal in signals]
    assert all(output.partition < 3 for output in sent)
    assert value(metrics, "drift_alarms_total", stream="news", detector="domain") == 1
    assert value(metrics, "drift_documents_total", stream="news") == 256
    assert value(metrics, "drift_threshold", stream="news", detector="domain") is not None


async def test_stars_tell_of_errors_and_confidence_of_expected_accuracy(scorer: Scorer, metrics: Metrics) -> None:
    broker = Broker()
    wrong = slab(scorer, ["great profit"] * 90, stars=1.0)
    await heard(listening(broker, metrics), wrong)
    signals = signals_of(broker.outputs)
    assert [signal.calls for signal in signals if signal.detector == "error"] == ["train"]
    expected = value(metrics, "expected_accuracy", stream="news", head="sentiment")
    assert expected == pytest.approx(float(wrong.scores.sentiment.max(1).mean()), abs=1e-6)


async def test_some_documents_are_sent_to_be_labelled_masked_and_under_their_ids(
    scorer: Scorer, metrics: Metrics
) -> None:
    broker = Broker()
    texts = [f"@jane{at} {text}" for at, text in enumerate(invented_texts(2_000, seed=9))]
    await heard(listening(broker, metrics), slab(scorer, texts[:1_000]), slab(scorer, texts[1_000:], start=1_000))
    sent = [output for output in broker.outputs if output.topic == SAMPLES]
    samples = [msgspec.json.decode(output.value or b"", type=DriftSample) for output in sent]
    assert 12 <= len(samples) <= 50  # at most two in a hundred of 2,000: many are alike
    assert [output.key for output in sent] == [sample.id.encode() for sample in samples]
    assert {output.partition for output in sent} <= set(range(5))
    blind = [sample for sample in samples if sample.slice == "random"]
    assert {sample.id for sample in blind} == {str(at) for at in range(2_000) if drawn(str(at), 0.004)}
    assert {sample.probability for sample in samples} == {0.004}
    assert all(sample.text.startswith("[user] ") and sample.release == "tiny" for sample in samples)
    assert value(metrics, "drift_samples_total", stream="news", slice="random") == len(blind)


async def test_a_signal_that_the_broker_refuses_stops_nothing(scorer: Scorer, metrics: Metrics) -> None:
    broker = Broker()
    broker.refusing = True
    first, second = (slab(scorer, invented_texts(256, about="service", seed=seed)) for seed in (5, 6))
    await heard(listening(broker, metrics), first, second)
    assert value(metrics, "drift_documents_total", stream="news") == 512


async def test_what_breaks_in_the_detectors_stops_nothing(scorer: Scorer, metrics: Metrics) -> None:
    good = slab(scorer, invented_texts(32))
    broken = good._replace(stream="no such stream")
    await heard(listening(Broker(), metrics), broken, good)
    assert value(metrics, "drift_documents_total", stream="news") == 32


async def test_what_cannot_be_heard_in_time_is_counted_and_skipped(scorer: Scorer, metrics: Metrics) -> None:
    ear, part = listening(Broker(), metrics), slab(scorer, invented_texts(8))
    for _ in range(MOST_WAITING + 3):
        ear.offer(part)  # nobody listens yet
    assert value(metrics, "drift_skipped_total", stream="news") == 24


def test_a_release_without_a_reference_is_not_listened_for(tmp_path: Path, metrics: Metrics) -> None:
    bare = Scorer.load(build_tiny_release(tmp_path), threads=1)
    assert listening(Broker(), metrics).hear(slab(bare, invented_texts(64))) == []
    assert value(metrics, "drift_documents_total", stream="news") is None


def test_each_release_has_listeners_of_its_own(scorer: Scorer, tmp_path: Path, metrics: Metrics) -> None:
    ear = listening(Broker(), metrics)
    others = [Scorer.load(remember(build_tiny_release(tmp_path, name)), threads=1) for name in ("two", "three")]
    strange = invented_texts(256, about="service", seed=5)
    rang = [bool(signals_of(ear.hear(slab(one, strange)))) for one in (scorer, scorer, *others[:1], scorer)]
    # Told once under each release; the first one's listener is still there when it comes back.
    assert rang == [True, False, True, False]
    assert RELEASES == 2
    ear.hear(slab(others[1], strange))
    assert signals_of(ear.hear(slab(scorer, strange)))  # one release too many: it begins anew
