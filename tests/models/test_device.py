"""Where a release is computed, and how precisely. What needs a GPU runs where there is one, and says so elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from models import device
from models.device import choose_precision, open_session, run_bound
from models.errors import PrecisionError
from models.labels import FINANCE
from models.processor import has_dot_products
from models.release import Labels, Manifest, read_file, read_manifest
from models.scorer import Scorer
from tests.models.texts import documents
from tests.models.tiny import build_tiny_release

needs_gpu = pytest.mark.skipif(
    "CUDAExecutionProvider" not in ort.get_available_providers(),
    reason="needs a CUDA device and onnxruntime-gpu: not here, so nothing is proven on a GPU",
)


@pytest.mark.parametrize(
    ("cpuinfo", "answer"),
    [
        ("processor: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\nbugs: spectre\n", True),
        ("flags\t: fpu avx2 avx_vnni\n", True),
        ("flags\t: fpu avx2 avx512f\n", False),  # Skylake: products of bytes saturate
        ("flags\t: fpu avx2\nbugs\t: avx512_vnni\n", False),
        ("flags\t: avx512_vnni\nflags\t: avx2\n", False),  # moved to any core, a thread must find them
        ("Features\t: fp asimd asimddp\n", True),
        ("Features\t: fp asimd\n", False),
        ("", False),
    ],
)
def test_a_processor_tells_whether_it_multiplies_bytes(cpuinfo: str, answer: bool) -> None:
    assert has_dot_products(cpuinfo) == answer


def offering(*precisions: str) -> Manifest:
    return Manifest("v", Labels({"finance": FINANCE}), {name: f"{name}.onnx" for name in precisions}, {})


@pytest.mark.parametrize(
    ("offered", "provider", "bytes_pay", "chosen"),
    [
        (("fp32", "int8"), "cpu", True, "int8"),
        (("fp32", "int8"), "cpu", False, "fp32"),
        (("fp32",), "cpu", True, "fp32"),
        (("int8",), "cpu", False, "int8"),  # there is no other
        (("fp32", "int8"), "cuda", True, "fp16"),
        (("int8",), "cuda", True, "int8"),
    ],
)
def test_auto_takes_what_the_machine_is_good_at(
    offered: tuple[str, ...], provider: str, bytes_pay: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "multiplies_bytes", lambda: bytes_pay)
    assert choose_precision(offering(*offered), "auto", provider) == chosen


def test_what_is_asked_for_is_taken_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "multiplies_bytes", lambda: False)
    assert choose_precision(offering("fp32", "int8"), "int8", "cpu") == "int8"
    assert choose_precision(offering("fp32"), "fp16", "cpu") == "fp16"
    with pytest.raises(PrecisionError, match="no fp16 graph, only int8"):
        choose_precision(offering("int8"), "fp16", "cuda")


def test_a_gpu_whose_libraries_are_missing_leaves_the_best_of_the_cpu(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this machine has CUDA")
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    scorer = Scorer.load(release)
    assert (scorer.provider, scorer.precision) == ("cpu", "fp32")


def test_bound_batches_say_what_plain_ones_say(release: Path) -> None:
    manifest = read_manifest(release)
    session = open_session(read_file(release, manifest, "model.onnx"), "cpu", 1, required=True)
    names = [output.name for output in session.get_outputs()]
    texts, spans = documents(60, seed=2)
    for batch in Scorer.load(release).prepare(texts, spans):
        feeds = {"input_ids": batch.ids, "attention_mask": batch.mask, "spans": batch.spans[:, ::-1]}
        plain, bound = session.run(names, feeds), run_bound(session, names, feeds, "cpu")
        assert all(np.array_equal(one, two) for one, two in zip(plain, bound, strict=True))


@needs_gpu
@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-4), ("fp16", 0.02)])
def test_a_gpu_says_what_the_cpu_says(tmp_path: Path, precision: device.Precision, most: float) -> None:
    from models.assembly import ensure_shipped

    texts, spans = documents(200, seed=12)
    for release in (build_tiny_release(tmp_path / "tiny"), ensure_shipped(tmp_path / "shipped")):
        here = Scorer.load(release, provider="cpu", precision="fp32").score(texts, spans)
        there = Scorer.load(release, provider="cuda", precision=precision)
        assert (there.provider, there.precision) == ("cuda", precision)
        batches = there.prepare(texts, spans)
        with ThreadPoolExecutor(3) as pool:
            said = there.read(batches, list(pool.map(there.infer, batches)))
        assert np.abs(here.sentiment - said.sentiment).max() <= most
        assert all(
            np.abs(one - two).max(initial=0) <= most for one, two in zip(here.entities, said.entities, strict=True)
        )
