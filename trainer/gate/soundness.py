"""The candidate by itself: its files, labels, weights, graphs and speed.

Every check returns and none raises: what cannot even be read has failed.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.release import read_manifest, verify
from models.scorer import Scorer
from trainer.errors import TrainerError
from trainer.gate.checks import Check
from trainer.gate.statistics import changed_where_sure, more_than
from trainer.parity import say, serve, serve_apart
from trainer.refill import read_weights

PARITY = 1e-4
"""Largest difference of a probability between the dense weights and the fp32 graph."""
INT8_AGREES = 0.99
UNDECIDED = 0.05
"""Where the two likeliest sentiments of the fp32 graph lie closer than this, rounding may fall either way."""
SLOWEST = 1.10
ROUNDS, MORE_ROUNDS = 5, 15
TIMED_TEXTS = 256
COLDEST, HOTTEST = 0.2, 5.0
"""Temperatures that a fit can come to; others were written by hand, or by mistake."""


def integrity(candidate: Path, champion: Path) -> Check:
    """Every byte is what the manifest says; labels, tokenizer and languages are those of the champion."""
    try:
        manifest, before = verify(candidate), read_manifest(champion)
    except ModelError as exc:
        return Check("integrity", str(exc))
    figures = {"files": len(manifest.files), "bytes": sum(entry.bytes for entry in manifest.files.values())}
    why = ""
    if manifest.labels.sentiment != before.labels.sentiment:
        why = "its sentiments stand in another order than the champion's"
    for taxonomy, labels in before.labels.topics.items():
        if manifest.labels.topics.get(taxonomy) != labels:
            why = f"its labels of taxonomy {taxonomy} are not the champion's, in the champion's order"
    if manifest.files.get("tokenizer.json") != before.files.get("tokenizer.json"):
        why = "its tokenizer is not the champion's"
    if manifest.languages != before.languages:
        why = "it claims other languages than the champion"
    scales = [manifest.temperatures.sentiment, manifest.temperatures.entities, *manifest.temperatures.topics.values()]
    if not all(COLDEST <= scale <= HOTTEST for scale in scales):
        why = f"a temperature of {scales} is none that a fit comes to"
    return Check("integrity", why, figures)


def heads(candidate: Path, champion: Path) -> Check:
    """Every tensor that the champion has is there, of its shape and finite, and something has changed at all."""
    try:
        now, before = read_weights(candidate), read_weights(champion)
    except (ModelError, TrainerError) as exc:
        return Check("heads", f"its weights cannot be read: {exc}")
    missing = sorted(set(before) - set(now))
    reshaped = [name for name in before if name in now and now[name].shape != before[name].shape]
    infinite = [name for name, value in now.items() if not np.isfinite(value).all()]
    dead = [name for name, value in now.items() if _is_head_matrix(name, value) and not value.any()]
    changed = [name for name in before if name in now and name not in reshaped and (now[name] != before[name]).any()]
    figures = {"tensors": len(now), "changed": len(changed), "heads_changed": sum(map(_is_head, changed))}
    why = ""
    if missing:
        why = f"it lacks {missing[0]}" + (f" and {len(missing) - 1} more tensors" if len(missing) > 1 else "")
    elif reshaped:
        why = f"{reshaped[0]} has another shape than the champion's"
    elif infinite:
        why = f"{infinite[0]} is not finite"
    elif dead:
        why = f"{dead[0]} is nothing but zeros"
    return Check("heads", why, figures)


def _is_head(name: str) -> bool:
    return not name.startswith("encoder.")


def _is_head_matrix(name: str, value: NDArray[Any]) -> bool:
    return _is_head(name) and value.ndim == 2


def parity(candidate: Path, base: Path, texts: Sequence[str]) -> Check:
    """The fp32 graph, run in a fresh process, says what the dense weights say in torch; int8 calls the same winners."""
    try:
        served = serve_apart(candidate, texts)
    except subprocess.CalledProcessError as exc:
        last = (exc.stderr.strip().splitlines() or ["without a word"])[-1]
        return Check("parity", f"it cannot be scored in a fresh process: {last[:300]}")
    try:
        network = _network(candidate, base)
        expected = say(network, candidate, list(texts))
    except (ModelError, TrainerError, KeyError, RuntimeError) as exc:
        return Check("parity", f"its dense weights make no network: {str(exc)[:300]}")
    gaps = {name: float(np.abs(served[name] - value).max()) for name, value in expected.items() if name in served}
    head = max(gaps, key=lambda name: gaps[name])
    figures: dict[str, Any] = {"texts": len(texts), "largest_gap": float(f"{gaps[head]:.3g}"), "limit": PARITY}
    why = ""
    if set(expected) - set(served):
        why = f"the graph says nothing of {sorted(set(expected) - set(served))[0]}"
    elif not gaps[head] <= PARITY:
        why = f"the graph and the weights differ by {gaps[head]:.2g} in {head}"
    if "int8" in read_manifest(candidate).graphs:
        rounded = serve(candidate, list(texts), precision="int8")
        agreement, apart = rounding(served["sentiment"], rounded["sentiment"])
        figures |= agreement
        why = why or apart
    return Check("parity", why, figures)


def rounding(full: NDArray[Any], rounded: NDArray[Any]) -> tuple[dict[str, Any], str]:
    """How far the int8 graph's sentiments [n, 3] call what those of the fp32 graph call, and what is wrong with that.

    A candidate that was taught something new is undecided about more texts than its champion, and eight bits are no
    worse for it: so they have to agree where full precision has decided. What is served is judged by other checks.
    """
    failed, asked = changed_where_sure(full, rounded, UNDECIDED)
    share = 1.0 - failed / max(1, asked)
    agree = float((full.argmax(1) == rounded.argmax(1)).mean())
    figures = {"int8_agrees": round(agree, 4), "int8_agrees_where_decided": round(share, 4)}
    # A graph that agrees on 99.2 % falls below 99 % on one sample of 519 in four: it has to be more than chance.
    if more_than(1.0 - INT8_AGREES, failed, asked):
        return figures, f"its int8 graph calls only {share:.1%} of {asked} texts as the fp32 graph does"
    return figures, ""


def _network(release: Path, base: Path) -> Any:
    """The network of a release's dense weights, in torch."""
    import torch

    from trainer.network import build

    held = read_weights(release)
    taxonomies = {name: len(labels) for name, labels in read_manifest(release).labels.topics.items()}
    network = build(base, {name: n for name, n in taxonomies.items() if f"topics.{name}.weight" in held}, None, seed=0)
    state = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in held.items()}
    missing, _ = network.load_state_dict(state, strict=False)
    lost = [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))]
    if lost:
        raise KeyError(f"no {lost[0]}")
    return network.eval()


