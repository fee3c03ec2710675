"""Which array slot a series has: names, reuse of freed slots, and the bound on their number."""

from __future__ import annotations

import heapq
from collections.abc import Iterable


class Slots:
    """Names to slots. Freed slots are used again, lowest first, so equal histories give equal slots."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.names: list[str | None] = []
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._bind()

    def _bind(self) -> None:
        self.find = self._slots.get
        """The slot of a name, or ``None``."""

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def top(self) -> int:
        """One more than the highest slot ever used: how far the arrays must be swept."""
        return len(self.names)

    def take(self, name: str) -> int | None:
        """A slot for ``name``, which has none; ``None`` where the bound is reached."""
        if len(self._slots) >= self.most:
            return None
        if self._free:
            slot = heapq.heappop(self._free)
            self.names[slot] = name
        else:
            slot = len(self.names)
            self.names.append(name)
        self._slots[name] = slot
        return slot

    def name(self, slot: int) -> str:
        """The series in ``slot``, which is in use."""
        name = self.names[slot]
        assert name is not None
        return name

    def free(self, slots: Iterable[int]) -> None:
        """Give ``slots`` back."""
        for slot in slots:
            name = self.names[slot]
            if name is not None:
                del self._slots[name]
                self.names[slot] = None
                heapq.heappush(self._free, slot)

    @classmethod
    def restored(cls, most: int, names: list[str | None]) -> Slots:
        """The slots as :attr:`names` had them."""
        slots = cls(most)
        slots.names = list(names)
        slots._slots = {name: slot for slot, name in enumerate(names) if name is not None}
        slots._bind()
        slots._free = [slot for slot, name in enumerate(names) if name is None]
        return slots
