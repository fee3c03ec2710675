"""What `tocsin release judge` does with its files: rows are read, the verdict is kept, alerts are told of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tocsin_models
from models.labels import SENTIMENTS
from models.registry import Registry
from streams.settings import ScoringSettings, Settings
from tests.models import altered
from tests.models.tiny import build_tiny_release
from tests.trainer.conftest import Court
from trainer.command import judge
from trainer.data import Example
from trainer.gate import soundness


def write_rows(path: Path, rows: list[Example]) -> Path:
    lines = [json.dumps({"text": row.text, "sentiment": SENTIMENTS[row.sentiment or 0]}) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_rows_are_read_and_the_verdict_lies_in_the_registry(
    court: Court, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "SLOWEST", float("inf"))
    registry = Registry(tmp_path / "registry")
    shutil.copytree(court.champion, registry.root / court.champion.name)
    registry.promote(court.champion.name)
    shutil.copytree(court.candidate("by-command"), registry.root / "by-command")
    rows = [row for row in court.sets.anchors if row.sentiment is not None]
    anchors, recent = (
        write_rows(tmp_path / "anchors.jsonl", rows[:60]),
        write_rows(tmp_path / "recent.jsonl", rows[60:]),
    )
    unlabelled = write_rows(tmp_path / "stream.jsonl", rows[:20])
    verdict = judge("by-command", "champion", registry, anchors, recent=recent, unlabelled=unlabelled, base=court.base)
    figures = {check.name: check.figures for check in verdict.checks}
    assert (figures["anchors"]["n"], figures["recent"]["n"]) == (60, len(rows) - 60)
    assert figures["flips"]["unlabelled"] == 20
    (kept,) = (registry.root / ".verdicts").glob("*-by-command.json")
    assert json.loads(kept.read_bytes())["checks"] == json.loads(json.dumps(verdict.as_dict()))["checks"]


def test_alerts_that_would_be_others_are_told(tmp_path: Path) -> None:
    """A quiet day, then an hour of complaints, which the release that calls bad good does not hear."""
    registry = Registry(tmp_path / "registry")
    registry.promote(build_tiny_release(registry.root).name)
    altered.contrary(registry.root, "contrary")
    settings = Settings(scoring=ScoringSettings(registry=str(registry.root), threads=1, provider="cpu"))
    day = 1_709_251_200_000
    lines = []
    for minute in range(0, 2 * 1440, 4):
        bad = 2000 <= minute < 2060
        for copy in range(6 if bad else 1):
            text = f"{'awful fraud' if bad else 'opens a branch'} number {minute} {copy} {minute * 7919 % 977}"
            lines.append(json.dumps({"text": text, "published_at": day + minute * 60_000, "entities": ["Acme"]}))
    history = tmp_path / "history.jsonl"
    history.write_text("\n".join(lines) + "\n")
    figures = tocsin_models._alerts_changed(settings, [str(history)], "champion", "contrary").figures
    assert figures["champion"] > 0
    assert figures["gone_count"] == figures["champion"]
    assert any("acme" in told.lower() for told in figures["gone"])
