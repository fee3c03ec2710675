"""The ordered ledger: which slabs of each partition were delivered, which are finished, what may be committed.

Pure. Committed is only ever the end of the longest run of finished slabs from the front, so nothing that is
unfinished is skipped after a crash, whatever order slabs finish in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from streams.delivery.slabs import Place


@dataclass
class _Page:
    """One partition: ``expected`` is where the next slab must start, ``reached`` the end of the finished run."""

    expected: int
    reached: int
    committed: int
    delivered: deque[int] = field(default_factory=deque)
    finished: set[int] = field(default_factory=set)


class Ledger:
    """Slabs are named by their end offset. A partition is on the ledger between ``begin`` and ``forget``.

    >>> ledger, news = Ledger(), Place("news", 0)
    >>> ledger.begin(news, 0)
    >>> ledger.deliver(news, 0, 10), ledger.deliver(news, 10, 20), ledger.deliver(news, 30, 40)
    (True, True, False)
    >>> ledger.finish(news, 20); ledger.committable()
    {}
    >>> ledger.finish(news, 10); ledger.committable()
    {Place(topic='news', partition=0): 20}
    """

    def __init__(self) -> None:
        self._pages: dict[Place, _Page] = {}

    def begin(self, place: Place, offset: int) -> None:
        """Reading of ``place`` (re)starts at ``offset``: after an assignment or a seek. Forgets what was before."""
        self._pages[place] = _Page(expected=offset, reached=offset, committed=offset)

    def deliver(self, place: Place, start: int, end: int) -> bool:
        """Enter a slab. False, and nothing is entered, where it does not begin where the last one ended.

        Such a slab was fetched before a seek or an assignment; working on it would skip or repeat records.
        """
        page = self._pages.get(place)
        if page is None or start != page.expected or end <= start:
            return False
        page.expected = end
        page.delivered.append(end)
        return True

    def finish(self, place: Place, end: int) -> None:
        """Say that all outputs of the slab that ends at ``end`` are acknowledged. Unknown slabs are ignored."""
        page = self._pages.get(place)
        if page is None or end <= page.reached or end > page.expected:
            return
        page.finished.add(end)
        while page.delivered and page.delivered[0] in page.finished:
            page.reached = page.delivered.popleft()
            page.finished.discard(page.reached)

    def finish_through(self, place: Place, offset: int) -> None:
        """Finish every slab that ends at or before ``offset``."""
        page = self._pages.get(place)
        for end in list(page.delivered) if page is not None else ():
            if end > offset:
                break
            self.finish(place, end)

    def committable(self) -> dict[Place, int]:
        """For each partition that moved: the offset from which a successor has to read."""
        return {place: page.reached for place, page in self._pages.items() if page.reached > page.committed}

    def committed(self, offsets: Mapping[Place, int]) -> None:
        """The broker took ``offsets``; until it says so, :meth:`committable` keeps offering them."""
        for place, offset in offsets.items():
            if place in self._pages:
                self._pages[place].committed = max(self._pages[place].committed, offset)

    def expected(self, place: Place) -> int | None:
        """Where the next slab of ``place`` must start; ``None`` for a partition that is not on the ledger."""
        page = self._pages.get(place)
        return None if page is None else page.expected

    def unfinished(self, place: Place) -> int:
        """How many slabs of ``place`` were delivered and are not behind the finished run."""
        page = self._pages.get(place)
        return 0 if page is None else len(page.delivered)

    def outstanding(self, place: Place) -> int:
        """How many offsets of ``place`` were delivered and are not behind the finished run."""
        page = self._pages.get(place)
        return 0 if page is None else page.expected - page.reached

    def places(self) -> list[Place]:
        """The partitions on the ledger."""
        return list(self._pages)

    def forget(self, places: Iterable[Place]) -> None:
        """Strike partitions: they were revoked."""
        for place in places:
            self._pages.pop(place, None)