def latency(candidate: Scorer, champion: Scorer, texts: Sequence[str]) -> Check:
    """Processor time of the slowest batches, both releases in turn over the same texts.

    Processor time, not a wall clock: what else runs on the machine is not the candidate's fault. It still makes caches
    and memory slower while it lasts, so the two take each batch one right after the other. Of each batch the
    best of :data:`ROUNDS` counts, of the batches the 95th percentile; what seems slower after that is decided by
    :data:`MORE_ROUNDS` on top, for the best of many comes near what a batch costs on a machine of its own, of both.
    Both scorers must run on one thread.
    """
    chosen = list(texts[:TIMED_TEXTS])
    spans: list[tuple[()]] = [()] * len(chosen)
    sides = [(scorer, scorer.prepare(chosen, spans)) for scorer in (champion, candidate)]
    best = [np.full(len(batches), np.inf) for _, batches in sides]
    rounds, ratio, before, after = 0, float("inf"), 0.0, 0.0
    for most in (ROUNDS, ROUNDS + MORE_ROUNDS):
        while rounds < most:
            _time(sides, best, rounds)
            rounds += 1
        before, after = (float(np.quantile(times, 0.95)) for times in best)
        ratio = after / max(before, 1e-9)
        if ratio <= SLOWEST:
            break
    figures = {
        "champion_ms": round(1000 * before, 2), "candidate_ms": round(1000 * after, 2),
        "ratio": round(ratio, 3), "limit": SLOWEST, "batches": len(best[0]),
        "rounds": rounds,
    }  # fmt: skip
    return Check("latency", f"it takes {ratio:.2f} times the champion's time" if ratio > SLOWEST else "", figures)


def _time(sides: Sequence[tuple[Scorer, Sequence[Any]]], best: Sequence[NDArray[np.float64]], number: int) -> None:
    """One round: every batch by both sides, who begins in turn; ``best`` [batches] of each side is kept up to date."""
    for at in range(len(best[0])):
        for side in (0, 1) if (number + at) % 2 == 0 else (1, 0):
            scorer, batches = sides[side]
            begun = time.process_time()
            scorer.infer(batches[at])
            best[side][at] = min(best[side][at], time.process_time() - begun)
