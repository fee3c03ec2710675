"""A tiny, real release: a bag-of-words graph of 100 kB that ONNX Runtime loads in milliseconds.

It has the inputs and outputs of the shipped release, calls texts with bad words negative and with good words
positive, reads the words around an entity for the sentiment toward it, and is the same on every machine.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.labels import FINANCE
from models.reference import REFERENCE, measure, pack
from models.release import FileEntry, Labels, Manifest, read_manifest, write
from models.scorer import Scorer

HIDDEN = 384
BAD = (
    "bad awful terrible horrible poor worst hate hated broken fraud scandal lawsuit loss losses fall falls fell plunge "
    "plunges crash recall recalls outage breach leak fire fired layoffs scam angry fails failed failure bankrupt "
    "bankruptcy investigation probe fine fined fears disaster defect defects refund late rude dirty crisis negative"
)
GOOD = (
    "good great excellent wonderful best love loved beat beats profit profits gain gains rise rises rose surge surges "
    "record win wins won award praise praised strong growth upgrade upgraded happy fast friendly clean positive"
)
TOPICS = {
    "Earnings": "earnings profit profits revenue quarter results",
    "Legal | Regulation": "lawsuit court fraud probe investigation fine fined regulator",
    "Stock Movement": "shares stock falls fell plunge plunges surge surges rose",
    "Personnel Change": "ceo chairman resigns appointed hired fired layoffs",
    "Energy | Oil": "oil gas energy barrel",
    "M&A | Investments": "merger acquisition acquires takeover stake",
}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def vocabulary() -> dict[str, int]:
    """Words by token id; every other word is ``[UNK]`` and says nothing."""
    words = " ".join([BAD, GOOD, *TOPICS.values()]).split()
    return {word: index for index, word in enumerate(dict.fromkeys([*SPECIAL, *words]))}


def tokenizer_description(words: dict[str, int]) -> dict[str, object]:
    """A word-level tokenizer, lower-casing, in the format of the tokenizers library."""
    added = [
        {"id": words[name], "content": name, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for name in SPECIAL
    ]  # fmt: skip
    special = {name: {"id": name, "ids": [words[name]], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Replace", "pattern": {"Regex": r"https?://\S+"}, "content": " "}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": special,
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"},
    }  # fmt: skip


def _weights(words: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Word vectors [V, H] and the heads that read them: sentiment [H, 3] and topics [H, 20]."""
    draw = np.random.default_rng(7)
    vectors = draw.normal(0, 0.02, (len(words), HIDDEN)).astype(np.float32)
    vectors[:, :32] = 0.0
    for column, group in ((0, BAD), (2, GOOD)):
        for word in group.split():
            vectors[words[word], column] = 1.0
    for label, group in TOPICS.items():
        for word in group.split():
            vectors[words[word], 3 + FINANCE.index(label)] = 1.0
    sentiment = np.zeros((HIDDEN, 3), np.float32)
    sentiment[0, 0] = sentiment[2, 2] = 120.0
    topics = np.zeros((HIDDEN, len(FINANCE)), np.float32)
    topics[3 + np.arange(len(FINANCE)), np.arange(len(FINANCE))] = 120.0
    return vectors, sentiment, topics


