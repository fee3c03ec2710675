"""What became of every input record: one compact account per input partition.

Arrays instead of objects, so that two million records fit into a test's memory. Sums of hashes stand for the
set of observations of a record: sums do not depend on order, and a repeat or an omission changes them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

_SUM = (1 << 64) - 1


@dataclass
class Account:
    """The fate of each offset of one input partition. Counts saturate at 255."""

    scored: bytearray = field(default_factory=bytearray)
    dead: bytearray = field(default_factory=bytearray)
    value: array[int] = field(default_factory=lambda: array("Q"))
    payload: array[int] = field(default_factory=lambda: array("Q"))
    expected: array[int] = field(default_factory=lambda: array("Q"))
    observed: array[int] = field(default_factory=lambda: array("Q"))
    event_ms: array[int] = field(default_factory=lambda: array("q"))
    length: int = 0
    """Records known to be in the partition."""
    frontier: int = 0
    """Every offset below it is scored or dead-lettered."""

    def reach(self, offset: int) -> None:
        """Make room for ``offset``."""
        short = offset + 1 - len(self.scored)
        if short > 0:
            short += 1024
            self.scored.extend(bytes(short))
            self.dead.extend(bytes(short))
            for column in (self.value, self.payload, self.expected, self.observed, self.event_ms):
                column.frombytes(bytes(8 * short))

    def advance(self) -> int:
        """The smallest offset that is neither scored nor dead-lettered."""
        while self.frontier < len(self.scored) and (self.scored[self.frontier] or self.dead[self.frontier]):
            self.frontier += 1
        return self.frontier

    def expect(self, offset: int, amount: int) -> None:
        self.expected[offset] = (self.expected[offset] + amount) & _SUM

    def observe(self, offset: int, amount: int) -> None:
        self.reach(offset)
        self.observed[offset] = (self.observed[offset] + amount) & _SUM


def count_up(counts: bytearray, offset: int) -> int:
    """One more at ``offset``; returns how many there were before."""
    before = counts[offset]
    counts[offset] = min(before + 1, 255)
    return before
