"""Which documents are chosen for a label."""

from __future__ import annotations

import doctest
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.drift import sampler
from streams.drift.sampler import RANDOM_PART, Candidate, Chosen, Sampler, drawn

WIDTH = 16


def candidates(count: int, start: int = 0, **told: object) -> list[Candidate]:
    draw = np.random.default_rng(start)
    usual = Candidate("", 0, "wire", "neutral|News", 80, True, 0.0, 1.0, False)
    return [
        usual._replace(id=f"d{at}", story=at, margin=float(draw.random()), surprise=float(draw.random()))._replace(
            **told  # type: ignore[arg-type]
        )
        for at in range(start, start + count)
    ]


def spread(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(0.0, 1.0, (count, WIDTH)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def run(one: Sampler, slabs: int = 40, size: int = 256, **told: object) -> tuple[list[Candidate], list[Chosen]]:
    seen: list[Candidate] = []
    chosen: list[Chosen] = []
    for number in range(slabs):
        some = candidates(size, number * size, **told)
        chosen += [pick._replace(at=pick.at + len(seen)) for pick in one.choose(some, spread(size, number))]
        seen += some
    return seen, chosen


def test_the_share_is_kept_and_a_fifth_of_it_is_blind() -> None:
    seen, chosen = run(Sampler(0.05))
    assert len(chosen) == pytest.approx(0.05 * len(seen), rel=0.15)
    blind = [pick for pick in chosen if pick.random]
    assert len(blind) == pytest.approx(RANDOM_PART * 0.05 * len(seen), rel=0.3)
    assert {pick.probability for pick in chosen} == {RANDOM_PART * 0.05}
    assert [pick.at for pick in blind] == [at for at, one in enumerate(seen) if drawn(one.id, 0.01)]


@pytest.mark.parametrize("reason", ["contradicted", "disputed"])
def test_the_others_are_close_calls_strange_ones_and_contradictions(reason: str) -> None:
    seen, chosen = run(Sampler(0.05))
    merit = [pick for pick in chosen if not pick.random]
    assert {reason for pick in merit for reason in pick.reasons} <= {"margin", "novelty"}
    assert np.mean([seen[pick.at].margin for pick in merit if "margin" in pick.reasons]) < 0.15
    some = [one._replace(**{reason: at == 7}, margin=0.9, surprise=0.0) for at, one in enumerate(candidates(64))]
    fresh = Sampler(0.1)
    assert (reason,) in [pick.reasons for pick in fresh.choose(some, spread(64)) if pick.at == 7]


def test_a_strange_text_that_stands_alone_is_no_novelty_but_a_crowd_of_them_is() -> None:
    for alone in (True, False):
        one = Sampler(0.1)
        one.choose([some._replace(margin=0.9) for some in candidates(256)], spread(256))
        some = [
            some._replace(margin=0.95, surprise=9.0 if at < 8 else 0.0) for at, some in enumerate(candidates(256, 256))
        ]
        rows = spread(256, 5)
        rows[:8] = np.eye(WIDTH, dtype=np.float32)[:8] if alone else rows[0] + 0.2 * spread(8, 6)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        strange = {pick.at for pick in one.choose(some, rows) if "novelty" in pick.reasons}
        assert bool(strange) != alone
        assert strange <= set(range(8))


def test_copies_oddities_and_what_cannot_be_read_are_left_out_of_merit() -> None:
    _, chosen = run(Sampler(0.05), story=1)
    assert sum(not pick.random for pick in chosen) <= 1
    for told in ({"readable": False}, {"length": 3}):
        _, chosen = run(Sampler(0.05), slabs=10, **told)
        assert all(pick.random for pick in chosen)


def test_one_source_does_not_take_it_all_unless_it_is_the_stream() -> None:
    one = Sampler(0.05)
    chosen: Counter[str] = Counter()
    for number in range(60):
        loud = [some._replace(source="loud", margin=0.0) for some in candidates(40, number * 256)]
        rest = [
            some._replace(source=f"quiet {at % 5}", margin=some.margin / 10 + 0.001)
            for at, some in enumerate(candidates(216, number * 256 + 40))
        ]
        both = loud + rest
        chosen.update(both[pick.at].source for pick in one.choose(both, spread(256, number)) if not pick.random)
    assert 0.1 < chosen["loud"] / chosen.total() < 0.35
    seen, alone = run(Sampler(0.05))  # one source
    assert len(alone) > 0.04 * len(seen)


def test_one_cluster_does_not_take_it_all() -> None:
    one, first = Sampler(0.05), spread(1)[0]
    picked = 0
    for number in range(20):
        rows = spread(256, number)
        rows[:128] = first
        some = [c._replace(margin=0.0 if at < 128 else 0.5) for at, c in enumerate(candidates(256, number * 256))]
        picked += sum(not pick.random and pick.at < 128 for pick in one.choose(some, rows))
    assert picked <= 20


@given(st.lists(st.integers(0, 200), max_size=12), st.floats(0.001, 0.5))
def test_no_more_is_chosen_than_was_asked_for_however_it_is_cut(sizes: list[int], share: float) -> None:
    one, seen, merit = Sampler(share), 0, 0
    for size in sizes:
        found = one.choose(candidates(size, seen), spread(size, seen))
        assert [pick.at for pick in found] == sorted({pick.at for pick in found})
        merit += sum(not pick.random for pick in found)
        seen += size
        assert merit <= share * seen + 1


def test_the_examples_hold() -> None:
    assert doctest.testmod(sampler).failed == 0
