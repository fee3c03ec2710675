"""What a release remembers of home: held-back documents as its own graph heard them (``reference.npz``).

Drift detectors compare a stream with it. A row is a document: its embedding in few, whitened dimensions, the
calibrated probabilities of every head, its length, which set it is of, and, where a label was known, whether the call
was right. Numbers are kept in eight bits, which is far finer than what is asked of them: 4,000 rows take some 300 kB.
No text is kept.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import CorruptReleaseError
from models.release import Manifest, read_file

REFERENCE = "reference.npz"
FORMAT = 1
DIMENSIONS = 64
"""Principal directions kept of an embedding."""
MOST_ROWS = 4_000
MOST_BYTES = 16 * 1024 * 1024
"""A reference unpacks to less than this, or is not read."""
WIDEST = 4.0
"""Standard deviations at which a whitened coordinate is cut off, so that one odd document cannot rule a mean."""

Floats = NDArray[np.float32]
Marks = NDArray[np.int8]


@dataclass(frozen=True)
class Reference:
    """n held-back documents.

    ``centre`` [H] and ``basis`` [H, D] take an embedding to D whitened coordinates, ``rows`` [n, D] are theirs;
    ``heads`` holds calibrated probabilities [n, k] by head (``sentiment``, ``topic.<taxonomy>``), ``lengths`` [n] are
    in characters, ``domains`` [n] are places in ``domain_names``, the sets that the documents were held back from, and
    ``right`` [n] by head is 1 where the call was right, 0 where it was wrong, -1 where unlabelled.
    """

    centre: Floats
    basis: Floats
    rows: Floats
    heads: dict[str, Floats]
    lengths: NDArray[np.int32]
    domains: Marks
    domain_names: tuple[str, ...]
    right: dict[str, Marks]

    def __len__(self) -> int:
        return len(self.rows)

    def whitened(self, embedding: Floats) -> Floats:
        """The coordinates [n, D] of embeddings [n, H], each within :data:`WIDEST`."""
        return np.asarray(np.clip((embedding - self.centre) @ self.basis, -WIDEST, WIDEST), np.float32)

    def error(self, head: str) -> tuple[float, float]:
        """The share of wrong calls of ``head`` among labelled rows, and its upper 95 % bound (Wilson 1927).

        Without labelled rows nothing is known: (0.5, 1.0).
        """
        marks = self.right.get(head, np.zeros(0, np.int8))
        known = int((marks >= 0).sum())
        if not known:
            return 0.5, 1.0
        share, z = float((marks == 0).sum()) / known, 1.645
        middle = share + z * z / (2 * known)
        reach = z * float(np.sqrt(share * (1 - share) / known + z * z / (4 * known * known)))
        return share, (middle + reach) / (1 + z * z / known)


def measure(
    embedding: Floats,
    heads: Mapping[str, Floats],
    lengths: NDArray[Any],
    domains: Sequence[str],
    right: Mapping[str, NDArray[Any]],
    dimensions: int = DIMENSIONS,
) -> Reference:
    """The reference of n documents; of more than :data:`MOST_ROWS`, evenly spread ones are kept as rows.

    Whitening is by principal components (all rows count for it); directions in which the documents hardly differ are
    not blown up to the size of the others.
    """
    count, names = len(embedding), tuple(sorted(set(domains)))
    centre = embedding.mean(0, dtype=np.float64)
    spread, axes = np.linalg.eigh(np.cov(embedding.T.astype(np.float64)) if count > 1 else np.eye(embedding.shape[1]))
    kept = min(dimensions, len(spread))
    spread, axes = spread[::-1][:kept], axes[:, ::-1][:, :kept]
    # The sign of an eigenvector is the library's whim: the largest entry is made positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(kept)])
    basis = axes / np.sqrt(np.maximum(spread, 1e-3 * max(float(spread[0]), 1e-12)))
    chosen = np.linspace(0, count - 1, min(count, MOST_ROWS)).round().astype(np.int64)
    whole = Reference(
        centre.astype(np.float32),
        basis.astype(np.float32),
        np.zeros((0, kept), np.float32),
        {name: np.asarray(table[chosen], np.float32) for name, table in heads.items()},
        np.asarray(lengths)[chosen].astype(np.int32),
        np.array([names.index(domains[at]) for at in chosen.tolist()], np.int8),
        names,
        {name: np.asarray(marks)[chosen].astype(np.int8) for name, marks in right.items()},
    )
    return unpack(pack(Reference(**{**vars(whole), "rows": whole.whitened(embedding[chosen])})))


def pack(reference: Reference) -> bytes:
    """``reference`` as the bytes of an ``.npz``; the same every time."""
    tables: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT, np.int32),
        "centre": reference.centre.astype("<f4"),
        "basis": reference.basis.astype("<f4"),
        "rows": np.round(reference.rows * (127 / WIDEST)).astype(np.int8),
        "lengths": reference.lengths.astype("<i4"),
        "domains": reference.domains.astype(np.int8),
        "domain_names": np.array(reference.domain_names),
        **{f"head.{name}": np.round(table * 255).astype(np.uint8) for name, table in reference.heads.items()},
        **{f"right.{name}": marks.astype(np.int8) for name, marks in reference.right.items()},
    }
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **tables)
    return file.getvalue()


def unpack(data: bytes) -> Reference:
    """The reference that :func:`pack` wrote.

    Raises:
        CorruptReleaseError: the bytes are none, or their shapes contradict each other.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise CorruptReleaseError(f"{REFERENCE} unpacks to more than {MOST_BYTES} bytes")
        with np.load(io.BytesIO(data), allow_pickle=False) as tables:
            held = {name: tables[name] for name in tables.files}
        if int(held["format"]) != FORMAT:
            raise CorruptReleaseError(f"{REFERENCE} has format {int(held['format'])}, this version reads {FORMAT}")
        reference = Reference(
            held["centre"].astype(np.float32),
            held["basis"].astype(np.float32),
            held["rows"].astype(np.float32) * np.float32(WIDEST / 127),
            {name[5:]: _shares(table) for name, table in held.items() if name.startswith("head.")},
            held["lengths"].astype(np.int32),
            held["domains"].astype(np.int8),
            tuple(str(name) for name in held["domain_names"]),
            {name[6:]: table.astype(np.int8) for name, table in held.items() if name.startswith("right.")},
        )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as exc:
        raise CorruptReleaseError(f"{REFERENCE} cannot be read: {exc}") from exc
    count, (hidden, kept) = len(reference.rows), reference.basis.shape
    tables = (reference.lengths, reference.domains, *reference.heads.values(), *reference.right.values())
    lengths = {len(table) for table in tables}
    if reference.centre.shape != (hidden,) or reference.rows.shape != (count, kept) or lengths - {count}:
        raise CorruptReleaseError(f"{REFERENCE}: its tables are of different documents")
    if not ((reference.domains >= 0) & (reference.domains < len(reference.domain_names))).all():
        raise CorruptReleaseError(f"{REFERENCE} knows no name for a domain")
    if not (np.isfinite(reference.centre).all() and np.isfinite(reference.basis).all()):
        raise CorruptReleaseError(f"{REFERENCE} holds numbers that are not finite")
    return reference


def read_reference(directory: Path, manifest: Manifest) -> Reference | None:
    """The reference of the release in ``directory``; ``None`` where it has none, as early releases have not.

    Raises:
        CorruptReleaseError: it is there, and damaged.
    """
    if REFERENCE not in manifest.files:
        return None
    return unpack(read_file(directory, manifest, REFERENCE))


def _shares(table: NDArray[Any]) -> Floats:
    """Probabilities from their bytes; the rounding is spread over the row, so that it adds up to one."""
    shares = table.astype(np.float32)
    return np.asarray(shares / np.maximum(shares.sum(1, keepdims=True), 1), np.float32)
