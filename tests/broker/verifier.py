"""Follows an instance with kafka-python and keeps the books: did the pipeline keep its promise?

Nothing of `streams` is imported, neither for reading nor for counting.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from tests.broker.books import Books, Names, Report, Stored
from tests.broker.tail import Groups, Tail


class Verifier:
    """Reads everything from the first record on; every method may be called again and again, from any thread."""

    def __init__(self, servers: str, names: Names, observation_partitions: int) -> None:
        self.names = names
        self.books = Books(names, observation_partitions)
        self._inputs = Tail(servers, names.inputs)
        self._outputs = Tail(servers, [names.scored, names.observations, names.alerts, *names.dead_letters])
        self._groups = Groups(servers)
        self._lock = threading.Lock()

    @property
    def scored(self) -> int:
        """Records scored so far, repeats not counted."""
        return self.books.report.scored

    def close(self) -> None:
        for client in (self._inputs, self._outputs):
            client.__exit__()
        self._groups.__exit__()

    def poll(self) -> None:
        """Look once: committed offsets first, outputs after, so that a late answer can only be in our favour."""
        with self._lock:
            committed = self._groups.committed(self.names.group("score"))
            self._read(self._outputs)
            if not self._outputs.whole:
                return  # the broker went away: what was committed cannot be held against what was not read
            self.books.report.polls += 1
            for place, offset in committed.items():
                if place[0] in self.names.inputs:
                    self.books.check_commit(place, offset)

    def behind(self) -> int:
        """Read everything; how many input records are not yet processed and observed."""
        with self._lock:
            self._read(self._inputs)
            self._read(self._outputs)
            return self.books.missing()

    def committed(self) -> bool:
        """Whether the scorers have committed all input there is: what is missing then is lost."""
        with self._lock:
            self._read(self._inputs)
            committed = self._groups.committed(self.names.group("score"))
            lengths = {place: account.length for place, account in self.books.accounts.items()}
        return all(committed.get(place, 0) >= length for place, length in lengths.items())

    def watched(self) -> bool:
        """Whether the watchers have committed all observations read so far, idle ticks left aside."""
        with self._lock:
            committed = self._groups.committed(self.names.group("watch"))
            wanted = dict(self.books.observed_to)
        return all(committed.get((self.names.observations, home), 0) >= end for home, end in wanted.items())

    def judge(self, stored: Sequence[Stored] = ()) -> Report:
        """Read to the end and close the books."""
        self.behind()
        self.poll()
        with self._lock:
            return self.books.judge(stored)

    def _read(self, tail: Tail) -> None:
        for record in tail.read():
            self.books.take(record)


class Lookout(threading.Thread):
    """Polls a verifier in the background for as long as the ``with`` block lasts."""

    def __init__(self, verifier: Verifier, every_seconds: float = 0.5) -> None:
        super().__init__(daemon=True)
        self._verifier = verifier
        self._every = every_seconds
        self._over = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Lookout:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        if self._failure is not None:
            raise self._failure

    def run(self) -> None:
        try:
            while not self._over.wait(self._every):
                self._verifier.poll()
        except (msgspec.MsgspecError, KeyError, IndexError, ValueError) as exc:
            self._failure = exc
