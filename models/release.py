"""A release: an immutable directory that holds one version of the model, its manifest written last.

::

    <version>/
        model.onnx            the whole model in one graph (also model.int8.onnx, model.fp16.onnx)
        encoder.safetensors   dense weights, what the next training starts from
        heads.safetensors
        tokenizer.json        with the cleaning rules of models.text
        reference.npz         held-back documents as the graph heard them, for the drift detectors
        README.md, NOTICE     model card, attributions
        manifest.json         version, labels, temperatures, metrics, and the sha256 of every other file

Nothing is trusted before its checksum holds, nothing is ever unpickled, and a file that the manifest does
not name makes the release unusable.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from models.errors import CorruptReleaseError, MislabelledReleaseError, ReleaseError, UnsafeReleaseError
from models.labels import SENTIMENTS

MANIFEST = "manifest.json"
FORMAT = 1
LARGEST_MANIFEST = 1_000_000
SAFE_SUFFIXES = {".onnx", ".safetensors", ".json", ".npz", ".md", ".png", ""}
"""Kinds of files a release may hold; without a suffix: NOTICE, LICENSE. ``.npz`` is read without pickle."""

_VERSION = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class FileEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """What the manifest knows of a file: its SHA-256 in hexadecimal, and its size in bytes."""

    sha256: str
    bytes: int


class Labels(Struct, frozen=True, forbid_unknown_fields=True):
    """Order of the outputs: the sentiments, and the topics of each taxonomy."""

    topics: dict[str, tuple[str, ...]]
    sentiment: tuple[str, ...] = SENTIMENTS


class Temperatures(Struct, frozen=True, forbid_unknown_fields=True):
    """Divisors of the logits, one per head, fitted on held-back data (Guo et al. 2017)."""

    sentiment: float = 1.0
    entities: float = 1.0
    topics: dict[str, float] = {}


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a release says of itself. ``graphs`` maps a precision (fp32, int8, fp16) to its file."""

    version: str
    labels: Labels
    graphs: dict[str, str]
    files: dict[str, FileEntry]
    format: int = FORMAT
    parent: str | None = None
    created: str = ""
    languages: tuple[str, ...] = ("en",)
    temperatures: Temperatures = Temperatures()
    base: dict[str, str] = {}
    metrics: dict[str, Any] = {}
    training: dict[str, Any] = {}
    licence: str = ""
    data: tuple[dict[str, str], ...] = ()
    notes: str = ""


def check_version(version: str) -> str:
    """``version`` if it can name a directory and nothing else.

    Raises:
        ReleaseError: it holds anything but lower-case letters, digits, dot, dash and underscore.
    """
    if not _VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r:.100} cannot be a version: use a-z, 0-9, dot, dash and underscore, at most 80")
    return version


