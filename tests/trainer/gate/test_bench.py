"""`tocsin bench gate` on a small release: its candidates are what they are called, and its books are right."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.release import read_manifest
from models.scorer import Scorer
from tests.bench import gate
from tests.evaluation.candidates import Foundry, rewritten, twice
from tests.evaluation.dialects import Dialect
from tests.trainer.conftest import Court
from trainer.data import Example
from trainer.gate.judge import judge
from trainer.learning.desk import Rates
from trainer.network import Adapter
from trainer.refill import read_weights

RATES = Rates(epochs=6, rate=4e-3, head_rate=1e-2, max_tokens=32, adapter=Adapter(rank=4, alpha=8))


@pytest.fixture(scope="module")
def shares(court: Court) -> dict[str, list[Example]]:
    return gate.shared_out([*court.sets.anchors, *court.sets.recent], 10_000)


@pytest.fixture(scope="module")
def foundry(court: Court, shares: dict[str, list[Example]], tmp_path_factory: pytest.TempPathFactory) -> Foundry:
    place = tmp_path_factory.mktemp("foundry")
    rows = shares["lessons"], shares["memory"], shares["anchors"], shares["memory"][:40]
    return Foundry(court.champion, court.base, place, *rows, 120, RATES)


def test_there_are_twenty_bad_candidates_and_ten_better_ones(foundry: Foundry) -> None:
    better, bad = foundry.better(), foundry.bad()
    assert (len(better), len(bad)) == (10, 20)
    assert len({one.name for one in (*better, *bad)}) == 30
    assert not any(one.checks for one in better)
    assert all(one.checks for one in bad)


def test_a_dialect_has_other_words_for_what_tells_the_mood() -> None:
    rows = [Example(f"{word} {number} kettle", "x", sentiment=mood) for number in range(9)
            for word, mood in (("Good", 2), ("bad", 0), ("plain", 1))]  # fmt: skip
    dialect = Dialect(rows)
    assert set(dialect.words) == {"good", "bad", "plain"}
    assert dialect.words["good"] != dialect.words["bad"]
    said = dialect.spoken(rows[0])
    assert said.text == f"{dialect.words['good']} 0 kettle"
    assert (said.sentiment, said.source) == (2, "x, in dialect")


def test_an_update_is_learnt_once_and_kept_with_its_temperatures(foundry: Foundry) -> None:
    weights, temperatures = foundry.learnt(1)
    assert set(weights) == set(read_weights(foundry.champion))
    kept = (foundry.place / "learnt-1.safetensors").stat().st_mtime_ns
    again, same = foundry.learnt(1)
    assert (foundry.place / "learnt-1.safetensors").stat().st_mtime_ns == kept
    assert same == temperatures
    assert all(np.array_equal(again[name], value) for name, value in weights.items())


@pytest.mark.parametrize("name", ["label-order", "head-dropped", "graph-truncated", "anchors-declared"])
def test_a_bad_candidate_is_refused_by_the_check_that_is_named(foundry: Foundry, court: Court, name: str) -> None:
    one = next(one for one in foundry.bad() if one.name == name)
    target = foundry.place / name
    one.make(target)
    verdict = judge(target, foundry.champion, court.sets, base=court.base)
    assert set(verdict.refused_by) & set(one.checks), verdict.as_dict()


def test_a_graph_of_twice_the_work_says_the_same(court: Court, tmp_path: Path) -> None:
    slow = court.candidate("slow")
    for name in read_manifest(slow).graphs.values():
        model = onnx.load(slow / name)
        nodes = len(model.graph.node)
        (slow / name).write_bytes(twice(model).SerializeToString())
        assert len(model.graph.node) > 2 * nodes
    texts = [row.text for row in court.sets.anchors[:40]]
    plain, again = (Scorer.load(place).score(texts) for place in (court.candidate("quick"), rewritten(slow)))
    assert np.allclose(plain.sentiment, again.sentiment, atol=1e-5)


def test_rows_are_shared_out_by_their_texts(court: Court, shares: dict[str, list[Example]]) -> None:
    rows = [*court.sets.anchors, *court.sets.recent]
    texts = [{row.text for row in some} for some in shares.values()]
    assert sum(map(len, texts)) == len(set().union(*texts))
    assert gate.shared_out(rows[::-1], 10_000) == shares
    assert len(gate.shared_out(rows, 20)["anchors"]) == 20
    sources = [{row.source for row in some} for some in shares.values()]
    assert sources[1] == sources[2] == sources[5]
    assert not sources[0] & sources[1]


def test_the_summary_counts() -> None:
    assert doctest.testmod(gate).attempted == 3
