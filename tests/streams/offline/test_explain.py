"""`tocsin explain` shows the words that decide, for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.errors import InputError
from streams.offline.explain import run
from streams.settings import ScoringSettings, Settings


@pytest.fixture
def settings(tiny_registry: Path) -> Settings:
    return Settings(scoring=ScoringSettings(registry=str(tiny_registry), release="tiny"))


def test_a_program_reads_every_word_with_its_place(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    text = "Acme hit by outage"
    assert run(settings, text, None, "sentiment", None, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["word"] for row in told["words"]] == ["Acme", "hit", "by", "outage"]
    assert all(text[row["start"] : row["end"]] == row["word"] for row in told["words"])
    assert max(told["sentiment"], key=told["sentiment"].get) == "negative"


def test_a_person_sees_the_call_and_the_heaviest_word_first(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, "Acme plunges; [bold]rival Globex wins", "globex", "sentiment", None) == 0
    out = capsys.readouterr().out
    assert "toward globex" in out
    assert "[bold]rival" in out.replace("\n", " ")
    assert "\x1b" not in out
    assert out.split("weight")[1].split()[2] in ("wins", "plunges")


def test_what_cannot_be_explained_is_said(settings: Settings) -> None:
    for text, entity, target in (("  ", None, "sentiment"), ("Acme", "Globex", "sentiment"), ("Acme", None, "weather")):
        with pytest.raises(InputError):
            run(settings, text, entity, target, None)


def test_the_verb_reads_standard_input(tiny_registry: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TOCSIN_SCORING__REGISTRY": str(tiny_registry),
        "TOCSIN_SCORING__RELEASE": str(tiny_registry / "tiny"),
    }
    command = [str(Path(sys.executable).parent / "tocsin"), "explain", "-", "--json"]
    done = subprocess.run(
        command, input="Acme fraud", env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["words"][1]["word"] == "fraud"
