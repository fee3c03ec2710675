"""A release takes another's place between slabs, is watched by its predecessor, and gives way where it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from models.errors import InferenceError
from models.scorer import Scorer
from streams.delivery.journal import Journal
from streams.intake import Intake, WatchList
from streams.metrics import Metrics
from streams.records import Observations, ScoredDocument
from streams.scoring.serving import PROBATION_DOCUMENTS, Live, Serving, drawn
from streams.scoring.slab import SlabScorer, Work
from streams.settings import ScoringSettings, Settings
from tests.models import altered
from tests.models.tiny import build_tiny_release
from tests.streams.scoring.test_slab import COUNTS, Poisonous, _good, _slab

MOODS = [_good(text, id=f"{text} {n}") for n in range(60) for text in ("fraud scandal", "great profit", "the", "win")]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scorer]:
    root = tmp_path_factory.mktemp("releases")
    paths = [build_tiny_release(root, "tiny"), altered.hotter(root, "hotter"), altered.contrary(root, "contrary")]
    return {path.name: Scorer.load(path, threads=1) for path in paths}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(scoring=ScoringSettings(max_tokens=64), state_dir=tmp_path)


@pytest.fixture
def serve(settings: Settings, tmp_path: Path) -> Callable[..., tuple[SlabScorer, Live, Metrics]]:
    def build(scorer: Any, *, percent: int = 0, most_different: float = 0.3) -> tuple[SlabScorer, Live, Metrics]:
        live = Live(Serving.of(scorer, settings), percent=percent, most_different=most_different)
        metrics = Metrics.bind(CollectorRegistry())
        intake = Intake(settings.intake, WatchList.load(None))
        return SlabScorer(settings, intake, live, Journal(tmp_path, "s"), metrics, COUNTS), live, metrics

    return build


class Interrupted:
    """The scorer, but while it is in the model for the first time, something happens."""

    def __init__(self, scorer: Scorer, happening: Callable[[], None]) -> None:
        self._scorer = scorer
        self._happening: list[Callable[[], None]] = [happening]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def infer(self, batch: Any) -> Any:
        if self._happening:
            self._happening.pop()()
        return self._scorer.infer(batch)


def stamps(work: Work) -> set[str]:
    """Every release that anything of the slab's work names."""
    said = {msgspec.json.decode(output.value or b"", type=ScoredDocument).release for output in work.outputs}
    return said | {message.release for message in work.observations if isinstance(message, Observations)}


def test_a_swap_in_the_middle_of_a_slab_waits_for_the_next(
    serve: Any, releases: dict[str, Scorer], settings: Settings
) -> None:
    scorer, live, _ = serve(releases["tiny"])
    hotter = Serving.of(releases["hotter"], settings)
    live.current = Serving.of(Interrupted(releases["tiny"], lambda: live.swap(hotter)), settings)
    first, second = scorer.compute(_slab(MOODS)), scorer.compute(_slab(MOODS, start=1000))
    assert (stamps(first), stamps(second)) == ({"tiny"}, {"hotter"})
    alone, _, _ = serve(releases["tiny"])
    assert [output.value for output in first.outputs] == [o.value for o in alone.compute(_slab(MOODS)).outputs]


def test_a_new_release_that_fails_on_everything_gives_way_and_the_slab_is_whole(
    serve: Any, releases: dict[str, Scorer], settings: Settings
) -> None:
    scorer, live, _ = serve(releases["tiny"])
    broken = Poisonous(releases["hotter"])
    broken.broken = True
    live.swap(Serving.of(broken, settings))
    work = scorer.compute(_slab(MOODS))
    assert (stamps(work), work.scored, sum(work.dead.values())) == ({"tiny"}, len(MOODS), 0)
    ((release, reason),) = live.take_backed_out()
    assert (release, "graph failed" in reason) == ("hotter", True)
    assert live.take_backed_out() == []


