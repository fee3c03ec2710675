"""The whole gate on real releases: a copy passes, and each bad candidate is refused by the check made for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.labels import FINANCE
from models.registry import Registry
from models.release import MANIFEST, Temperatures
from models.scorer import Scorer
from tests.models import altered
from tests.trainer.conftest import Court
from trainer.gate import soundness
from trainer.gate.judge import Sets, Verdict, judge, keep, mark_of
from trainer.refill import read_weights

ALL = ["integrity", "heads", "parity", "latency", "anchors", "recent", "memorised", "classes", "calibration", "flips",
       "topics", "behaviour"]  # fmt: skip


def ask(court: Court, candidate: Path, **how: Any) -> Verdict:
    return judge(candidate, court.champion, court.sets, base=court.base, **how)


@pytest.fixture(autouse=True)
def on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of a network of 32 units take microseconds, of which a processor tells little."""
    monkeypatch.setattr(soundness, "SLOWEST", float("inf"))


def test_an_equal_candidate_passes_every_check(court: Court) -> None:
    verdict = ask(court, court.candidate("equal"))
    assert verdict.passed, verdict.summary()
    assert [check.name for check in verdict.checks] == ALL
    figures = {check.name: check.figures for check in verdict.checks}
    assert figures["parity"]["largest_gap"] < 1e-4
    assert figures["anchors"]["discordance_percent"] < 2.0, "eight bits are put on a grid anew"
    assert verdict.summary() == "passed 12 checks against t-1"


def test_drift_wants_more_than_an_equal_candidate(court: Court) -> None:
    verdict = ask(court, court.candidate("equal-drifted"), drifted=True)
    assert verdict.refused_by == ["recent"]


def _destroy_a_class(weights: dict[str, Any]) -> None:
    weights["topics.finance.bias"][FINANCE.index("IPO")] -= 50.0


def _forget(weights: dict[str, Any]) -> None:
    draw = np.random.default_rng(2)
    for name, value in weights.items():
        if value.ndim == 2 and "embeddings" not in name:
            value += draw.normal(0, 2.0 * value.std(), value.shape).astype(value.dtype)


def _silence_a_head(weights: dict[str, Any]) -> None:
    weights["tone.weight"][:] = 0.0


