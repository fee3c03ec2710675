"""Which release scored what, read from the scored topic, and whether the numbers are those of the stamped release.

The numbers are asked of the releases themselves, in this process; only records whose text the model reads as it
stands can be checked so, which is what the generator sends.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from models.scorer import Scorer
from tests.broker.books import Names
from tests.broker.recount import Origin, Probs
from tests.broker.tail import Tail

Place = tuple[str, int]


class Stamped(msgspec.Struct):
    """What of a scored record tells which release wrote it."""

    id: str
    origin: Origin
    text: str
    sentiment_probs: Probs
    release: str


_decode = msgspec.json.Decoder(Stamped).decode


@dataclass(frozen=True)
class Mark:
    """One scored record: where its input stood, when it was written (broker's milliseconds), by which release."""

    offset: int
    at_ms: int
    release: str


@dataclass
class Changes:
    """Follows the scored topic of an instance over the releases in ``registry``."""

    servers: str
    names: Names
    registry: Path
    marks: dict[Place, list[Mark]] = field(default_factory=lambda: defaultdict(list))
    _records: list[Stamped] = field(default_factory=list)
    _tail: Tail | None = None

    def __enter__(self) -> Changes:
        self._tail = Tail(self.servers, [self.names.scored])
        return self

    def __exit__(self, *_: object) -> None:
        assert self._tail is not None
        self._tail.__exit__()

    def read(self) -> None:
        """Take in what was written since the last call."""
        assert self._tail is not None
        for record in self._tail.read():
            stamped = _decode(record.value)
            place = (stamped.origin.topic, stamped.origin.partition)
            self.marks[place].append(Mark(stamped.origin.offset, record.timestamp, stamped.release))
            self._records.append(stamped)

    def newest(self) -> set[str]:
        """The releases that wrote the last record of each input partition."""
        return {marks[-1].release for marks in self.marks.values()}

    def swaps(self) -> list[int]:
        """How often the release changes along each input partition."""
        return [
            sum(one.release != other.release for one, other in itertools.pairwise(marks))
            for marks in self.marks.values()
        ]

    def mis_stamped(self) -> list[str]:
        """The records whose sentiment is not what the release they name says of their text."""
        wrong: list[str] = []
        for release in {record.release for record in self._records}:
            scorer = Scorer.load(self.registry / release, provider="cpu", threads=1)
            mine = [record for record in self._records if record.release == release]
            said = scorer.score([record.text for record in mine]).sentiment.astype(np.float64).round(4)
            for record, row in zip(mine, said, strict=True):
                if not np.allclose(row, msgspec.structs.astuple(record.sentiment_probs), atol=1e-3):
                    wrong.append(f"{record.id} is not what {release} says")
        return wrong