def write(directory: Path, manifest: Manifest) -> Manifest:
    """Complete ``directory`` as a release: hash every file in it, then write the manifest, last and durably.

    ``manifest.files`` is replaced by what is found. Returns the manifest as written.
    """
    files: dict[str, FileEntry] = {}
    for path in sorted(directory.iterdir()):
        if path.name == MANIFEST:
            continue
        _check_kind(path)
        path.chmod(0o644)
        data = path.read_bytes()
        files[path.name] = FileEntry(hashlib.sha256(data).hexdigest(), len(data))
        with path.open("rb") as file:
            os.fsync(file.fileno())
    written = msgspec.structs.replace(manifest, files=files)
    _check_consistency(directory, written)
    write_durably(directory / MANIFEST, msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n")
    return written


def complete(directory: Path) -> Manifest:
    """The manifest of ``directory``, verified; one whose ``files`` are empty is a draft, and is completed.

    Raises:
        ReleaseError: whatever is wrong, by name.
    """
    draft = _decoded(directory)
    if draft.files:
        return verify(directory)
    (directory / MANIFEST).unlink()
    return write(directory, draft)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the release in ``directory``; no other file is touched.

    Raises:
        CorruptReleaseError: it is missing or not a manifest.
        MislabelledReleaseError: it contradicts itself.
    """
    manifest = _decoded(directory)
    _check_consistency(directory, manifest)
    return manifest


def _decoded(directory: Path) -> Manifest:
    path = directory / MANIFEST
    if not path.is_file():
        raise CorruptReleaseError(f"{directory} is no release: it has no {MANIFEST} (it is written last)")
    if path.stat().st_size > LARGEST_MANIFEST:
        raise CorruptReleaseError(f"{path} is larger than {LARGEST_MANIFEST} bytes")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as exc:
        raise CorruptReleaseError(f"{path} is not a manifest: {exc}") from exc
    if manifest.format != FORMAT:
        raise ReleaseError(f"{path} has format {manifest.format}; this version of tocsin reads format {FORMAT}")
    return manifest


def read_file(directory: Path, manifest: Manifest, name: str) -> bytes:
    """The bytes of one file, which are those the manifest was written for.

    Raises:
        CorruptReleaseError: the file is missing, truncated or changed, or the manifest does not name it.
    """
    entry = manifest.files.get(name)
    if entry is None:
        raise CorruptReleaseError(f"{directory}: the manifest names no file {name}")
    path = directory / name
    if path.is_symlink() or not path.is_file():
        raise CorruptReleaseError(f"{path} is missing or not a plain file")
    size = path.stat().st_size
    if size != entry.bytes:
        raise CorruptReleaseError(f"{path} has {size} bytes, the manifest says {entry.bytes}: truncated or changed")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise CorruptReleaseError(f"{path} has sha256 {found}, the manifest says {entry.sha256}")
    return data


def verify(directory: Path) -> Manifest:
    """Check every file of the release against its manifest, and that there are no others.

    Raises:
        ReleaseError: whatever is wrong, by name.
    """
    manifest = read_manifest(directory)
    for path in directory.iterdir():
        if path.name != MANIFEST and path.name not in manifest.files:
            raise UnsafeReleaseError(f"{path} is not named in the manifest")
    for name in manifest.files:
        read_file(directory, manifest, name)
    return manifest


def write_durably(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step that a crash leaves either undone or done."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_kind(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        raise UnsafeReleaseError(f"{path} is not a plain file")
    if not _NAME.fullmatch(path.name) or path.suffix not in SAFE_SUFFIXES:
        raise UnsafeReleaseError(f"{path}: a release holds ONNX, safetensors, JSON and text, never pickles or others")


def _check_consistency(directory: Path, manifest: Manifest) -> None:
    check_version(manifest.version)
    for name, entry in manifest.files.items():
        if not _NAME.fullmatch(name) or Path(name).suffix not in SAFE_SUFFIXES:
            raise UnsafeReleaseError(f"{directory}: {name!r:.100} is of no kind that a release may hold")
        if len(entry.sha256) != 64 or entry.bytes < 0:
            raise CorruptReleaseError(f"{directory}: {name} has no proper checksum")
    if manifest.labels.sentiment != SENTIMENTS:
        raise MislabelledReleaseError(f"{directory}: sentiment is {manifest.labels.sentiment}, expected {SENTIMENTS}")
    if not manifest.labels.topics:
        raise MislabelledReleaseError(f"{directory}: the release has no taxonomy of topics")
    for taxonomy, labels in manifest.labels.topics.items():
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise MislabelledReleaseError(f"{directory}: taxonomy {taxonomy} needs two or more distinct labels")
    if not manifest.graphs:
        raise MislabelledReleaseError(f"{directory}: the release names no graph")
    for precision, name in manifest.graphs.items():
        if name not in manifest.files:
            raise MislabelledReleaseError(f"{directory}: the {precision} graph {name} is not among its files")
    _check_temperatures(directory, manifest)


def _check_temperatures(directory: Path, manifest: Manifest) -> None:
    given: Mapping[str, float] = {
        "sentiment": manifest.temperatures.sentiment,
        "entities": manifest.temperatures.entities,
        **manifest.temperatures.topics,
    }
    for head, temperature in given.items():
        if not 0.01 <= temperature <= 100.0:
            raise MislabelledReleaseError(f"{directory}: temperature {temperature} of {head} is not in [0.01, 100]")
    unknown = set(manifest.temperatures.topics) - set(manifest.labels.topics)
    if unknown:
        raise MislabelledReleaseError(f"{directory}: temperatures for unknown taxonomies {sorted(unknown)}")
