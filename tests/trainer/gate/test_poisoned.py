"""The poisoned candidate of the demo: sound in every byte, and wrong; the gate says so by name."""

from __future__ import annotations

import shutil
from pathlib import Path

from models.registry import Registry
from tests.trainer.conftest import Court
from trainer.gate.judge import judge
from trainer.gate.poisoned import publish


def test_a_release_with_labels_turned_round_is_refused_for_its_answers_alone(court: Court, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    shutil.copytree(court.champion, registry.root / court.champion.name)
    poisoned = publish(registry, court.champion.name, "poisoned", court.sets.recent)
    assert registry.aliases() == {}
    verdict = judge(poisoned, court.champion, court.sets, base=court.base)
    checks = {check.name: check for check in verdict.checks}
    assert checks["integrity"].held
    assert checks["heads"].held
    assert not checks["anchors"].held
    assert not checks["recent"].held
    assert not checks["classes"].held
    assert checks["anchors"].figures["accuracy"] < checks["anchors"].figures["champion"] - 0.2
