"""The trainer as a process: killed at every turn it loses nothing, learns nothing twice, and ends at one release."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np

from models.scorer import Scorer
from tests.trainer.cycle.school import School, shifted, signal_of


def table(school: School, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(school.settings.lessons) as db:
        return db.execute(query).fetchall()


def test_a_trainer_killed_at_every_turn_promotes_one_better_release(school: School) -> None:
    state, registry = school.folder / "state", school.registry
    assert school.once() == 3, "nothing has been sent: no reason"
    rows = school.teach(500)
    school.send(signal_of(), b'{"kind": "alert"}', b"no JSON")
    folder = state / "tocsin-cycles" / "1"
    school.killed_when((folder / "job.json").exists)
    school.killed_when((folder / "learnt.json").exists)
    (candidate,) = (registry.root / ".candidates").iterdir()
    school.killed_when((folder / "verdict.json").exists)
    school.killed_when((registry.root / candidate.name / "manifest.json").exists)
    assert school.once() in (0, 3), "the last kill came before or after the cycle was concluded"

    assert registry.aliases() == {"champion": candidate.name, "previous": "t-1"}
    assert [event["to"] for event in registry.history() if event["what"] == "promote"] == ["t-1", candidate.name]
    assert not (registry.root / ".candidates" / candidate.name).exists()
    ((count, outcome, reason),) = table(school, "SELECT count(*), outcome, reason FROM cycles")
    assert (count, outcome, reason) == (1, "promoted", "drift")
    assert table(school, "SELECT count(*) FROM samples") == [(len(rows),)], "each once, however often it was killed"
    assert table(school, "SELECT count(*) FROM words") == [(len(rows) / 2,)]
    (learnt,) = table(school, "SELECT count(*) FROM learnt")
    manifest = registry.manifest("champion")
    assert manifest.parent == "t-1"
    assert manifest.training["labels"]["person"] + manifest.training["labels"]["stars"] == learnt[0]
    (verdict,) = [json.loads(path.read_bytes()) for path in (registry.root / ".verdicts").iterdir()][-1:]
    assert verdict["passed"]
    assert verdict["drifted"]

    test = shifted(200, 9)
    called = [Scorer.load(registry.resolve(alias)).score([row.text for row in test]).sentiment.argmax(1)
              for alias in ("previous", "champion")]  # fmt: skip
    before, after = (float(np.mean([c == row.sentiment for c, row in zip(some, test, strict=True)])) for some in called)
    assert after > max(0.9, before + 0.2)


def test_two_trainers_do_not_share_a_database(school: School, tmp_path: Path) -> None:
    process = school.start()
    while not school.settings.lessons.exists() or "waiting" not in school.log.read_text():
        assert process.poll() is None
    assert school.once() == 2
    assert "another trainer holds it" in school.log.read_text()
    process.terminate()
    assert process.wait(30) == 0
