from __future__ import annotations

import json
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.errors import InferenceError, RegistryError
from models.scorer import Batch, RawBatch, Scorer
from streams.errors import InputError, SettingsError
from streams.intake import Intake, WatchList
from streams.offline.score import run
from streams.offline.scoring import Failed, open_scorer, score_each
from streams.records import Document, Origin
from streams.scored import Reading, scored_documents
from streams.settings import IntakeSettings, ScoringSettings, Settings, StreamSettings

SENTIMENTS = {"negative", "neutral", "positive"}


@pytest.fixture
def settings(tiny_registry: Path) -> Settings:
    return Settings(scoring=ScoringSettings(registry=str(tiny_registry)))


def score(settings: Settings, tmp_path: Path, *lines: Any) -> list[dict[str, Any]]:
    """What becomes of ``lines``: bytes as they are, anything else as JSON."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(raw) + b"\n")
    assert run(settings, tmp_path / "in.jsonl", tmp_path / "out.jsonl", None, "auto") == 0
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]


def test_a_scored_line_holds_what_the_contract_names(settings: Settings, tmp_path: Path) -> None:
    row = score(settings, tmp_path, {"id": "a", "text": "Acme lawsuit over fraud"})[0]
    assert {"id", "sentiment", "sentiment_probs", "topic", "topics", "entities", "release"} <= set(row)
    assert (row["id"], row["sentiment"], row["topic"], row["entities"]) == ("a", "negative", "Legal | Regulation", [])
    assert set(row["sentiment_probs"]) == SENTIMENTS
    assert len(row["topics"]["finance"]["probs"]) == 20


@pytest.mark.parametrize("text", ["Acme lawsuit over fraud", "plain words", "great " * 5000])
def test_probabilities_sum_to_one(settings: Settings, tmp_path: Path, text: str) -> None:
    row = score(settings, tmp_path, {"text": text})[0]
    sums = [sum(row["sentiment_probs"].values()), sum(row["topics"]["finance"]["probs"].values())]
    assert sums == pytest.approx([1, 1], abs=1e-3)


def test_there_is_a_line_for_each_line_in_order(settings: Settings, tmp_path: Path) -> None:
    rows = score(
        settings,
        tmp_path,
        {"id": "x", "text": "good"},
        b"{not json",
        b"",
        {"text": "bad"},
        b"[1]",
        {"id": 9, "text": ""},
    )
    assert [(row["id"], "error" in row) for row in rows] == [
        ("x", False),
        (2, True),
        (3, True),
        (4, False),
        (5, True),
        (9, True),
    ]


def test_a_bad_line_tells_its_id_and_its_error_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    rows = score(settings, tmp_path, {"id": "d", "text": ""})
    assert rows == [{"id": "d", "error": "NoText: there is no text (nor title or body) to read"}]


def test_order_holds_across_chunks(settings: Settings, tmp_path: Path) -> None:
    lines = [{"id": i, "text": f"{'good' if i % 3 else 'bad'} " * (1 + i % 40)} for i in range(1200)]
    rows = score(settings, tmp_path, *lines)
    assert [row["id"] for row in rows] == list(range(1200))
    assert {row["sentiment"] for row in rows[::3]} == {"negative"}


def test_entities_that_a_line_names_are_scored(settings: Settings, tmp_path: Path) -> None:
    text = (
        "Contoso beats estimates with record growth while many quiet words stand between them and Fabrikam fraud losses"
    )
    row = score(
        settings, tmp_path, {"text": text, "entities": ["Contoso", {"name": "Fabrikam"}, {"name": "Elsewhere"}]}
    )[0]
    assert [(e["name"], e["id"], e["sentiment"]) for e in row["entities"][:2]] == [
        ("Contoso", "contoso", "positive"),
        ("Fabrikam", "fabrikam", "negative"),
    ]
    assert text[row["entities"][1]["start"] : row["entities"][1]["end"]] == "Fabrikam"
    assert all(sum(e["sentiment_probs"].values()) == pytest.approx(1, abs=1e-3) for e in row["entities"])


def test_an_entity_without_a_place_has_no_start(settings: Settings, tmp_path: Path) -> None:
    row = score(settings, tmp_path, {"text": "so good", "entities": ["Elsewhere"]})[0]
    assert set(row["entities"][0]) == {"name", "id", "sentiment", "sentiment_probs"}


def test_entities_of_the_watch_list_are_scored(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "watchlist.toml").write_text('[[entity]]\nid = "acme"\nname = "Acme"\n')
    watched = settings.model_copy(update={"intake": IntakeSettings(watchlist=tmp_path / "watchlist.toml")})
    row = score(watched, tmp_path, {"text": "fraud at Acme"})[0]
    assert [(e["id"], e["start"], e["end"], e["sentiment"]) for e in row["entities"]] == [("acme", 9, 13, "negative")]


def test_tricks_are_seen_through_and_flagged(settings: Settings, tmp_path: Path) -> None:
    row = score(settings, tmp_path, b'{"text":"fr\\u200b\\u0430ud \\ud83d"}')[0]
    assert (row["sentiment"], row["flags"]) == ("negative", ["lone_surrogate", "lookalike", "zero_width"])


def test_a_line_of_ten_megabytes_is_an_error_and_the_next_is_scored(settings: Settings, tmp_path: Path) -> None:
    rows = score(settings, tmp_path, b'{"text":"' + b"a" * 10_000_000 + b'"}', {"text": "good"})
    assert (rows[0]["error"].split(":")[0], rows[1]["sentiment"]) == ("RecordTooLarge", "positive")


def test_memory_does_not_grow_with_the_file(settings: Settings, tmp_path: Path) -> None:
    line = json.dumps({"text": "good words " * 30}).encode() + b"\n"

    def peak(lines: int) -> int:
        (tmp_path / "in.jsonl").write_bytes(line * lines)
        tracemalloc.start()
        run(settings, tmp_path / "in.jsonl", tmp_path / "out.jsonl", None, "auto")
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(4096) < peak(1024) * 1.5


def test_the_errors_are_counted_on_standard_error(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score(settings, tmp_path, {"text": "good"}, b"{", b"x")
    assert capsys.readouterr().err.splitlines()[-1] == "3 lines, 2 errors, release tiny"


def test_standard_output_gets_nothing_but_the_lines(
    settings: Settings, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "in.jsonl").write_text('{"text":"good"}\n')
    run(settings, tmp_path / "in.jsonl", Path("-"), None, "auto")
    assert [json.loads(line)["id"] for line in capfdbinary.readouterr().out.splitlines()] == [1]


def test_an_unknown_release_leaves_no_output(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.offline.scoring.ensure_shipped", lambda root: root)
    (tmp_path / "in.jsonl").write_text('{"text":"good"}\n')
    with pytest.raises(RegistryError, match="nothing-like-it"):
        run(settings, tmp_path / "in.jsonl", tmp_path / "out.jsonl", "nothing-like-it", "auto")
    assert not (tmp_path / "out.jsonl").exists()


def test_a_missing_file_leaves_no_output(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        run(settings, tmp_path / "nowhere.jsonl", tmp_path / "out.jsonl", None, "auto")
    assert list(tmp_path.iterdir()) == []


def test_a_release_may_be_named_by_its_directory(settings: Settings, tiny_registry: Path) -> None:
    scorer = open_scorer(ScoringSettings(registry="elsewhere"), str(tiny_registry / "tiny"))
    assert scorer.release == "tiny"


def test_a_taxonomy_that_the_release_lacks_is_refused(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"streams": {"news": StreamSettings(topic="news", taxonomy="moods")}})
    (tmp_path / "in.jsonl").write_text('{"text":"good"}\n')
    with pytest.raises(SettingsError, match=r"streams\.news\.taxonomy"):
        run(other, tmp_path / "in.jsonl", tmp_path / "out.jsonl", None, "auto")


class Sensitive(Scorer):
    """The tiny release, but it cannot stand texts of exactly six words."""

    def infer(self, batch: Batch) -> RawBatch:
        if (batch.mask.sum(axis=1) == 8).any():
            raise InferenceError("six words")
        return super().infer(batch)


def documents(*texts: str) -> list[Document]:
    intake = Intake(IntakeSettings(), WatchList(), needs_time=False)
    read = [intake.read(json.dumps({"text": text}).encode(), Origin("f", 0, 1), None, "news") for text in texts]
    return [document for document in read if isinstance(document, Document)]


def test_a_document_on_which_the_release_fails_fails_alone(tiny_registry: Path) -> None:
    scorer = Sensitive.load(tiny_registry / "tiny")
    texts = ["good", "one two three four five six", "bad bad", "a b c d e f", "good good"]
    results = score_each(scorer, documents(*texts), lambda some, _: some)
    assert [isinstance(result, Failed) for result in results] == [False, True, False, True, False]


def test_a_release_that_fails_on_everything_is_blamed_itself(tiny_registry: Path) -> None:
    class Broken(Scorer):
        def infer(self, batch: Batch) -> RawBatch:
            raise InferenceError("out of order")

    with pytest.raises(InferenceError, match="out of order"):
        score_each(Broken.load(tiny_registry / "tiny"), documents("good", "bad"), lambda some, _: some)


def test_a_document_scores_the_same_alone_and_in_company(tiny_registry: Path) -> None:
    scorer = Scorer.load(tiny_registry / "tiny")
    reading = Reading.of(scorer, {"news": StreamSettings(topic="news")})
    some = documents("good news", "bad " * 40, "fraud lawsuit at the court", "x", "record profits rose")

    def joined(these: list[Document]) -> list[Any]:
        return score_each(scorer, these, partial(scored_documents, reading=reading))

    assert joined(some) == [joined([document])[0] for document in some]