def test_a_new_release_that_fails_on_what_the_old_one_reads_gives_way(
    serve: Any, releases: dict[str, Scorer], settings: Settings
) -> None:
    scorer, live, _ = serve(releases["tiny"])
    live.swap(Serving.of(Poisonous(releases["hotter"]), settings))
    work = scorer.compute(_slab([_good("fine"), _good("this is poison"), _good("great")]))
    assert (stamps(work), work.scored) == ({"tiny"}, 3)
    assert "fails on a document that tiny reads" in live.take_backed_out()[0][1]


def test_a_document_that_both_releases_fail_on_is_no_objection(
    serve: Any, releases: dict[str, Scorer], settings: Settings
) -> None:
    scorer, live, _ = serve(Poisonous(releases["tiny"]))
    live.swap(Serving.of(Poisonous(releases["hotter"]), settings))
    work = scorer.compute(_slab([_good("fine"), _good("this is poison"), _good("great")]))
    assert (work.scored, work.dead["score"], live.current.release) == (2, 1, "hotter")


def test_after_its_probation_a_release_is_on_its_own(
    serve: Any, releases: dict[str, Scorer], settings: Settings
) -> None:
    scorer, live, _ = serve(releases["tiny"])
    late = Poisonous(releases["hotter"])
    live.swap(Serving.of(late, settings))
    live.scored(live.current, PROBATION_DOCUMENTS)
    late.broken = True
    with pytest.raises(InferenceError):
        scorer.compute(_slab(MOODS))


def test_a_new_release_that_turns_the_verdicts_round_gives_way(
    serve: Any, releases: dict[str, Scorer], settings: Settings
) -> None:
    scorer, live, _ = serve(releases["tiny"], percent=100)
    live.swap(Serving.of(releases["contrary"], settings))
    work = scorer.compute(_slab(MOODS))
    assert stamps(work) == {"tiny"}
    ((release, reason),) = live.take_backed_out()
    assert (release, reason) == ("contrary", f"it differs from tiny on the sentiment of 75% of {len(MOODS)} documents")


def test_a_new_release_that_agrees_stays(serve: Any, releases: dict[str, Scorer], settings: Settings) -> None:
    scorer, live, _ = serve(releases["tiny"], percent=100)
    live.swap(Serving.of(releases["hotter"], settings))
    assert stamps(scorer.compute(_slab(MOODS))) == {"hotter"}
    assert live.comparisons["previous"].documents == len(MOODS)
    assert live.take_backed_out() == []


def test_what_a_rollback_brings_back_is_not_on_probation(
    serve: Any, releases: dict[str, Scorer], settings: Settings
) -> None:
    scorer, live, _ = serve(releases["tiny"], percent=100)
    live.swap(Serving.of(releases["contrary"], settings), trusted=True)
    assert stamps(scorer.compute(_slab(MOODS))) == {"contrary"}


@pytest.mark.parametrize("bad", [False, True])
def test_a_candidate_reads_along_and_changes_nothing(
    serve: Any, releases: dict[str, Scorer], settings: Settings, bad: bool
) -> None:
    expected = serve(releases["tiny"])[0].compute(_slab(MOODS))
    scorer, live, metrics = serve(releases["tiny"], percent=20)
    candidate = Poisonous(releases["contrary"])
    candidate.broken = bad
    live.keep("candidate", Serving.of(candidate, settings))
    work = scorer.compute(_slab(MOODS))
    assert [output.value for output in work.outputs] == [output.value for output in expected.outputs]
    assert work.observations == expected.observations
    read: Sequence[float] = [metrics.compared.labels("candidate")._value.get(),
                             metrics.differing.labels("candidate", "sentiment")._value.get()]  # fmt: skip
    if bad:
        assert read == [0, 0]
    else:
        assert 0 < read[1] < read[0] < len(MOODS) / 3
        assert live.comparisons["candidate"].share("sentiment") == read[1] / read[0]
    assert sum(len(part.disputed) for part in work.slices) == read[1], "what they disagree on is worth a label"


def test_the_documents_both_read_are_drawn_by_their_names() -> None:
    names = [f"doc {n}" for n in range(2_000)]
    assert [drawn(name, 10) for name in names] == [drawn(name, 10) for name in names]
    assert 150 < sum(drawn(name, 10) for name in names) < 250
    assert not any(drawn(name, 0) for name in names)
    assert all(drawn(name, 100) for name in names)
