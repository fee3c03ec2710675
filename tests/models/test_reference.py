"""What a release remembers of home: written small, read with suspicion."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import reference
from models.errors import CorruptReleaseError
from models.reference import REFERENCE, Reference, measure, pack, read_reference, unpack
from models.release import read_manifest, write


def heard(count: int = 300, hidden: int = 24, seed: int = 1) -> Reference:
    draw = np.random.default_rng(seed)
    scale = np.linspace(3.0, 0.01, hidden)
    probabilities = draw.dirichlet(np.full(3, 0.5), count).astype(np.float32)
    return measure(
        (draw.normal(2.0, 1.0, (count, hidden)) * scale).astype(np.float32),
        {"sentiment": probabilities},
        draw.integers(1, 500, count),
        ["tweets", "reviews"] * (count // 2) + ["news"] * (count % 2),
        {"sentiment": draw.choice([-1, 0, 1, 1, 1], count)},
        dimensions=16,
    )


def changed(data: bytes, **tables: np.ndarray) -> bytes:
    with np.load(io.BytesIO(data)) as held:
        kept = {name: held[name] for name in held.files} | tables
    file = io.BytesIO()
    np.savez(file, **kept)
    return file.getvalue()


def test_rows_are_centred_and_as_wide_in_every_direction() -> None:
    rows = heard().rows
    assert rows.shape == (300, 16)
    assert np.abs(rows.mean(0)).max() < 0.05
    assert np.abs(rows.std(0)[:8] - 1).max() < 0.1
    assert rows.std(0).max() < 1.1  # directions without spread are not blown up


def test_what_is_written_is_read_again_and_always_the_same_bytes() -> None:
    made = heard()
    data = pack(made)
    assert pack(unpack(data)) == data
    assert len(data) < 20_000
    again = unpack(data)
    assert np.array_equal(again.rows, made.rows)
    assert again.domain_names == ("reviews", "tweets")
    assert [again.domain_names[at] for at in again.domains[:3]] == ["tweets", "reviews", "tweets"]
    assert np.abs(again.heads["sentiment"].sum(1) - 1).max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(2, 12), st.integers(0, 99))
def test_any_few_documents_make_a_reference(count: int, hidden: int, seed: int) -> None:
    made = heard(count, hidden, seed)
    assert len(made) == count
    assert np.isfinite(made.rows).all()
    assert np.abs(made.rows).max() <= reference.WIDEST
    share, bound = made.error("sentiment")
    assert 0 <= share <= bound <= 1


def test_the_bound_of_the_error_narrows_with_labels() -> None:
    marks = np.tile([0, 1, 1, 1], 25).astype(np.int8)
    few, many = (replace(heard(), right={"sentiment": np.tile(marks, times)}) for times in (1, 10))
    assert few.error("sentiment")[0] == many.error("sentiment")[0] == 0.25
    assert 0.25 < many.error("sentiment")[1] < few.error("sentiment")[1] < 0.34
    assert few.error("topic.finance") == (0.5, 1.0)


def test_more_documents_than_are_kept_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "MOST_ROWS", 50)
    thinned, whole = heard(501), np.random.default_rng(1)
    whole.dirichlet(np.full(3, 0.5), 501), whole.normal(size=(501, 24))
    assert len(thinned) == len(thinned.lengths) == len(thinned.heads["sentiment"]) == 50
    assert np.array_equal(thinned.lengths, whole.integers(1, 500, 501)[np.linspace(0, 500, 50).round().astype(int)])


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ({"format": np.array(99)}, "format 99"),
        ({"head.sentiment": np.zeros((3, 3), np.uint8)}, "different documents"),
        ({"centre": np.zeros(3)}, "different documents"),
        ({"domains": np.full(300, 7, np.int8)}, "no name for a domain"),
        ({"basis": np.full((24, 16), np.nan)}, "not finite"),
        ({"rows": np.zeros((300, 16, 2, 2_000), np.int8)}, "unpacks to more"),
        ({"lengths": np.array([{}], object)}, "cannot be read"),
    ],
)
def test_a_reference_that_is_not_one_is_refused(tables: dict[str, np.ndarray], why: str) -> None:
    with pytest.raises(CorruptReleaseError, match=why):
        unpack(changed(pack(heard()), **tables))


def test_a_release_may_have_one_or_none(release: Path) -> None:
    assert read_reference(release, read_manifest(release)) is None
    (release / REFERENCE).write_bytes(pack(heard()))
    manifest = write(release, msgspec.structs.replace(read_manifest(release), files={}))
    held = read_reference(release, manifest)
    assert held is not None
    assert len(held) == 300
    (release / REFERENCE).write_bytes(b"x")
    with pytest.raises(CorruptReleaseError, match=REFERENCE):
        read_reference(release, manifest)
