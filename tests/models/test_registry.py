"""Aliases move in one step, every move is remembered, and a bad release moves nothing."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.errors import (
    CorruptReleaseError,
    MislabelledReleaseError,
    RegistryError,
    ReleaseError,
    UnsafeReleaseError,
)
from models.registry import Registry
from models.release import read_manifest, write
from models.scorer import Scorer
from tests.models.tiny import build_tiny_release

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def three(registry: Registry) -> Registry:
    build_tiny_release(registry.root, "second")
    build_tiny_release(registry.root, "third")
    return registry


def test_an_empty_place_is_an_empty_registry(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "nowhere")
    assert registry.versions() == []
    assert registry.aliases() == {}
    assert registry.history() == []
    with pytest.raises(RegistryError, match="there are: none"):
        registry.resolve("champion")


def test_promotion_makes_a_champion_and_remembers_the_previous(three: Registry) -> None:
    three.promote("tiny")
    three.promote("second", reason="better", now=NOON)
    assert three.aliases() == {"champion": "second", "previous": "tiny"}
    assert three.resolve("champion") == three.root / "second"
    last = three.history()[-1]
    assert (last["what"], last["from"], last["to"], last["why"]) == ("promote", "tiny", "second", "better")
    assert last["at"] == "2026-01-02T12:00:00+00:00"


def test_a_promoted_candidate_is_no_longer_one(three: Registry) -> None:
    three.promote("tiny")
    three.nominate("second")
    assert three.resolve("candidate").name == "second"
    three.promote("candidate")
    assert three.aliases() == {"champion": "second", "previous": "tiny"}


def test_promoting_the_champion_again_changes_nothing(three: Registry) -> None:
    three.promote("tiny")
    events = three.history()
    three.promote("champion")
    assert three.history() == events


def test_rolling_back_twice_goes_further_back_and_never_forward(three: Registry) -> None:
    for version in ("tiny", "second", "third"):
        three.promote(version)
    assert three.rollback() == "second"
    assert three.rollback() == "tiny"
    with pytest.raises(RegistryError, match="no previous"):
        three.rollback()
    assert three.resolve("champion").name == "tiny"


def test_a_damaged_release_cannot_be_promoted_and_the_champion_stays(three: Registry) -> None:
    three.promote("tiny")
    graph = three.root / "second" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(CorruptReleaseError):
        three.promote("second")
    assert three.aliases() == {"champion": "tiny"}


def test_a_release_under_a_foreign_name_does_not_verify(registry: Registry) -> None:
    (registry.root / "tiny").rename(registry.root / "renamed")
    with pytest.raises(ReleaseError, match="calls itself tiny"):
        registry.verify("renamed")


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../registry/tiny", ".staging-x", "champion"])
def test_a_name_cannot_lead_out_of_the_registry(registry: Registry, name: str) -> None:
    with pytest.raises(RegistryError):
        registry.resolve(name)


def test_a_broken_alias_file_is_an_error_and_not_an_empty_one(registry: Registry) -> None:
    for text in ("{", "[]", '{"champion": 3}', '{"someone": "tiny"}'):
        (registry.root / "aliases.json").write_text(text)
        with pytest.raises(RegistryError):
            registry.aliases()


def test_a_half_written_release_is_not_seen(registry: Registry) -> None:
    with registry.staging() as staged:
        (staged / "model.onnx").write_bytes(b"half")
        assert registry.versions() == ["tiny"]
        with pytest.raises(CorruptReleaseError):
            registry.publish(staged)
    assert sorted(path.name for path in registry.root.iterdir() if path.is_dir()) == ["tiny"]


def test_a_version_is_written_once(registry: Registry, tmp_path: Path) -> None:
    same = build_tiny_release(tmp_path / "elsewhere")
    assert registry.publish(same) == registry.root / "tiny"
    other = build_tiny_release(tmp_path / "other")
    (other / "manifest.json").unlink()
    (other / "NOTICE").write_text("changed")
    write(other, read_manifest(registry.root / "tiny"))
    with pytest.raises(RegistryError, match="never change"):
        registry.publish(other)


def test_a_line_cut_short_by_a_crash_swallows_no_event(three: Registry) -> None:
    three.promote("tiny")
    with (three.root / "events.jsonl").open("a") as file:
        file.write('{"at": "2026-')
    three.promote("second")
    assert [event["to"] for event in three.history()] == ["tiny", "second"]


def _promote_often(root: str, version: str, times: int) -> None:
    registry = Registry(root)
    for _ in range(times):
        registry.promote(version)


def test_processes_that_promote_at_once_leave_a_whole_alias_file_and_every_event(three: Registry) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_promote_often, args=(str(three.root), name, 10)) for name in ("second", "third")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    champion, moves = None, three.history()
    for event in moves:
        assert event["from"] == champion
        champion = event["to"]
    assert three.aliases()["champion"] == champion
    assert all(json.dumps(event) for event in moves)


def test_a_rollback_of_one_version_moves_nothing_once_another_is_champion(three: Registry) -> None:
    for version in ("tiny", "second", "third"):
        three.promote(version)
    assert three.rollback(of="third") == "second"
    assert three.rollback(of="third") == "second"
    assert three.aliases() == {"champion": "second", "previous": "tiny"}


def _truncate(release: Path) -> None:
    graph = release / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])


def _flip(release: Path) -> None:
    data = bytearray((release / "tokenizer.json").read_bytes())
    data[100] ^= 1
    (release / "tokenizer.json").write_bytes(data)


def _smuggle(release: Path) -> None:
    (release / "model.pkl").write_bytes(b"\x80\x04.")


def _signed(release: Path, name: str, data: bytes) -> None:
    """Other content with a checksum that holds."""
    manifest = read_manifest(release)
    (release / "manifest.json").unlink()
    (release / name).write_bytes(data)
    write(release, manifest)


def _pickle_the_graph(release: Path) -> None:
    _signed(release, "model.onnx", pickle.dumps({"weights": [1.0]}))


def _mislabel(release: Path) -> None:
    told = json.loads((release / "manifest.json").read_text())
    told["labels"]["topics"]["finance"].append("Weather")
    (release / "manifest.json").write_text(json.dumps(told))


def _reshape(release: Path) -> None:
    model = onnx.load_model_from_string((release / "model.onnx").read_bytes())
    kind = next(value for value in model.graph.output if value.name == "sentiment").type.tensor_type
    kind.shape.dim[1].dim_value = 5
    _signed(release, "model.onnx", model.SerializeToString())


def _forget_an_output(release: Path) -> None:
    model = onnx.load_model_from_string((release / "model.onnx").read_bytes())
    model.graph.output.remove(next(value for value in model.graph.output if value.name == "entities"))
    _signed(release, "model.onnx", model.SerializeToString())


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (_truncate, CorruptReleaseError, "truncated"),
        (_flip, CorruptReleaseError, "sha256"),
        (_smuggle, UnsafeReleaseError, "model.pkl"),
        (_pickle_the_graph, CorruptReleaseError, "not an ONNX model"),
        (_mislabel, MislabelledReleaseError, "21 labels"),
        (_reshape, MislabelledReleaseError, "5 columns for 3 labels"),
        (_forget_an_output, MislabelledReleaseError, "the labels expect"),
    ],
)
def test_a_bad_release_is_refused_by_name_and_the_old_one_goes_on(
    three: Registry, damage: Callable[[Path], None], error: type[ReleaseError], said: str
) -> None:
    three.promote("tiny")
    serving = Scorer.load(three.resolve("champion"))
    before = serving.score(["Acme fraud probe", "a great day"]).sentiment
    damage(three.root / "second")
    for move in (three.promote, three.nominate):
        with pytest.raises(error, match=said):
            move("second")
    with pytest.raises(error, match=said):
        Scorer.load(three.root / "second")
    assert three.aliases() == {"champion": "tiny"}
    again = Scorer.load(three.resolve("champion"))
    for scorer in (serving, again):
        assert np.array_equal(scorer.score(["Acme fraud probe", "a great day"]).sentiment, before)


def draft_of(release: Path, target: Path, **changes: object) -> Path:
    """A directory as somebody else would make it: the files, and a manifest that names none of them."""
    target.mkdir()
    for path in release.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    told = {**json.loads((release / "manifest.json").read_bytes()), "version": "theirs", "files": {}, **changes}
    (target / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    return target


def test_a_draft_from_elsewhere_is_completed_tried_and_published(registry: Registry, tmp_path: Path) -> None:
    draft = draft_of(registry.resolve("tiny"), tmp_path / "theirs")
    assert registry.add(draft, reason="from the other team") == "theirs"
    assert registry.verify("theirs").files == registry.manifest("tiny").files
    assert "theirs" not in registry.aliases().values()
    assert json.loads((draft / "manifest.json").read_bytes())["files"] == {}


def test_a_whole_release_from_elsewhere_keeps_its_checksums(registry: Registry, tmp_path: Path) -> None:
    build_tiny_release(tmp_path, "elsewhere")
    assert registry.add(tmp_path / "elsewhere") == "elsewhere"
    graph = tmp_path / "elsewhere" / "model.onnx"
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(CorruptReleaseError, match="truncated or changed"):
        registry.add(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("changes", "names", "reason"),
    [
        ({"graphs": {"fp32": "other.onnx"}}, [], "not among its files"),
        ({"labels": {"topics": {"finance": ["a", "b"]}}}, [], "columns for 2 labels"),
        ({}, ["weights.pkl"], "never pickles"),
    ],
)
def test_what_is_no_good_release_is_refused_and_leaves_nothing(
    registry: Registry, tmp_path: Path, changes: dict[str, object], names: list[str], reason: str
) -> None:
    draft = draft_of(registry.resolve("tiny"), tmp_path / "theirs", **changes)
    for name in names:
        (draft / name).write_bytes(b"x")
    with pytest.raises(ReleaseError, match=reason):
        registry.add(draft)
    assert registry.versions() == ["tiny"]
    assert not list(registry.root.glob(".staging-*"))


def test_a_link_is_not_followed_into_the_registry(registry: Registry, tmp_path: Path) -> None:
    draft = draft_of(registry.resolve("tiny"), tmp_path / "theirs")
    (draft / "NOTICE").unlink(missing_ok=True)
    (draft / "NOTICE").symlink_to("/etc/hostname")
    with pytest.raises(UnsafeReleaseError, match="not a plain file"):
        registry.add(draft)


def test_a_graph_that_says_no_numbers_is_not_published(registry: Registry, tmp_path: Path) -> None:
    draft = draft_of(registry.resolve("tiny"), tmp_path / "theirs")
    model = onnx.load(draft / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "sentiment_head":
            tensor.raw_data = np.full(onnx.numpy_helper.to_array(tensor).shape, np.nan, np.float32).tobytes()
    onnx.save(model, draft / "model.onnx")
    with pytest.raises(ReleaseError, match="output sentiment is not finite"):
        registry.add(draft)
    assert registry.versions() == ["tiny"]
