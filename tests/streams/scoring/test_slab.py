"""The work on one slab, with the real intake and a tiny real release: every record gets one verdict."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from models.errors import InferenceError
from models.scorer import Scorer
from streams.delivery.journal import Journal
from streams.delivery.lanes import Dropped
from streams.delivery.slabs import Place, Slab
from streams.intake import Intake, WatchList
from streams.metrics import Metrics
from streams.records import Origin, ScoredDocument
from streams.scoring.serving import Live, Serving
from streams.scoring.slab import SlabScorer, Work
from streams.settings import ScoringSettings, Settings

NEWS = Place("news", 2)
NOW_MS = 1_790_000_000_000
COUNTS = {
    "news": 4, "reviews": 2, "tocsin.scored.v1": 4, "tocsin.observations.v1": 3,
    "tocsin.news.dlq": 4, "tocsin.reviews.dlq": 1,
}  # fmt: skip


class Raw(NamedTuple):
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


@pytest.fixture(scope="module")
def release(tiny_registry: Path) -> Scorer:
    return Scorer.load(tiny_registry / "tiny", threads=1)


class Poisonous:
    """The scorer, but a text with the word ``poison`` makes it raise and one with ``kill`` ends the process."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def prepare(self, texts: Sequence[str], spans: Any) -> Any:
        if self.broken or any("poison" in text for text in texts):
            raise InferenceError("the graph failed")
        if any("kill" in text for text in texts):
            raise Death
        return self._scorer.prepare(texts, spans)

    def score(self, texts: Sequence[str], spans: Any = None) -> Any:
        if self.broken:
            raise InferenceError("the graph failed")
        return self._scorer.score(texts, spans)


class Death(BaseException):
    pass


@pytest.fixture
def scoring(tmp_path: Path, release: Scorer) -> Callable[..., SlabScorer]:
    settings = Settings(scoring=ScoringSettings(max_tokens=64), state_dir=tmp_path)
    intake = Intake(settings.intake, WatchList.load(None))

    def build(scorer: Any = release, journal: Journal | None = None) -> SlabScorer:
        journal = journal or Journal(tmp_path, "tocsin-score")
        live = Live(Serving.of(scorer, settings))
        return SlabScorer(settings, intake, live, journal, Metrics.bind(CollectorRegistry()), COUNTS)

    return build


def _slab(values: Sequence[bytes | None], start: int = 100, place: Place = NEWS) -> Slab:
    records = [Raw(start + n, NOW_MS, b"k%d" % n, value, [("h", b"1")]) for n, value in enumerate(values)]
    return Slab(place, start, start + len(values), records)


def _good(text: str, **fields: Any) -> bytes:
    return json.dumps({"text": text, "published_at": NOW_MS - 1000, **fields}).encode()


def _scored(work: Work) -> list[ScoredDocument]:
    outputs = [output for output in work.outputs if output.topic == "tocsin.scored.v1"]
    return [msgspec.json.decode(output.value or b"", type=ScoredDocument) for output in outputs]


def _dead(work: Work) -> dict[int, dict[str, bytes]]:
    found = {}
    for output in work.outputs:
        if output.topic.endswith(".dlq"):
            headers = {name: value or b"" for name, value in output.headers}
            found[msgspec.json.decode(headers["origin"], type=Origin).offset] = headers
    return found


def test_every_record_is_scored_or_dead_lettered_and_none_is_both(scoring: Callable[..., SlabScorer]) -> None:
    values = [_good("great profit"), b"{", None, b"\xff\xfe\x00", _good("fraud scandal"), b'{"id": 1}', _good("")]
    work = scoring().compute(_slab(values))
    scored = [document.origin.offset for document in _scored(work)]
    dead = list(_dead(work))
    assert Counter(scored + dead) == Counter(range(100, 107))
    assert scored == [100, 104]
    assert work.scored == 2
    assert sum(work.dead.values()) == 5


def test_a_dead_letter_is_the_original_with_what_was_wrong(scoring: Callable[..., SlabScorer]) -> None:
    work = scoring().compute(_slab([b"{not json"]))
    (output,) = work.outputs
    assert (output.topic, output.partition, output.key, output.value) == ("tocsin.news.dlq", 2, b"k0", b"{not json")
    headers = dict(output.headers)
    assert headers["h"] == b"1"
    assert json.loads(headers["origin"] or b"") == {"topic": "news", "partition": 2, "offset": 100}
    assert headers["__connect.errors.offset"] == b"100"
    assert headers["tocsin.release"] == b"tiny"
    assert headers["tocsin.attempts"] == b"1"
    assert headers["tocsin.version"]


def test_a_dead_letter_too_large_for_its_topic_keeps_a_prefix_and_says_so(scoring: Callable[..., SlabScorer]) -> None:
    work = scoring().compute(_slab([b"x" * 950_000]))
    (output,) = work.outputs
    assert len(output.value or b"") == 65_536
    assert dict(output.headers)["tocsin.replayable"] == b"false"


def test_a_slab_cut_otherwise_says_the_same_of_every_document(scoring: Callable[..., SlabScorer]) -> None:
    texts = ["fraud", "great profit rises", "oil barrel " * 9, "shares fell on a lawsuit", "late and rude staff"]
    values = [_good(text, entities=["Acme"]) for text in texts * 3]
    whole = scoring().compute(_slab(values)).outputs
    parts = [*scoring().compute(_slab(values[:4])).outputs, *scoring().compute(_slab(values[4:], 104)).outputs]
    keyless = [output._replace(key=b"") for output in parts]
    assert [output.value for output in whole] == [output.value for output in parts]
    assert [output._replace(key=b"") for output in whole] == keyless


