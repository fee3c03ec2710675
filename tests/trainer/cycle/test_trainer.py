"""What becomes of a cycle, decided from what it left behind: its directory, the registry and the database."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from models.registry import Registry
from streams.errors import BrokerError
from streams.settings import ScoringSettings, Settings
from streams.training import TrainerSettings
from streams.web import Health
from tests.models.tiny import build_tiny_release
from tests.trainer.cycle.school import sample, shifted, signal_of, word
from trainer.cycle.job import JOB, LEARNT, VERDICT, Job, Learnt
from trainer.cycle.mail import Mail
from trainer.cycle.metrics import TrainerMetrics
from trainer.cycle.reasons import Reason
from trainer.cycle.store import Arrivals, Store
from trainer.cycle.trainer import CANDIDATES, Trainer, now_ms
from trainer.data import Example
from trainer.learning.replay import Remembered

ROWS = shifted(400, 1)


class Shop:
    """A registry with a tiny champion, a database with labelled samples, and a trainer over both."""

    def __init__(self, folder: Path, **told: Any) -> None:
        self.registry = Registry(folder / "registry")
        self.registry.promote(build_tiny_release(self.registry.root).name)
        base = folder / "base"
        base.mkdir()
        self.settings = Settings(
            brokers=("localhost:1",),
            state_dir=folder / "state",
            scoring=ScoringSettings(registry=str(self.registry.root)),
            trainer=TrainerSettings(**{"base": base, "new_labels": 100, "least_anchors": 10, **told}),
        )
        self.store = Store(self.settings.lessons)
        self.metrics = TrainerMetrics.bind(CollectorRegistry())
        self.hints: list[tuple[str, str]] = []
        self.trainer = Trainer(self.settings, self.store, self.metrics, Health(), self._hint)
        self.folder = self.settings.state_dir / "tocsin-cycles" / "1"

    def _hint(self, alias: str, version: str) -> None:
        self.hints.append((alias, version))
        raise BrokerError("nobody listens, which is no harm")

    def hear(self, *signals: Any) -> None:
        samples = [sample(at, row) for at, row in enumerate(ROWS)]
        words = [word(at, row, by=f"p{at % 9}") for at, row in enumerate(ROWS)]
        self.trainer.take(Mail(Arrivals(samples, words, signals, {"s": {0: len(samples)}})))

    def begun(self) -> Job:
        """A cycle that has begun, and whose process was killed at once."""
        self.hear()
        assert self.trainer.look(now_ms()) is None
        self.trainer.end()
        return msgspec.json.decode((self.folder / JOB).read_bytes(), type=Job)

    def left(self, job: Job, *, alpha: float = 1.0, failed: str | None = None, candidate: bool = True) -> None:
        """What a cycle leaves that came to its end; ``failed`` names the check that did not hold."""
        new = Remembered(Example("new text", "shop", sentiment=2), {"sentiment": (0.0, 0.0, 1.0)})
        learnt = Learnt(alpha, {"new": 1}, ["d1", "d2"], {"person": 2}, {}, [], [new])
        (self.folder / LEARNT).write_bytes(msgspec.json.encode(learnt))
        if candidate and alpha:
            build_tiny_release(Path(job.target).parent, job.version)
        checks = [{"check": "anchors", "held": failed != "anchors", "why": ""}]
        verdict = {"passed": failed is None, "refused_by": [failed] if failed else [], "checks": checks}
        if alpha:
            (self.folder / VERDICT).write_text(json.dumps(verdict))

    def concluded(self) -> str | None:
        """What the next look makes of it."""
        for _ in range(600):
            outcome = self.trainer.look(now_ms())
            if outcome is not None or not self.trainer.working:
                return outcome
            time.sleep(0.1)
        raise AssertionError("the cycle does not end")

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"tocsin_trainer_{name}", labels) or 0.0


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_what_passed_becomes_champion_and_what_it_learnt_is_remembered(shop: Shop) -> None:
    job = shop.begun()
    shop.left(job)
    assert shop.concluded() == "promoted"
    assert shop.registry.aliases() == {"champion": job.version, "previous": "tiny"}
    assert shop.hints == [("champion", job.version)]
    assert shop.store.learnt() == {"d1", "d2"}
    assert "new text" in {row.example.text for row in shop.store.memory()}
    assert not shop.folder.exists()
    assert shop.counted("cycles_total", outcome="promoted") == 1
    assert shop.counted("promotions_total") == 1
    assert shop.counted("gate_checks_total", check="anchors", outcome="held") == 1
    shop.trainer.report({})
    assert shop.counted("last_cycle_timestamp_seconds") > 1e9
    assert shop.trainer.look(now_ms()) is None
    assert not shop.trainer.working, "it cools"


def test_what_is_refused_changes_nothing_and_says_which_check_failed(shop: Shop) -> None:
    job = shop.begun()
    before = shop.store.memory()
    shop.left(job, failed="anchors")
    assert shop.concluded() == "refused"
    assert shop.registry.aliases() == {"champion": "tiny"}
    assert shop.registry.versions() == ["tiny"]
    assert (shop.store.learnt(), shop.store.memory()) == (set(), before)
    assert shop.store.cycles()[0].detail["verdict"]["refused_by"] == ["anchors"]
    assert shop.counted("gate_checks_total", check="anchors", outcome="failed") == 1
    assert (shop.registry.root / CANDIDATES / job.version).is_dir(), "to be looked at, until the next cycle"


def test_nothing_learnt_that_helped_is_an_end_too(shop: Shop) -> None:
    job = shop.begun()
    shop.left(job, alpha=0.0)
    assert shop.concluded() == "unchanged"
    assert shop.registry.aliases() == {"champion": "tiny"}


def test_without_leave_to_promote_it_becomes_the_candidate(tmp_path: Path) -> None:
    shop = Shop(tmp_path, promote=False)
    job = shop.begun()
    shop.left(job)
    assert shop.concluded() == "nominated"
    assert shop.registry.aliases() == {"champion": "tiny", "candidate": job.version}


def test_a_release_that_was_rolled_back_meanwhile_is_not_promoted_again(shop: Shop) -> None:
    """The trainer was killed between promoting and recording it, and a worker has backed out since."""
    job = shop.begun()
    shop.left(job)
    shop.registry.publish(Path(job.target))
    shop.registry.promote(job.version)
    shop.registry.rollback(of=job.version, reason="a worker backed out")
    assert shop.concluded() == "promoted"
    assert shop.registry.aliases() == {"champion": "tiny"}


def test_one_that_was_judged_against_a_champion_that_is_gone_is_not_promoted(shop: Shop) -> None:
    job = shop.begun()
    shop.left(job)
    shop.registry.promote(build_tiny_release(shop.registry.root, "by-hand").name)
    assert shop.concluded() == "failed"
    assert shop.registry.aliases()["champion"] == "by-hand"
    assert "meanwhile" in str(shop.store.cycles()[0].detail["told"])


def test_a_cycle_that_cannot_be_done_is_given_up_after_three_attempts(shop: Shop) -> None:
    shop.begun()
    (shop.registry.resolve("champion") / "tokenizer.json").unlink()
    assert shop.concluded() == "failed"
    (cycle,) = shop.store.cycles()
    assert cycle.attempts == 3
    assert shop.registry.aliases() == {"champion": "tiny"}


def test_drift_is_answered_once_and_being_asked_needs_no_reason(tmp_path: Path) -> None:
    shop = Shop(tmp_path, new_labels=10_000, cooldown_hours=0)
    assert shop.trainer.look(now_ms(), Reason("asked", "asked for")) is None
    assert not shop.trainer.working, "there is nothing to learn from"
    shop.hear(signal_of())
    assert shop.trainer.look(now_ms()) is None
    shop.trainer.end()
    assert (shop.store.cycles()[0].reason, shop.store.signals()) == ("drift", [])
    assert msgspec.json.decode((shop.folder / JOB).read_bytes(), type=Job).drifted
    shop.left(msgspec.json.decode((shop.folder / JOB).read_bytes(), type=Job), failed="recent")
    assert shop.concluded() == "refused"
    assert shop.trainer.look(now_ms()) is None
    assert not shop.trainer.working
    assert shop.trainer.look(now_ms(), Reason("asked", "asked for")) is None
    assert shop.trainer.working
    shop.trainer.end()
    assert shop.store.cycles()[1].reason == "asked"


def test_a_memory_begins_with_what_the_release_knows(shop: Shop) -> None:
    assert {row.example.source for row in shop.store.memory()} == {"rules"}
    assert len(shop.store.memory()) > 500
