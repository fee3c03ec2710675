"""A slab: what one fetch brought of one partition. It is the unit of work, of acknowledgement and of retry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Record(Protocol):
    """One raw record of a slab, as the client parsed it: nothing decoded, nothing copied.

    ``timestamp`` is the broker's, in milliseconds; headers are pairs of a name and bytes.
    """

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int | None: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Place(NamedTuple):
    """A partition of a topic; equal to the tuples that Faust and aiokafka use for it."""

    topic: str
    partition: int


@dataclass(eq=False)
class Slab:
    """The records of ``place`` between offsets ``start`` (included) and ``end`` (excluded), in order.

    The offsets that Kafka left out (compaction, transaction markers) belong to the slab that spans them, so
    that the slabs of a partition follow one another without a gap.
    """

    place: Place
    start: int
    end: int
    records: Sequence[Record]
    generation: int = 0
    """The consumer group's generation in which it was fetched; a slab of an older one is nobody's any more."""
    arrived: float = field(default_factory=time.monotonic)
    dropped: bool = False
    """Set when the partition moved away before anything of the slab was sent: whoever works on it may stop."""

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"<{self.place.topic}-{self.place.partition} {self.start}..{self.end - 1}>"