def test_each_observations_partition_hears_of_the_slab_once(scoring: Callable[..., SlabScorer]) -> None:
    work = scoring().compute(_slab([_good("fraud", entities=["Acme"]), b"{"]))
    assert [(m.topic, m.partition, m.first, m.last) for m in work.observations] == [("news", 2, 100, 101)] * 3
    assert sum(len(message.items) for message in work.observations) > 0


def test_a_slab_of_dead_letters_is_still_observed(scoring: Callable[..., SlabScorer]) -> None:
    work = scoring().compute(_slab([b"{"]))
    assert [(m.first, m.last, m.event_ms, m.items) for m in work.observations] == [(100, 100, None, ())] * 3


def test_scored_documents_keep_their_partition_where_the_counts_match(scoring: Callable[..., SlabScorer]) -> None:
    same = scoring().compute(_slab([_good("fraud", id="a"), _good("fraud", id="b")]))
    assert {output.partition for output in same.outputs} == {2}
    reviews = _slab([_good("fraud", id=str(n)) for n in range(40)], place=Place("reviews", 1))
    by_key = scoring().compute(reviews)
    assert {output.partition for output in by_key.outputs} == {0, 1, 2, 3}


def test_a_record_on_which_scoring_raises_is_found_and_dead_lettered(
    scoring: Callable[..., SlabScorer], release: Scorer
) -> None:
    values = [_good(f"fine {n}") for n in range(20)]
    values[13] = _good("this is poison")
    work = scoring(Poisonous(release)).compute(_slab(values))
    dead = _dead(work)
    assert list(dead) == [113]
    assert dead[113]["__connect.errors.stage"] == b"score"
    assert [document.origin.offset for document in _scored(work)] == [*range(100, 113), *range(114, 120)]


def test_a_release_that_fails_on_everything_dead_letters_nothing(
    scoring: Callable[..., SlabScorer], release: Scorer
) -> None:
    broken = Poisonous(release)
    broken.broken = True
    with pytest.raises(InferenceError):
        scoring(broken).compute(_slab([_good("fine"), _good("fine too")]))


def test_a_record_that_kills_the_process_is_given_up_after_five_deaths(
    scoring: Callable[..., SlabScorer], release: Scorer, tmp_path: Path
) -> None:
    values = [_good(f"fine {n}") for n in range(8)]
    values[5] = _good("kill")
    deaths, work = 0, None
    for _ in range(10):
        journal = Journal(tmp_path, "tocsin-score")
        journal.taken(NEWS)
        try:
            work = _die_hard(scoring(Poisonous(release), journal), _slab(values), tmp_path)
            break
        except Death:
            deaths += 1
    assert work is not None
    assert deaths == 5
    dead = _dead(work)
    assert list(dead) == [105]
    assert dead[105]["__connect.errors.exception.class.name"] == b"ProcessDied"
    assert len(_scored(work)) == 7


def _die_hard(scorer: SlabScorer, slab: Slab, directory: Path) -> Work:
    """Compute; at a death the journal is as the signal would have left it, without the clean-up of Python."""
    left: dict[Path, bytes] = {}
    infer = scorer._score

    def remember(*arguments: Any) -> Any:
        left.update({file: file.read_bytes() for file in directory.rglob("*.json")})
        return infer(*arguments)

    scorer._score = remember  # type: ignore[method-assign]
    try:
        return scorer.compute(slab)
    except Death:
        for file, content in left.items():
            file.write_bytes(content)
        raise


def test_what_was_scored_is_there_to_be_heard_each_document_once(
    scoring: Callable[..., SlabScorer], release: Scorer
) -> None:
    values = [_good(f"fine {n}") for n in range(20)]
    values[13] = _good("this is poison")
    work = scoring(Poisonous(release)).compute(_slab(values))
    heard = [document.id for part in work.slices for document in part.documents]
    assert heard == [document.id for document in _scored(work)]
    assert all(len(part.scores.sentiment) == len(part.documents) for part in work.slices)
    assert {part.stream for part in work.slices} == {"news"}


def test_a_slab_that_was_dropped_is_left_alone(scoring: Callable[..., SlabScorer]) -> None:
    slab = _slab([_good("fine")])
    slab.dropped = True
    with pytest.raises(Dropped):
        scoring().compute(slab)


def test_observations_too_large_for_a_message_become_several_over_parts_of_the_slab(
    scoring: Callable[..., SlabScorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.scoring.slab.LONGEST_OBSERVATIONS_BYTES", 4_000)
    values = [_good(f"fraud {n}", entities=["Acme", "Globex"]) for n in range(16)]
    messages = scoring().compute(_slab(values)).observations
    rounds = [messages[at : at + 3] for at in range(0, len(messages), 3)]
    assert len(rounds) > 1
    spans = [{(m.first, m.last) for m in some} for some in rounds]
    assert all(len(span) == 1 for span in spans)
    edges = [span.pop() for span in spans]
    assert edges[0][0] == 100
    assert edges[-1][1] == 115
    assert all(after[0] == before[1] + 1 for before, after in itertools.pairwise(edges))
    whole = sum(len(m.items) for m in messages)
    monkeypatch.undo()
    assert whole == sum(len(m.items) for m in scoring().compute(_slab(values)).observations)
