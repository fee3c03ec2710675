"""Two ways of asking the same question: the network in torch, and the release through its scorer.

Run as a program (``python -m trainer.parity RELEASE TEXTS.json OUT.npz``) it is the fresh process in which a
release proves itself, see :func:`serve_apart`; torch is then never imported.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.device import Precision
from models.scorer import Scorer

if TYPE_CHECKING:
    from trainer.network import Network

Answers = dict[str, NDArray[np.float32]]

AWKWARD = ("", " ", "word " * 2_000, "😀 👍🏽 great", "株価が急落した", "a\u200bb\u0000c", "https://example.com/only")
"""Texts that a stream brings sooner or later: empty, endless, emoji, other scripts, controls, a link alone."""


def _first_words(texts: list[str]) -> list[list[tuple[int, int] | None]]:
    found = (re.search(r"\w+", text) for text in texts)
    return [[match.span()] if match else [None] for match in found]


def serve(release: Path, texts: list[str], precision: Precision = "fp32") -> Answers:
    """What the release says through its scorer without calibration, by default in full precision."""
    scorer = Scorer.load(release, provider="cpu", precision=precision)
    batches = scorer.prepare(texts, _first_words(texts))
    answers: Answers = {}
    for batch in batches:
        raw = scorer.infer(batch)
        for name, value in {**raw, "entities": raw["entities"][:, 0]}.items():
            table = answers.setdefault(name, np.zeros((len(texts), value.shape[-1]), np.float32))
            table[list(batch.rows)] = value[: len(batch.rows)]
    return {name: value if name == "embedding" else _probabilities(value) for name, value in answers.items()}


def serve_apart(release: Path, texts: Sequence[str]) -> Answers:
    """:func:`serve` in full precision in a fresh process, which shares nothing with the one that trained.

    Raises:
        subprocess.CalledProcessError: the release cannot be loaded or scored there; ``stderr`` tells why.
    """
    with tempfile.TemporaryDirectory() as place:
        given, told = Path(place) / "texts.json", Path(place) / "said.npz"
        given.write_text(json.dumps(list(texts)), encoding="utf-8")
        subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "trainer.parity", str(release), str(given), str(told)],
            capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[1],
        )  # fmt: skip
        with np.load(told, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}


def say(network: Network, release: Path, texts: list[str]) -> Answers:
    """What the network says to the very batches that the release's scorer forms."""
    import torch

    scorer = Scorer.load(release, provider="cpu", precision="fp32")
    answers: Answers = {}
    with torch.inference_mode():
        for batch in scorer.prepare(texts, _first_words(texts)):
            said = network(*(torch.from_numpy(value) for value in (batch.ids, batch.mask, batch.spans)))
            values = {f"topic.{name}": logits for name, logits in said.topics.items()}
            values |= {"sentiment": said.sentiment, "entities": said.entities[:, 0], "embedding": said.embedding}
            for name, value in values.items():
                table = answers.setdefault(name, np.zeros((len(texts), value.shape[-1]), np.float32))
                table[list(batch.rows)] = value[: len(batch.rows)].numpy()
    return {name: value if name == "embedding" else _probabilities(value) for name, value in answers.items()}


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exp = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exp / exp.sum(-1, keepdims=True), np.float32)


if __name__ == "__main__":
    said: dict[str, Any] = {**serve(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))}
    np.savez(sys.argv[3], **said)
