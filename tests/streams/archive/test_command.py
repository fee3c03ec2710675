"""`tocsin search`, as a person and as a program see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tocsin
from models.registry import Registry
from models.scorer import Scorer
from streams.archive.questions import embedded
from tests.streams.archive.library import Room, scored
from tests.streams.notify.receiving import transition


@pytest.fixture
def arranged(tmp_path: Path, tiny_registry: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """An archive that the tiny release has embedded, and settings that find both."""
    monkeypatch.chdir(tmp_path)
    room = Room(tmp_path)
    (tmp_path / "tocsin.toml").write_text(
        f'[archive]\npath = "{room.path}"\n[scoring]\nregistry = "{tiny_registry}"\nprovider = "cpu"\n'
    )
    scorer = Scorer.load(Registry(tiny_registry).resolve("champion"), provider="cpu")
    texts = ["Acme shares fall on a loss", "Kettles are \x1b[31mexcellent\x1b[0m", "Acme <b>profit</b> @jane rises"]
    documents = [
        scored(
            number,
            text,
            text,
            mood="neutral" if number else "negative",
            about=[("acme", "negative")],
            vector=embedded(scorer, text),
            release=scorer.release,
        )
        for number, text in enumerate(texts)
    ]
    room.keep(*documents, alerts=[transition(alert_id="abc123")])
    room.close()
    return room


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(tocsin.app, ["search", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_a_program_gets_json_with_what_was_asked_for(arranged: Room) -> None:
    status, out, _ = run("acme loss", "--json", "--entity", "acme", "--limit", "2")
    told = json.loads(out)
    assert status == 0
    assert told["notes"] == []
    assert told["documents"][0]["title"] == "Acme shares fall on a loss"
    assert told["documents"][0]["by_words"] == told["documents"][0]["by_meaning"] == 1
    assert len(told["documents"]) == 2
    assert "@jane" not in json.dumps(told)


def test_a_person_gets_a_table_that_no_document_can_spoil(arranged: Room) -> None:
    status, out, _ = run("kettles")
    assert status == 0
    assert "Kettles are [31mexcellent[0m" in out
    assert "\x1b[31mexcellent" not in out


def test_nothing_found_is_said_and_told_by_the_exit_status(arranged: Room) -> None:
    status, _, err = run("zebra", "--how", "words")
    assert status == 1
    assert "nothing found" in err


def test_alerts_are_found_and_lead_on(arranged: Room) -> None:
    status, out, _ = run("kettles", "--alerts", "--json")
    assert status == 0
    assert json.loads(out)["alerts"][0]["alert_id"] == "abc123"
    assert run("--alert", "abc", "--json")[0] == 1, "no document of its series lies in its time"
    assert "entity:acme" in run("--alerts")[1]
