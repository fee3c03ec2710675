"""Eight bits against thirty-two: what int8 gains in speed and costs in accuracy, on the same texts.

    python tests/bench/precision.py [DATA] [--rows 100] [--runs 5] [--registry DIR]

DATA is the directory of the public labelled sets (default: ../shared/data); rows are of their test side,
calibration texts of their validation side. Compared, on one thread and over the same batches: fp32; this
project's static int8; ONNX Runtime's dynamic int8; OpenVINO in fp32 and with a graph quantised in QDQ form,
where `openvino` is installed. Runs alternate. JSON on stdout: documents per second of processor time (median, and
each run's share of fp32), accuracy by question with the loss against fp32, share of texts called alike, and
whether a document's numbers stay the same beside other neighbours.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime import quantization

from models.assembly import ensure_shipped
from models.device import open_session
from models.quantise import quantisable, quantise
from models.registry import Registry
from models.release import read_file, read_manifest
from models.scorer import Batch, RawBatch, Scorer
from trainer.calibrate import find_grids
from trainer.data import parts, read_set
from trainer.evaluate import answers
from trainer.measure import questions

SETS = ("twitter_fin_news_topic", "twitter_fin_news_sentiment", "sentfin", "newsmtsc", "rt_polarity")
Infer = Callable[[Batch], RawBatch]


def feeds(batch: Batch) -> dict[str, Any]:
    return {"input_ids": batch.ids, "attention_mask": batch.mask, "spans": batch.spans}


class Texts(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Batches for ONNX Runtime's own calibration."""

    def __init__(self, batches: list[Batch]) -> None:
        self.left: Iterator[Batch] = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self.left, None)
        return None if batch is None else feeds(batch)


def on_onnxruntime(data: bytes, names: list[str]) -> Infer:
    session = open_session(data, "cpu", 1, required=False)
    return lambda batch: dict(zip(names, session.run(names, feeds(batch)), strict=True))


def on_openvino(path: Path, names: list[str]) -> Infer:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    request = compiled.create_infer_request()

    def infer(batch: Batch) -> RawBatch:
        request.infer(feeds(batch))
        return {name: np.array(request.get_tensor(name).data) for name in names}

    return infer


def contenders(release: Path, scorer: Scorer, texts: list[str], place: Path) -> dict[str, Infer]:
    """Every way of computing the release that can be had here, by name."""
    manifest = read_manifest(release)
    plain = read_file(release, manifest, manifest.graphs["fp32"])
    names = [output.name for output in onnx.load_model_from_string(plain).graph.output]
    model = onnx.load_model_from_string(plain)
    found = {"fp32": on_onnxruntime(plain, names)}
    if "int8" in manifest.graphs:
        rounded = read_file(release, manifest, manifest.graphs["int8"])
    else:
        rounded = quantise(model, find_grids(release, texts)).SerializeToString()
    found["int8 static"] = on_onnxruntime(rounded, names)
    source, dynamic, qdq = place / "plain.onnx", place / "dynamic.onnx", place / "qdq.onnx"
    source.write_bytes(plain)
    inside = set(quantisable(model))
    encoder = [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[0] in inside]
    quantization.quantize_dynamic(source, dynamic, per_channel=True, op_types_to_quantize=["MatMul"])
    found["int8 dynamic"] = on_onnxruntime(dynamic.read_bytes(), names)
    quantization.quantize_static(
        source, qdq, Texts(scorer.prepare(texts[:128], [()] * len(texts[:128]))), per_channel=True,
        op_types_to_quantize=["MatMul"], nodes_to_quantize=encoder, activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    found["int8 QDQ"] = on_onnxruntime(qdq.read_bytes(), names)
    if importlib.util.find_spec("openvino") is not None:
        found["OpenVINO fp32"] = on_openvino(source, names)
        found["OpenVINO int8"] = on_openvino(qdq, names)
    return found


def steady(scorer: Scorer, texts: list[str]) -> bool:
    """A document says the same alone as among the others, to the digits that are kept."""
    together = scorer.score(texts).sentiment
    return all(
        np.array_equal(np.round(scorer.score([text]).sentiment[0], 4), np.round(said, 4))
        for text, said in zip(texts[:40], together, strict=False)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=100, help="of each set")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--registry", default="var/registry")
    given = parser.parse_args()
    ensure_shipped(given.registry)
    release = Registry(given.registry).resolve("champion")
    scorer = Scorer.load(release, provider="cpu", precision="fp32", threads=1)
    split = [parts(read_set(given.data, name)) for name in SETS]
    texts = [row.text for some in split for row in some["validation"][:64]]
    tested = [row for some in split for row in some["test"][: given.rows]]
    batches = scorer.prepare([row.text for row in tested], [()] * len(tested))
    report: dict[str, Any] = {"release": scorer.release, "documents": len(tested), "ways": {}}
    with tempfile.TemporaryDirectory() as place:
        ways = contenders(release, scorer, texts, Path(place))
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(given.runs + 1):
            for name, infer in ways.items():
                begun = time.process_time()
                for batch in batches:
                    infer(batch)
                if turn:  # the first is for warming up
                    seconds[name].append(time.process_time() - begun)
        whole: dict[str, Any] = {}
        plain: dict[str, float] = {}
        for name, infer in ways.items():
            scorer.infer = infer  # type: ignore[method-assign]
            whole[name] = questions(answers(scorer, tested), scorer.taxonomies)
            accuracy = {key: float((one.scores.argmax(1) == one.labels).mean()) for key, one in whole[name].items()}
            plain = plain or accuracy
            alike = [one.scores.argmax(1) == whole["fp32"][key].scores.argmax(1) for key, one in whole[name].items()]
            report["ways"][name] = {
                "documents_per_second": round(len(tested) / statistics.median(seconds[name]), 1),
                "to_fp32": [round(a / b, 2) for a, b in zip(seconds["fp32"], seconds[name], strict=True)],
                "called_alike": round(float(np.concatenate(alike).mean()), 4),
                "accuracy_lost": {key: round(plain[key] - value, 4) for key, value in accuracy.items()},
                "mean_accuracy_lost": round(statistics.mean(plain[key] - value for key, value in accuracy.items()), 4),
                "neighbours_change_nothing": steady(scorer, [row.text for row in tested[:: max(1, len(tested) // 80)]]),
            }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