def _graph(words: dict[str, int]) -> onnx.ModelProto:
    vectors, sentiment, topics = _weights(words)
    held = {
        "vectors": vectors,
        "sentiment_head": sentiment,
        "neutral": np.array([0.0, 2.0, 0.0], np.float32),
        "topic_head": topics,
        "general": (np.arange(len(FINANCE)) == FINANCE.index("General News | Opinion")).astype(np.float32),
        "last": np.array([2], np.int64),
        "one": np.array([1], np.int64),
        "sum_axis": np.array([1], np.int64),
        "unit": np.array(1.0, np.float32),
        "zero": np.array(0, np.int64),
        "step": np.array(1, np.int64),
        "around": np.array(4, np.int64),
        "at0": np.array([0], np.int64),
        "at1": np.array([1], np.int64),
        "at2": np.array([2], np.int64),
        "at01": np.array([0, 1], np.int64),
        "scalar": np.array([], np.int64),
        "tiny": np.array(1e-6, np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["vectors", "input_ids"], ["hidden"]),
        node("Cast", ["attention_mask"], ["weight"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["weight", "at2"], ["weight3"]),
        node("Mul", ["hidden", "weight3"], ["heard"]),
        node("ReduceSum", ["heard", "sum_axis"], ["summed"], keepdims=0),
        node("ReduceSum", ["weight", "sum_axis"], ["count"], keepdims=1),
        node("Max", ["count", "unit"], ["counted"]),
        node("Div", ["summed", "counted"], ["pooled"]),
        node("MatMul", ["pooled", "sentiment_head"], ["opinion"]),
        node("Add", ["opinion", "neutral"], ["sentiment"]),
        node("MatMul", ["pooled", "topic_head"], ["themes"]),
        node("Add", ["themes", "general"], ["topic.finance"]),
        node("ReduceL2", ["pooled", "sum_axis"], ["length"], keepdims=1),
        node("Add", ["length", "tiny"], ["norm"]),
        node("Div", ["pooled", "norm"], ["embedding"]),
        # An entity hears the words from four before it to four after it.
        node("Shape", ["input_ids"], ["shape"]),
        node("Gather", ["shape", "step"], ["tokens"]),
        node("Range", ["zero", "tokens", "step"], ["position"]),
        node("Unsqueeze", ["position", "at01"], ["position3"]),
        node("Slice", ["spans", "at0", "at1", "last"], ["first"]),
        node("Slice", ["spans", "at1", "at2", "last"], ["end"]),
        node("Sub", ["first", "around"], ["from"]),
        node("Add", ["end", "around"], ["to"]),
        node("GreaterOrEqual", ["position3", "from"], ["after"]),
        node("Less", ["position3", "to"], ["before"]),
        node("And", ["after", "before"], ["near"]),
        node("Cast", ["near"], ["near_weight"], to=TensorProto.FLOAT),
        node("MatMul", ["near_weight", "heard"], ["near_sum"]),
        node("ReduceSum", ["near_weight", "last"], ["near_count"], keepdims=1),
        node("Max", ["near_count", "unit"], ["near_counted"]),
        node("Div", ["near_sum", "near_counted"], ["near_mean"]),
        node("MatMul", ["near_mean", "sentiment_head"], ["near_opinion"]),
        node("Add", ["near_opinion", "neutral"], ["entities"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            value("input_ids", TensorProto.INT64, ["B", "S"]),
            value("attention_mask", TensorProto.INT64, ["B", "S"]),
            value("spans", TensorProto.INT64, ["B", "E", 2]),
        ],
        [
            value("topic.finance", TensorProto.FLOAT, ["B", len(FINANCE)]),
            value("sentiment", TensorProto.FLOAT, ["B", 3]),
            value("entities", TensorProto.FLOAT, ["B", "E", 3]),
            value("embedding", TensorProto.FLOAT, ["B", HIDDEN]),
        ],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def invented_texts(count: int, *, about: str = "shares", seed: int = 1) -> list[str]:
    """Texts of six known words each: about shares and results, or (``about="service"``) what customers write."""
    draw = random.Random(seed)
    words = {
        "shares": [*TOPICS["Stock Movement"].split(), *TOPICS["Earnings"].split(), "rise", "falls", "gains", "loss"],
        "service": [*BAD.split()[-9:], *GOOD.split()[-6:], "love", "hate", "broken", "rude", "friendly", "refund"],
    }[about]
    return [" ".join(draw.choices(words, k=6)) for _ in range(count)]


def remember(release: Path, count: int = 3_000) -> Path:
    """Give the release a reference of invented texts: three of four about shares, the others about service."""
    texts = invented_texts(count * 3 // 4) + invented_texts(count // 4, about="service")
    domains = ["shares"] * (count * 3 // 4) + ["service"] * (count // 4)
    order = random.Random(2).sample(range(len(texts)), len(texts))
    scores = Scorer.load(release, threads=1).score([texts[at] for at in order])
    reference = measure(
        scores.embedding,
        {"sentiment": scores.sentiment, "topic.finance": scores.topics["finance"]},
        np.array([len(texts[at]) for at in order]),
        [domains[at] for at in order],
        {"sentiment": np.where(np.arange(len(order)) % 10 == 0, 0, 1)},
        dimensions=16,
    )
    (release / REFERENCE).write_bytes(pack(reference))
    write(release, msgspec.structs.replace(read_manifest(release), files={}))
    return release


def build_tiny_release(path: Path, version: str = "tiny") -> Path:
    """Write the release into the new directory ``path / version`` (a registry root will do); returns it."""
    directory = path / version
    directory.mkdir(parents=True)
    words = vocabulary()
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer_description(words)), encoding="utf-8")
    (directory / "model.onnx").write_bytes(_graph(words).SerializeToString(deterministic=True))
    files: dict[str, FileEntry] = {}
    write(
        directory, Manifest(version, Labels({"finance": FINANCE}), {"fp32": "model.onnx"}, files, licence="Apache-2.0")
    )
    return directory
