"""What the shipped release says of itself holds on rows it never saw."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models.assembly import ensure_shipped
from models.registry import Registry
from trainer import evaluate

DATA = Path(os.environ.get("TOCSIN_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.mark.shared
@pytest.mark.skipif(not DATA.is_dir(), reason="the labelled sets are not on this machine")
def test_the_card_tells_the_truth(tmp_path: Path) -> None:
    release = ensure_shipped(tmp_path)
    claimed = Registry(tmp_path).manifest("champion").metrics["test"]
    report = evaluate.run(release, DATA, sets=("sentfin", "twitter_fin_news_sentiment"), part="test", precision="fp32")
    for key, judged in report["questions"].items():
        assert judged["n"] == claimed[key]["n"]
        assert judged["accuracy"] == pytest.approx(claimed[key]["accuracy"], abs=0.003), key
        assert judged["ece"] == pytest.approx(claimed[key]["ece"], abs=0.02), key
