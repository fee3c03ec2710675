"""The memory: bounded, balanced over domains and labels, fair to old and new, and the same for the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from trainer.data import Example
from trainer.learning.replay import Memory, Remembered


def rows(domain: str, count: int, *, label: int | None = None, surprise: float = 0.0) -> list[Remembered]:
    return [
        Remembered(
            Example(f"{domain} {number}", domain, sentiment=number % 3 if label is None else label),
            {"sentiment": (0.0, 1.0, 2.0)},
            surprise,
        )
        for number in range(count)
    ]


def shares(memory: Memory) -> Counter[str]:
    return Counter(row.example.source for row in memory.rows())


def test_what_fits_is_kept_whole() -> None:
    memory = Memory(rows("films", 30), most=40)
    assert len(memory) == 30
    assert {row.example.text for row in memory.rows()} == {f"films {number}" for number in range(30)}


def test_domains_share_the_room_evenly_however_large_they_are() -> None:
    memory = Memory(most=120)
    for domain, count in (("films", 900), ("phones", 60), ("banks", 5)):
        memory.add(rows(domain, count))
    assert len(memory) == 120
    found = shares(memory)
    assert found["banks"] == 5
    assert abs(found["films"] - found["phones"]) <= 6


def test_labels_share_the_room_of_their_domain() -> None:
    memory = Memory(most=60)
    memory.add([*rows("films", 600, label=2), *rows("bad films", 10, label=0)])
    memory.add(rows("films", 15, label=0))
    held = Counter(row.example.sentiment for row in memory.rows() if row.example.source == "films")
    assert min(held.values()) >= 10


def test_half_of_a_full_stratum_is_a_fair_sample_of_all_that_came() -> None:
    kept: Counter[bool] = Counter()
    for seed in range(40):
        memory = Memory(most=40, seed=seed)
        for start in range(0, 400, 20):
            memory.add(rows(f"{seed} ", 400, label=1)[start : start + 20])
        kept.update(int(row.example.text.rsplit(" ", 1)[1]) < 200 for row in memory.rows())
    assert 0.4 < kept[True] / sum(kept.values()) < 0.6, "what came first is as likely to be there as what came last"


def test_the_other_half_are_those_that_surprised() -> None:
    dull, odd = rows("dull", 100, label=1), rows("odd", 20, label=1, surprise=5.0)
    one_domain = [Remembered(Example(r.example.text, "x", sentiment=1), r.logits, r.surprise) for r in [*dull, *odd]]
    memory = Memory(one_domain, most=30)
    assert sum(row.surprise > 0 for row in memory.rows()) >= 15


def test_the_same_rows_give_the_same_memory_in_any_order_of_days() -> None:
    def built(some: Iterable[Remembered]) -> list[Remembered]:
        return Memory(some, most=50).rows()

    every = [*rows("films", 200), *rows("banks", 200)]
    assert built(every) == built(reversed(every))
    memory = Memory(every, most=50)
    assert Memory(memory.rows(), most=50).rows() == memory.rows(), "a memory survives being written and read"


def test_a_text_that_comes_again_is_replaced_and_not_doubled() -> None:
    memory = Memory(rows("films", 3))
    memory.add([Remembered(Example("Films 1!", "films", sentiment=0), {"sentiment": (9.0, 0.0, 0.0)})])
    assert len(memory) == 3
    assert [row.logits["sentiment"][0] for row in memory.rows()].count(9.0) == 1