def _divide_by_zero(weights: dict[str, Any]) -> None:
    weights["price.weight"][0, 0] = np.nan


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "class-destroyed": (_destroy_a_class, "classes"),
    "forgetful": (_forget, "anchors"),
    "silent-head": (_silence_a_head, "heads"),
    "not-a-number": (_divide_by_zero, "heads"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_candidate_with_other_weights_is_refused_by_name(court: Court, kind: str) -> None:
    change, check = CHANGES[kind]
    verdict = ask(court, court.candidate(kind, change, held=()))  # not all of them could be heard
    assert check in verdict.refused_by, verdict.as_dict()
    assert f"{check}: " in verdict.summary()


def test_a_topic_that_no_anchor_has_a_label_of_is_watched_all_the_same(court: Court) -> None:
    candidate = court.candidate("unwatched", _destroy_a_class, held=())
    anchors, recent = ([replace(row, topics=()) for row in some] for some in (court.sets.anchors, court.sets.recent))
    verdict = judge(candidate, court.champion, Sets(anchors, recent), base=court.base)
    assert verdict.refused_by == ["topics"], verdict.as_dict()


def test_eight_bits_may_fall_either_way_where_full_precision_has_not_decided() -> None:
    full = np.tile([0.49, 0.5, 0.01], (300, 1))
    figures, why = soundness.rounding(full, full[:, [1, 0, 2]])
    assert (figures["int8_agrees"], why) == (0.0, "")
    sure = np.tile([0.2, 0.7, 0.1], (300, 1))
    other = np.where(np.arange(300)[:, None] < 12, sure[:, [1, 0, 2]], sure)
    assert "96.0% of 300 texts" in soundness.rounding(sure, other)[1]


def test_temperatures_that_are_too_hot_are_refused(court: Court) -> None:
    hot = Temperatures(sentiment=3.0, entities=3.0, topics={"finance": 3.0})
    assert "calibration" in ask(court, court.candidate("hot", temperatures=hot)).refused_by
    boiling = replace_temperature(court.candidate("boiling"), 80.0)
    assert ask(court, boiling).refused_by == ["integrity"]


def replace_temperature(release: Path, value: float) -> Path:
    return altered.rewritten(release, temperatures=Temperatures(sentiment=value))


def _drop_a_head(release: Path) -> None:
    weights = read_weights(release)
    heads = {name: value for name, value in weights.items() if not name.startswith(("encoder.", "tone."))}
    from safetensors.numpy import save_file

    save_file(heads, release / "heads.safetensors")


def _exchange_labels(release: Path) -> None:
    labels = altered.read(release).labels
    finance = labels.topics["finance"]
    changed = replace_labels(labels, (finance[1], finance[0], *finance[2:]))
    altered.rewritten(release, labels=changed)


def replace_labels(labels: Any, finance: tuple[str, ...]) -> Any:
    import msgspec

    return msgspec.structs.replace(labels, topics={"finance": finance})


def _exchange_tokenizer(release: Path) -> None:
    told = json.loads((release / "tokenizer.json").read_text())
    vocabulary = told["model"]["vocab"]
    words = [word for word in vocabulary if not word.startswith("[")]
    told["model"]["vocab"] = {**vocabulary, words[0]: vocabulary[words[1]], words[1]: vocabulary[words[0]]}
    (release / "tokenizer.json").write_text(json.dumps(told))


def _keep_the_old_graph(release: Path) -> None:
    altered.replace_weights(release, graph_name(release, "tone.weight"), lambda value: 2 * value)


def graph_name(release: Path, weight: str) -> str:
    """The initialiser of a release's graph that holds one of its weights."""
    value = read_weights(release)[weight]
    for initializer in onnx.load(release / "model.onnx").graph.initializer:
        held = onnx.numpy_helper.to_array(initializer)
        if np.array_equal(held, value) or np.array_equal(held, value.T):
            return initializer.name
    raise AssertionError(f"no {weight} in the graph")


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "head-dropped": (_drop_a_head, "heads"),
    "label-order": (_exchange_labels, "integrity"),
    "tokenizer": (_exchange_tokenizer, "integrity"),
    "another-graph": (_keep_the_old_graph, "parity"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_candidate_with_other_files_is_refused_by_name(court: Court, kind: str) -> None:
    damage, check = DAMAGE[kind]
    candidate = court.candidate(kind)
    damage(candidate)
    if (candidate / MANIFEST).is_file():
        altered.rewritten(candidate)
    assert ask(court, candidate).refused_by[0] == check


def test_a_graph_cut_short_is_refused_before_anything_runs(court: Court) -> None:
    candidate = court.candidate("cut")
    graph = candidate / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    verdict = ask(court, candidate)
    assert (verdict.refused_by, len(verdict.checks)) == (["integrity"], 1)


def test_an_int8_graph_that_says_something_else_is_refused(court: Court) -> None:
    candidate = court.candidate("bad-int8")
    shutil.copyfile(candidate / "model.onnx", candidate / "model.int8.onnx")
    for head in ("tone.weight", "price.weight"):
        altered.replace_weights(candidate, graph_name(candidate, head), lambda value: -value, graph="model.int8.onnx")
    altered.rewritten(candidate, graphs={"fp32": "model.onnx", "int8": "model.int8.onnx"})
    assert "its int8 graph calls only" in ask(court, candidate).summary()


def test_anchors_that_the_manifest_tells_of_are_refused(court: Court) -> None:
    learnt = [mark_of(example.text) for example in court.sets.anchors[:5]]
    verdict = ask(court, court.candidate("cheat", training={"learnt": learnt}))
    assert verdict.refused_by == ["memorised"]
    assert "5 of the anchors" in verdict.summary()


def test_twice_the_work_is_twice_the_time(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is made of the work itself: this is the measuring, and a processor is no judge in a test."""
    monkeypatch.setattr(soundness, "SLOWEST", 1.1)
    spent = [0.0]
    scorer = Scorer.load(court.champion, threads=1)

    class Working:
        def __init__(self, cost: float) -> None:
            self.cost = cost
            self.prepare = scorer.prepare

        def infer(self, batch: Any) -> None:
            spent[0] += self.cost * batch.tokens

    monkeypatch.setattr(soundness.time, "process_time", lambda: spent[0])
    texts = [example.text for example in court.sets.anchors[:100]]
    slow, same = Working(2e-6), Working(1e-6)
    assert soundness.latency(slow, same, texts).figures["ratio"] == 2.0  # type: ignore[arg-type]
    assert not soundness.latency(slow, same, texts).held  # type: ignore[arg-type]
    assert soundness.latency(same, same, texts).held  # type: ignore[arg-type]


def test_a_busy_neighbour_does_not_make_a_candidate_slow_but_slow_it_stays(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine on which a round costs the candidate a fifth more now and then, the first seven times in a row."""
    monkeypatch.setattr(soundness, "SLOWEST", 1.1)
    spent, scorer = [0.0], Scorer.load(court.champion, threads=1)

    class Disturbed:
        def __init__(self, cost: float, disturbed: int = 0) -> None:
            self.cost, self.disturbed, self.asked = cost, disturbed, 0
            self.prepare = scorer.prepare

        def infer(self, batch: Any) -> None:
            self.asked += 1
            spent[0] += self.cost * batch.tokens * (1.2 if self.asked <= self.disturbed else 1.0)

    monkeypatch.setattr(soundness.time, "process_time", lambda: spent[0])
    texts = [example.text for example in court.sets.anchors[:100]]
    batches = len(scorer.prepare(texts, [()] * len(texts)))
    found = soundness.latency(Disturbed(1e-6, 7 * batches), Disturbed(1e-6), texts)  # type: ignore[arg-type]
    assert (found.held, found.figures["rounds"]) == (True, 20)
    slower = soundness.latency(Disturbed(1.15e-6, 7 * batches), Disturbed(1e-6), texts)  # type: ignore[arg-type]
    assert (slower.held, slower.figures["ratio"]) == (False, 1.15)
    assert soundness.latency(Disturbed(1e-6), Disturbed(1e-6), texts).figures["rounds"] == 5  # type: ignore[arg-type]


def test_verdicts_are_kept_and_counted_by_their_anchors(court: Court, tmp_path: Path) -> None:
    verdict = ask(court, court.candidate("kept"))
    first, second = keep(verdict, tmp_path), keep(replace(verdict, candidate="kept-2"), tmp_path)
    other = keep(replace(verdict, candidate="kept-3", anchors_sha256="0" * 64), tmp_path)
    assert (first.consulted, second.consulted, other.consulted) == (1, 2, 1)
    told = [json.loads(path.read_bytes()) for path in sorted((tmp_path / ".verdicts").glob("*.json"))]
    assert {one["candidate"] for one in told} == {"kept", "kept-2", "kept-3"}
    assert [row["check"] for row in told[0]["checks"]] == ALL
    assert Registry(tmp_path).versions() == [], "a verdict is no release"
