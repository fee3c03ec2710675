"""A release is what its manifest says, to the byte, or it is not loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from models.errors import (
    CorruptReleaseError,
    MislabelledReleaseError,
    ReleaseError,
    UnsafeReleaseError,
)
from models.release import MANIFEST, Labels, Manifest, Temperatures, read_manifest, verify, write


def edit(release: Path, change: Callable[[dict], None]) -> None:
    path = release / MANIFEST
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_fresh_release_verifies(release: Path) -> None:
    manifest = verify(release)
    assert manifest.version == "tiny"
    assert set(manifest.files) == {"model.onnx", "tokenizer.json"}


def test_without_its_manifest_a_directory_is_no_release(release: Path) -> None:
    (release / MANIFEST).unlink()
    with pytest.raises(CorruptReleaseError, match="written last"):
        verify(release)


@pytest.mark.parametrize("keep", [0, 1, 1000])
def test_a_truncated_graph_is_refused(release: Path, keep: int) -> None:
    graph = release / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:keep])
    with pytest.raises(CorruptReleaseError, match="truncated"):
        verify(release)


def test_one_flipped_bit_is_noticed(release: Path) -> None:
    graph = release / "model.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    with pytest.raises(CorruptReleaseError, match="sha256"):
        verify(release)


def test_a_missing_file_is_named(release: Path) -> None:
    (release / "tokenizer.json").unlink()
    with pytest.raises(CorruptReleaseError, match=r"tokenizer\.json"):
        verify(release)


def test_a_file_that_nobody_vouches_for_is_refused(release: Path) -> None:
    (release / "weights.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(UnsafeReleaseError, match=r"weights\.bin"):
        verify(release)


@pytest.mark.parametrize("name", ["model.pkl", "model.pt", "model.bin", "model.pickle", ".hidden.json"])
def test_a_release_never_holds_pickles(release: Path, name: str) -> None:
    manifest = read_manifest(release)
    (release / MANIFEST).unlink()
    (release / name).write_bytes(b"\x80\x04.")
    with pytest.raises(UnsafeReleaseError):
        write(release, manifest)


def test_a_manifest_that_vouches_for_a_pickle_is_refused(release: Path) -> None:
    edit(release, lambda manifest: manifest["files"].update({"model.pkl": {"sha256": "0" * 64, "bytes": 3}}))
    with pytest.raises(UnsafeReleaseError, match=r"model\.pkl"):
        verify(release)


def test_a_link_out_of_the_release_is_refused(release: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes((release / "tokenizer.json").read_bytes())
    (release / "tokenizer.json").unlink()
    (release / "tokenizer.json").symlink_to(outside)
    with pytest.raises(CorruptReleaseError, match="not a plain file"):
        verify(release)


def test_a_path_out_of_the_release_is_refused(release: Path) -> None:
    edit(release, lambda manifest: manifest["files"].update({"../secret.json": {"sha256": "0" * 64, "bytes": 3}}))
    with pytest.raises(UnsafeReleaseError):
        verify(release)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda manifest: manifest["labels"].update(sentiment=["positive", "neutral", "negative"]), "sentiment"),
        (lambda manifest: manifest["labels"].update(topics={}), "taxonomy"),
        (lambda manifest: manifest["labels"]["topics"].update(finance=["a", "a"]), "distinct"),
        (lambda manifest: manifest.update(graphs={"fp32": "other.onnx"}), r"other\.onnx"),
        (lambda manifest: manifest.update(graphs={}), "no graph"),
        (lambda manifest: manifest["temperatures"].update(sentiment=0.0), "temperature"),
        (lambda manifest: manifest["temperatures"].update(topics={"weather": 1.0}), "weather"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    release: Path, change: Callable[[dict], None], error: str
) -> None:
    edit(release, change)
    with pytest.raises(MislabelledReleaseError, match=error):
        read_manifest(release)


@pytest.mark.parametrize(
    "damage",
    [
        lambda manifest: manifest.update(format=99),
        lambda manifest: manifest.update(version="../up"),
        lambda manifest: manifest.update(unknown=1),
        lambda manifest: manifest.pop("labels"),
        lambda manifest: manifest["temperatures"].update(sentiment="hot"),
    ],
)
def test_a_manifest_of_another_form_is_refused(release: Path, damage: Callable[[dict], None]) -> None:
    edit(release, damage)
    with pytest.raises(ReleaseError):
        read_manifest(release)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\x00" * 100, b'{"version": "a"', b" " * 1_000_001])
def test_bytes_that_are_no_manifest_are_refused(release: Path, data: bytes) -> None:
    (release / MANIFEST).write_bytes(data)
    with pytest.raises(CorruptReleaseError):
        read_manifest(release)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    given = Manifest(
        "v1.2_3-x", Labels({"finance": ("A", "B")}), {"fp32": "model.onnx"}, {}, parent="v0",
        temperatures=Temperatures(1.5, 0.7, {"finance": 1.1}), metrics={"accuracy": 0.9}, notes="ü",
    )  # fmt: skip
    written = write(tmp_path, given)
    assert read_manifest(tmp_path) == written
    assert msgspec.structs.replace(written, files={}) == given
    assert written.files["model.onnx"].bytes == 5
