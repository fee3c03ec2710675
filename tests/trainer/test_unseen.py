"""Far from home: sentences written for this test, of kinds that no set of the training has.

Forty each of what customers write to companies, what companies state, and what people post, and twenty sentences
about several names. They are few, so they guard against a release that has lost its hearing, and rank none.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from models.assembly import ensure_shipped
from trainer import evaluate

UNSEEN = Path(__file__).parent / "unseen"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_shipped(tmp_path_factory.mktemp("registry"))


@pytest.mark.parametrize(
    ("name", "question", "least"),
    [
        ("customers", "sentiment", 0.7),
        ("statements", "sentiment", 0.7),
        ("posts", "sentiment", 0.7),
        ("toward", "entities", 0.7),
    ],
)
def test_the_shipped_release_hears_strangers(shipped: Path, name: str, question: str, least: float) -> None:
    judged = evaluate.run(shipped, UNSEEN / f"{name}.jsonl")["questions"][f"{name}/{question}"]
    assert judged["n"] >= 38
    assert judged["accuracy"] >= least, judged["confusion"]
