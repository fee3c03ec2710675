"""Following the alias: what stands its trial serves, what does not is refused by name, going back loads nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from models.errors import RegistryError
from models.registry import Registry
from models.release import MANIFEST
from models.scorer import Scorer
from streams.metrics import Metrics
from streams.scoring import rollout as module
from streams.scoring.rollout import Follower, Rollout
from streams.scoring.serving import Live, Serving
from streams.settings import ScoringSettings, Settings
from tests.models import altered
from tests.models.tiny import build_tiny_release


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "registry")
    registry.promote(build_tiny_release(registry.root).name)
    altered.hotter(registry.root, "hotter")
    return registry


class Followed:
    """A rollout over the registry, and what it told."""

    def __init__(self, registry: Registry, release: str = "champion", **chosen: object) -> None:
        scoring = ScoringSettings(registry=str(registry.root), release=release, threads=1, provider="cpu")
        self.settings = Settings(scoring=scoring.model_copy(update=chosen))
        scorer = Scorer.load(registry.resolve(release), threads=1)
        self.live = Live(Serving.of(scorer, self.settings), percent=self.settings.scoring.compared_percent)
        self.told: list[tuple[str, dict[str, str]]] = []
        self.metrics = Metrics.bind(CollectorRegistry())
        self.rollout = Rollout(
            self.settings, self.live, self.metrics, lambda serving, why: self.told.append((serving.release, why))
        )

    def moves(self, outcome: str) -> float:
        value: float = self.metrics.release_moves.labels(outcome)._value.get()
        return value


def test_what_the_alias_names_serves_and_the_one_before_stays_warm(registry: Registry) -> None:
    followed = Followed(registry)
    first = followed.live.current
    followed.rollout.look()
    assert followed.live.current is first
    registry.promote("hotter")
    followed.rollout.look()
    assert followed.live.current.release == "hotter"
    assert followed.live.current.scorer.release == "hotter"
    assert followed.live.beside["previous"] is first
    assert followed.told == [("hotter", {})]


def test_rolling_back_loads_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Followed(registry)
    first = followed.live.current
    registry.promote("hotter")
    followed.rollout.look()
    monkeypatch.setattr(module, "try_out", None)
    registry.rollback()
    followed.rollout.look()
    assert followed.live.current is first
    assert not followed.live.on_probation


def test_a_worker_that_starts_late_has_the_previous_release_at_hand(registry: Registry) -> None:
    registry.promote("hotter")
    followed = Followed(registry)
    followed.rollout.look()
    assert followed.live.current.release == "hotter"
    assert followed.live.beside["previous"].release == "tiny"


def _unmanifested(root: Path, version: str) -> Path:
    release = altered.hotter(root, version)
    (release / MANIFEST).unlink()
    return release


BAD: dict[str, tuple[Callable[[Path, str], Path], str]] = {
    "flipped": (altered.flipped, "model.onnx"),
    "nan": (altered.without_probabilities, "not finite"),
    "weather": (altered.of_other_topics, "streams.news.taxonomy"),
    "half": (_unmanifested, "has no release"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_release_is_refused_by_name_and_the_old_one_serves(registry: Registry, kind: str) -> None:
    make, reason = BAD[kind]
    followed = Followed(registry)
    first = followed.live.current
    make(registry.root, kind)
    registry._swap({"champion": kind, "previous": "tiny"})  # as a broken tool would: promoting verifies
    followed.rollout.look()
    followed.rollout.look()
    assert followed.live.current is first
    assert reason in followed.rollout.refused[kind].reason
    assert reason in followed.told[-1][1][kind]
    assert followed.moves("refused") == 1, "a release that was refused is not tried at every look"
    registry._swap({"champion": "hotter", "previous": "tiny"})
    followed.rollout.look()
    assert followed.live.current.release == "hotter"
    assert not followed.rollout.refused


def test_what_a_worker_backs_out_of_is_rolled_back_for_all(registry: Registry) -> None:
    followed, other = Followed(registry), Followed(registry)
    registry.promote("hotter")
    for one in (followed, other):
        one.rollout.look()
        one.live.back_out(one.live.current, "it fails on everything")
    followed.rollout.look()
    assert registry.aliases() == {"champion": "tiny"}
    last = registry.history()[-1]
    assert (last["what"], last["from"], last["to"]) == ("rollback", "hotter", "tiny")
    assert "it fails on everything" in last["why"]
    assert followed.live.current.release == "tiny"
    other.rollout.look()
    assert registry.aliases() == {"champion": "tiny"}, "two workers take one step back together"
    assert other.live.current.release == "tiny"


def test_where_the_registry_cannot_be_written_this_worker_alone_goes_back(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = Followed(registry)
    registry.promote("hotter")
    followed.rollout.look()
    followed.live.back_out(followed.live.current, "it fails")

    def refuse(*_: object, **__: object) -> None:
        raise RegistryError("read-only")

    monkeypatch.setattr(Registry, "rollback", refuse)
    for _ in range(2):
        followed.rollout.look()
        assert followed.live.current.release == "tiny"
    assert followed.rollout.refused["hotter"].again_at is None


def test_a_candidate_is_loaded_to_read_along_and_let_go_of(registry: Registry) -> None:
    followed = Followed(registry)
    registry.nominate("hotter")
    followed.rollout.look()
    assert followed.live.beside["candidate"].release == "hotter"
    assert followed.live.current.release == "tiny"
    candidate = followed.live.beside["candidate"]
    registry.promote("candidate")
    followed.rollout.look()
    assert followed.live.current is candidate, "what read along is not loaded again"
    assert "candidate" not in followed.live.beside


def test_no_candidate_is_loaded_where_nothing_is_compared(registry: Registry) -> None:
    followed = Followed(registry, compared_percent=0)
    registry.nominate("hotter")
    followed.rollout.look()
    assert "candidate" not in followed.live.beside


def test_a_version_is_not_followed_an_alias_is(registry: Registry) -> None:
    assert Followed(registry).rollout.follows
    assert not Followed(registry, release="tiny").rollout.follows


def test_an_unreadable_alias_file_leaves_the_release_that_serves(registry: Registry) -> None:
    followed = Followed(registry)
    (registry.root / "aliases.json").write_text("{")
    followed.rollout.look()
    assert followed.live.current.release == "tiny"


def test_a_hint_is_followed_at_once(registry: Registry) -> None:
    looked, wanted = threading.Semaphore(0), threading.Event()

    class Looking:
        def look(self) -> None:
            looked.release()
            if wanted.is_set():
                raise RuntimeError("one failure does not end the following")

    follower = Follower(Looking(), 3600.0)  # type: ignore[arg-type]
    follower.start()
    assert looked.acquire(timeout=20)
    wanted.set()
    for _ in range(2):
        follower.hint()
        assert looked.acquire(timeout=20)
    follower.end()
    follower.join(20)
    assert not follower.is_alive()
