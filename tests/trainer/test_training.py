"""Training, from rows to a release that serves: on an encoder of 32 units, in seconds, without the public sets."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file

from models.reference import read_reference
from models.registry import Registry
from models.release import read_manifest
from models.scorer import Scorer
from models.text import open_tokenizer, write_rules
from tests.trainer.conftest import RECIPE, SOURCES
from trainer import evaluate, finetune
from trainer.batches import MISSING, collate, encode, grouped
from trainer.data import EntityLabel, Example
from trainer.errors import DataError, ExportError, ParityError
from trainer.export import check_parity, dense_network, empty
from trainer.losses import loss_of, teacher_loss, untold
from trainer.network import Adapter, Network, build, load_lora, lora_matrices
from trainer.passes import TrainingPass, dropped
from trainer.recipe import gather


def network_of(base: Path, adapter: Adapter | None = RECIPE.adapter, seed: int = 1) -> Network:
    return build(base, {"finance": 20}, adapter, seed=seed)


def batch_of(base: Path, tmp_path: Path, *examples: Example):
    write_rules(base / "tokenizer.json", tmp_path / "tokenizer.json")
    encoded = encode(examples, open_tokenizer(tmp_path / "tokenizer.json"), 32)
    return collate(encoded, range(len(encoded)), ("finance",))


def test_the_trained_release_serves_what_it_was_taught(work: Path) -> None:
    scorer = Scorer.load(Registry(work / "registry").resolve("t-1"))
    text = "Acme awful , Globex excellent"
    scores = scorer.score(["$Acme terrible quarter", "$Hooli great week", text], [[], [], [(0, 4), (13, 19)]])
    bad, good = scores.sentiment[:2]
    assert bad[0] > good[0]
    assert good[2] > bad[2]
    first, second = scores.entities[2]
    assert first[0] - first[2] > second[0] - second[2]
    assert scores.embedding.shape == (3, 32)


def test_training_leaves_a_log_and_a_card_with_figures(work: Path) -> None:
    lines = [json.loads(line) for line in (work / "checkpoint" / "log.jsonl").read_text().splitlines()]
    epochs = [line["validation"]["score"] for line in lines if "validation" in line]
    assert len(epochs) == RECIPE.epochs
    assert max(epochs) > epochs[0]
    card = (work / "parts" / "README.md").read_text()
    assert "sentfin/entities:mixed" in card
    assert "MIT" in (work / "parts" / "NOTICE").read_text()
    manifest = Registry(work / "registry").manifest("t-1")
    assert manifest.metrics["test"]["sentfin/entities"]["accuracy"] > 0.6
    assert [entry["name"] for entry in manifest.data] == list(SOURCES)


def test_the_release_remembers_documents_that_were_held_back(work: Path, data: Path) -> None:
    release = Registry(work / "registry").resolve("t-1")
    reference = read_reference(release, read_manifest(release))
    assert reference is not None
    held = gather(data, RECIPE)["validation"]
    assert len(reference) == len({row.text for row in held})
    assert sorted(reference.lengths) == sorted({row.text: len(row.text) for row in held}.values())
    assert set(reference.heads) == {"sentiment", "topic.finance"}
    wrong, bound = reference.error("topic.finance")
    known = [row for row in held if row.topics]
    assert (reference.right["topic.finance"] >= 0).sum() == len({row.text for row in known})
    assert wrong <= bound < 1


def test_the_shipped_graph_carries_no_weights(work: Path) -> None:
    graph = onnx.load_model_from_string((work / "parts" / "graph.onnx").read_bytes())
    # Positions and segments of 512 tokens are counted, not learnt: 8 kB of the graph itself.
    assert sum(len(held.raw_data) for held in graph.graph.initializer) < 10_000
    for path in work.rglob("*.onnx"):
        assert str(Path(__file__).parent.parent.parent).encode() not in path.read_bytes()


def test_eval_reads_the_release_through_the_scorer(work: Path, data: Path) -> None:
    report = evaluate.run(Registry(work / "registry").resolve("t-1"), data)
    assert report["release"] == "t-1"
    judged = report["questions"]["sentfin/entities"]
    trained = Registry(work / "registry").manifest("t-1").metrics["test"]["sentfin/entities"]
    assert judged["n"] == trained["n"]
    assert judged["accuracy"] == pytest.approx(trained["accuracy"], abs=0.005)
    assert judged["interval_95"]["accuracy"][0] <= judged["accuracy"] <= judged["interval_95"]["accuracy"][1]
    assert np.sum(judged["confusion"]) == judged["n"]


def test_parity_notices_a_head_that_was_changed(work: Path, base: Path) -> None:
    network, _, _ = dense_network(work / "checkpoint", base)
    assert check_parity(network, work / "parts", base, ["Acme fraud", "great"]) < 1e-4
    with torch.no_grad():
        network.tone.bias[0] += 0.5
    with pytest.raises(ParityError, match="sentiment differs"):
        check_parity(network, work / "parts", base, ["Acme fraud", "great"])


def test_a_weight_that_nobody_can_supply_is_an_export_error(work: Path, base: Path) -> None:
    _, tensors, _ = dense_network(work / "checkpoint", base)
    lost = {name: value for name, value in tensors.items() if "word_embeddings" not in name}
    graph = onnx.helper.make_graph([], "g", [], [], [
        onnx.numpy_helper.from_array(np.random.default_rng(0).random((70, 70), np.float32), "secret")
    ])  # fmt: skip
    with pytest.raises(ExportError, match="secret"):
        empty(onnx.helper.make_model(graph), lost)


def test_a_teacher_is_asked_what_a_finance_text_has_no_label_for(base: Path, tmp_path: Path) -> None:
    batch = batch_of(
        base, tmp_path,
        Example("$Acme to sell a unit", "topics", topics=(("finance", 3),), head="price"),
        Example("$Acme falls", "tweets", sentiment=0, head="price"),
        Example("Acme beats Globex", "headlines", head="both", mixed=True),
        Example("a fine phone", "reviews", sentiment=2),
    )  # fmt: skip
    sentiment, topic = untold(batch)
    assert sentiment.tolist() == [True, False, False, False]
    assert topic.tolist() == [False, True, True, False]


def test_a_teacher_pulls_nothing_from_who_says_the_same(base: Path, tmp_path: Path) -> None:
    batch = batch_of(base, tmp_path, Example("$Acme falls", "topics", topics=(("finance", 3),), head="price"))
    recipe = replace(RECIPE, teacher=0.5)
    mine, theirs = (
        network.eval()(batch.ids, batch.mask, batch.spans) for network in (network_of(base), network_of(base, seed=2))
    )
    assert teacher_loss(mine, mine, batch, recipe).item() == pytest.approx(0, abs=1e-6)
    assert teacher_loss(mine, theirs, batch, recipe).item() > 1e-4


def test_a_run_with_a_teacher_comes_to_other_weights_and_leaves_the_teacher_alone(
    base: Path, data: Path, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, epochs=1, patience=1)
    first = finetune.run(data, tmp_path / "first", recipe=recipe, fraction=0.3, base=base)
    held = {path.name: path.read_bytes() for path in first.glob("*.safetensors")}
    for name, weight in (("alone", 0.0), ("taught", 0.5)):
        run = replace(recipe, teacher=weight)
        finetune.run(data, tmp_path / name, recipe=run, fraction=0.3, base=base, start=first)
    assert {path.name: path.read_bytes() for path in first.glob("*.safetensors")} == held
    alone, taught = (load_file(tmp_path / name / "heads.safetensors") for name in ("alone", "taught"))
    assert any(not torch.equal(alone[name], taught[name]) for name in alone)


def test_a_teacher_needs_weights_to_begin_with(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="weights to begin with"):
        finetune.run(data, tmp_path / "run", recipe=replace(RECIPE, teacher=0.5), fraction=0.3, base=base)


def test_the_same_seed_gives_the_same_weights(base: Path, data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1)
    for name in ("one", "two"):
        finetune.run(data, tmp_path / name, recipe=recipe, fraction=0.3, base=base)
    assert_same(tmp_path / "one", tmp_path / "two")


def judged(run: Path) -> list[object]:
    return [json.loads(line).get("validation") for line in (run / "log.jsonl").read_text().splitlines()]


def assert_same(one: Path, two: Path) -> None:
    for name in ("adapter", "heads"):
        left, right = (load_file(run / f"{name}.safetensors") for run in (one, two))
        assert left.keys() == right.keys()
        assert all(torch.equal(left[key], right[key]) for key in left)


def test_a_killed_training_goes_on_to_the_weights_it_would_have_reached(base: Path, data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=3, sources={**SOURCES, "sentfin": 100, "cases_rivals": 30})
    finetune.run(data, tmp_path / "whole", recipe=recipe, fraction=0.5, base=base)
    broken = tmp_path / "broken"
    for steps in (3, 20, 7, None):  # within an epoch, over its end, and to the end
        finetune.run(data, broken, recipe=recipe, fraction=0.5, base=base, stop_after=steps)
        assert (broken / "position.safetensors").exists() == (steps is not None)
    assert_same(tmp_path / "whole", broken)
    assert judged(tmp_path / "whole") == judged(broken)


def test_a_training_killed_outright_goes_on(base: Path, data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=2, checkpoint_seconds=0.0)
    finetune.run(data, tmp_path / "whole", recipe=recipe, fraction=0.3, base=base)
    script = (
        "import sys, json\n"
        "from pathlib import Path\nfrom trainer import finetune\nfrom trainer.recipe import recipe_of\n"
        "finetune.run(Path(sys.argv[1]), Path(sys.argv[2]), recipe=recipe_of(json.loads(sys.argv[3])), fraction=0.3, "
        "base=Path(sys.argv[4]))"
    )
    command = [sys.executable, "-c", script, str(data), str(tmp_path / "killed"), json.dumps(asdict(recipe)), str(base)]
    environment = {**os.environ, "PYTHONPATH": str(Path(finetune.__file__).parent.parent)}
    run = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while not (tmp_path / "killed" / "position.safetensors").exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    finetune.run(data, tmp_path / "killed", recipe=recipe, fraction=0.3, base=base)
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_another_recipe_does_not_go_on_with_the_run(base: Path, data: Path, tmp_path: Path) -> None:
    finetune.run(data, tmp_path, recipe=RECIPE, fraction=0.3, base=base, stop_after=2)
    with pytest.raises(DataError, match="another recipe"):
        finetune.run(data, tmp_path, recipe=replace(RECIPE, rate=1e-3), fraction=0.3, base=base)


def test_the_fast_pass_says_and_learns_what_the_network_would(base: Path) -> None:
    network = network_of(base).eval()
    for name, value in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.05)
    ids = torch.randint(4, 20, (6, 16))
    mask = torch.ones_like(ids)
    mask[0, 9:] = 0
    spans = torch.tensor([[[1, 2], [3, 5]]] * 6)
    slow = network.transform(network.embed(ids), mask)
    fast = TrainingPass(network, RECIPE.adapter.scale).hidden(ids, mask, None).float()
    assert torch.nn.functional.cosine_similarity(slow[mask > 0], fast[mask > 0]).min() > 0.999
    learnt = [value for name, value in network.named_parameters() if "lora_" in name and "key" not in name]
    gradients = []
    for hidden in (slow, fast):
        said = network.read(hidden, mask, spans)
        loss = said.sentiment.square().sum() + said.entities.square().sum() + said.topics["finance"].square().sum()
        gradients.append(torch.autograd.grad(loss, learnt, retain_graph=True))
    for left, right in zip(*gradients, strict=True):
        assert torch.nn.functional.cosine_similarity(left.flatten(), right.flatten(), dim=0) > 0.98


def test_dropout_silences_a_tenth_and_keeps_the_mean() -> None:
    ones = torch.ones(400_000)
    kept = dropped(ones, torch.Generator().manual_seed(1))
    assert float((kept == 0).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert float(kept.mean()) == pytest.approx(1.0, abs=0.005)
    by_place = (kept.view(-1, 8) == 0).float().mean(0)  # eight decisions from one number: none is worse off
    assert float(by_place.min()) > 0.09
    assert dropped(ones, None) is ones


def test_the_folded_network_says_what_the_adapted_one_says(work: Path, base: Path) -> None:
    dense, _, adapter = dense_network(work / "checkpoint", base)
    adapted = network_of(base, adapter).eval()
    load_lora(adapted, {k: v.float() for k, v in load_file(work / "checkpoint" / "adapter.safetensors").items()})
    heads = {name: value.float() for name, value in load_file(work / "checkpoint" / "heads.safetensors").items()}
    adapted.load_state_dict(heads, strict=False)
    ids = torch.randint(4, 20, (3, 16))
    mask, spans = torch.ones_like(ids), torch.tensor([[[1, 2], [3, 5]]] * 3)
    with torch.inference_mode():
        one, two = dense(ids, mask, spans), adapted(ids, mask, spans)
    assert torch.allclose(one.sentiment, two.sentiment, atol=1e-4)
    assert torch.allclose(one.entities, two.entities, atol=1e-4)


def test_only_upper_layers_and_heads_learn(base: Path) -> None:
    network = network_of(base)
    learning = {name for name, value in network.named_parameters() if value.requires_grad and "encoder" in name}
    assert learning
    assert all("lora_" in name and "layer.0." not in name for name in learning)
    assert len(lora_matrices(network)) == 2 * 6 * 2


def test_unlabelled_questions_cost_nothing(base: Path, tmp_path: Path) -> None:
    network = network_of(base).eval()
    weights = {"finance": torch.ones(20)}
    batch = batch_of(base, tmp_path, Example("Acme fraud", "x", topics=(("finance", 2),)))
    outputs = network(batch.ids, batch.mask, batch.spans)
    recipe = replace(RECIPE, gate_weight=0.0, served_weight=0.0)
    loss = loss_of(outputs, batch, recipe, weights)
    silent = replace(outputs, tone=outputs.tone + 9, price=outputs.price - 9, entities=outputs.entities * 5)
    assert torch.equal(loss, loss_of(silent, batch, recipe, weights))
    assert not torch.equal(
        loss, loss_of(replace(outputs, topics={"finance": torch.zeros(1, 20)}), batch, recipe, weights)
    )


def test_a_set_without_neutral_does_not_teach_against_it(base: Path, tmp_path: Path) -> None:
    network = network_of(base).eval()
    batch = batch_of(base, tmp_path, Example("great phone", "x", sentiment=2, polar=True))
    outputs = network(batch.ids, batch.mask, batch.spans)
    louder = replace(outputs, tone=outputs.tone + torch.tensor([[0.0, 7.0, 0.0]]))
    weights = {"finance": torch.ones(20)}
    assert torch.equal(loss_of(outputs, batch, RECIPE, weights), loss_of(louder, batch, RECIPE, weights))


def test_price_and_tone_are_learnt_apart(base: Path, tmp_path: Path) -> None:
    network = network_of(base).eval()
    weights = {"finance": torch.ones(20)}
    recipe = replace(RECIPE, served_weight=0.0)
    for head, other in (("price", "tone"), ("tone", "price")):
        batch = batch_of(base, tmp_path, Example("Acme fraud", "x", sentiment=0, head=head))  # type: ignore[arg-type]
        outputs = network(batch.ids, batch.mask, batch.spans)
        loss = loss_of(outputs, batch, recipe, weights)
        moved = replace(outputs, **{other: getattr(outputs, other) + torch.tensor([[5.0, 0.0, 0.0]])})
        assert torch.equal(loss, loss_of(moved, batch, recipe, weights))


def test_padding_and_neighbours_change_nothing(base: Path, tmp_path: Path) -> None:
    network = network_of(base).eval()
    short = Example("Acme fraud", "x", entities=(EntityLabel(0, 4, 0),))
    long = Example("Globex great " * 8, "x")
    alone, beside = batch_of(base, tmp_path, short), batch_of(base, tmp_path, short, long)
    with torch.inference_mode():
        one = network(alone.ids, alone.mask, alone.spans)
        two = network(beside.ids, beside.mask, beside.spans)
    assert torch.allclose(one.sentiment[0], two.sentiment[0], atol=1e-5)
    assert torch.allclose(one.entities[0, 0], two.entities[0, 0], atol=1e-5)


def test_a_batch_marks_what_is_not_known(base: Path, tmp_path: Path) -> None:
    rows = (Example("Acme fraud", "x", sentiment=0, head="price"), Example("great", "x", topics=(("finance", 4),)))
    batch = batch_of(base, tmp_path, *rows)
    assert batch.sentiment.tolist() == [0, MISSING]
    assert batch.topics["finance"].tolist() == [MISSING, 4]
    assert batch.price.tolist() == [1.0, 0.0]
    assert (batch.entities == MISSING).all()
    assert batch.ids.shape[1] % 8 == 0


def test_batches_hold_every_row_once_and_similar_lengths() -> None:
    lengths = [random.Random(1).randrange(1, 90) for _ in range(1_000)] * 4
    batches = list(grouped(lengths, 32, random.Random(2)))
    assert sorted(row for rows in batches for row in rows) == list(range(4_000))
    spread = [max(lengths[row] for row in rows) - min(lengths[row] for row in rows) for rows in batches]
    assert sum(spread) / len(spread) < 10
    assert batches != list(grouped(lengths, 32, random.Random(3)))
