"""Where a release's graph is computed, in which precision, and how batches get there and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.errors import CorruptReleaseError, PrecisionError, ProviderError
from models.processor import multiplies_bytes
from models.release import Manifest

Provider = Literal["auto", "cuda", "cpu"]
Precision = Literal["auto", "fp32", "int8", "fp16"]
Feeds = Mapping[str, NDArray[np.int64]]
Run = Callable[[Feeds], Sequence[NDArray[Any]]]
"""Inputs by name in, outputs in the graph's order out, both in the host's memory. Thread safe."""

ORT_NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_OPTIONS: dict[str, dict[str, str]] = {
    "cpu": {},
    # Products of fp32 would be rounded to 10 bits: fp32 is what one takes to have fp32's numbers.
    "cuda": {"use_tf32": "0"},
}


def choose_provider(provider: Provider) -> str:
    """``cuda`` where it is asked for or, with ``auto``, where ONNX Runtime has it; else ``cpu``.

    Raises:
        ProviderError: it is asked for and not there.
    """
    there = ORT_NAMES["cuda"] in ort.get_available_providers()
    if provider == "cuda" and not there:
        raise ProviderError(
            "provider=cuda, but this ONNX Runtime has no CUDA: install the extra `gpu` instead of `cpu`"
        )
    return "cuda" if there and provider != "cpu" else "cpu"


def choose_precision(manifest: Manifest, precision: Precision, provider: str) -> str:
    """The precision to compute in; of a release's fp32 graph fp16 is made while loading.

    With ``auto``: fp16 on CUDA; on a CPU int8 where the release has it and the processor multiplies bytes.

    Raises:
        PrecisionError: the release has no graph for the precision asked for.
    """
    offered = {*manifest.graphs, *(("fp16",) if "fp32" in manifest.graphs else ())}
    if precision == "auto":
        bytes_pay = provider == "cpu" and multiplies_bytes()
        preferred = ("fp16", "fp32") if provider == "cuda" else ("int8", "fp32") if bytes_pay else ("fp32",)
        return next((kind for kind in preferred if kind in offered), next(iter(manifest.graphs)))
    if precision not in offered:
        raise PrecisionError(
            f"release {manifest.version} has no {precision} graph, only {', '.join(sorted(manifest.graphs))}; "
            "leave the precision at auto"
        )
    return precision


def open_session(data: bytes, provider: str, threads: int, *, required: bool) -> Any:
    """An ONNX Runtime session over the graph in ``data``, on ``threads`` threads of its own (0: one per core).

    Raises:
        CorruptReleaseError: ONNX Runtime refuses the graph.
        ProviderError: the provider is ``required``, and it started on another.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a plan kept per shape would grow with every new (B, S)
    options.log_severity_level = 3
    # Waiting threads would take the cores from the event loop and the tokenizer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    kinds = [provider] if provider == "cpu" else [provider, "cpu"]
    try:
        session = ort.InferenceSession(data, options, providers=[(ORT_NAMES[kind], _OPTIONS[kind]) for kind in kinds])
    except Exception as exc:  # ONNX Runtime's errors share no base
        raise CorruptReleaseError(f"ONNX Runtime refuses the graph: {exc}") from exc
    if required and session.get_providers()[0] != ORT_NAMES[provider]:
        raise ProviderError(
            f"provider={provider}, but ONNX Runtime started on {session.get_providers()[0]}: its libraries are missing"
        )
    return session


def provider_of(session: Any) -> str:
    """The provider a session really runs on."""
    return next(name for name, ort_name in ORT_NAMES.items() if ort_name == session.get_providers()[0])


def runner(session: Any, outputs: Sequence[str], device: str) -> Run:
    """How to run ``session``: on a CPU directly, elsewhere with inputs and outputs bound to the ``device``."""
    if device == "cpu":
        return lambda feeds: list(session.run(list(outputs), dict(feeds)))
    return lambda feeds: run_bound(session, outputs, feeds, device)


def run_bound(session: Any, outputs: Sequence[str], feeds: Feeds, device: str) -> Sequence[NDArray[Any]]:
    """One run with IO binding: a batch goes over once before it and comes back once after it.

    The copy over does not wait for the runs of other threads, and outputs of any shape are allocated on the
    device by its own allocator.
    """
    binding = session.io_binding()
    for name, value in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value), device, 0))
    for name in outputs:
        binding.bind_output(name, device, 0)
    binding.synchronize_inputs()
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    values: Sequence[NDArray[Any]] = binding.copy_outputs_to_cpu()
    return values
