"""Looking back from the page: the archive asked in a thread, with the releases that this worker has loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, get_args

import msgspec

from models.errors import ModelError
from models.scorer import Scorer
from streams.archive.entries import Floats
from streams.archive.questions import Wanted, embedded, filters_of, told
from streams.archive.search import How, search
from streams.archive.shelves import SqliteShelves
from streams.errors import InputError
from streams.settings import Settings

MOST_AT_ONCE = 2
SHOWN = 40
SECONDS = 5.0
LONGEST_VALUE = 500


class Busy(Exception):
    """Others are looking; there is no room for one more."""


class LookingBack:
    """Answers questions to the archive of this instance; ``names`` are the ids of companies by their name.

    ``scorers`` are the releases that may embed a question; none where this process does not score.
    """

    def __init__(self, settings: Settings, names: Mapping[str, str]) -> None:
        self.scorers: Callable[[], Sequence[Scorer]] = lambda: ()
        self._path = settings.archive_path
        self._names = dict(names)
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    @property
    def there(self) -> bool:
        """Whether there is an archive that this process can see."""
        return self._path.is_file()

    async def ask(self, given: Mapping[str, str]) -> dict[str, Any]:
        """What is found for ``given``: the fields of :class:`Wanted`, and ``how``.

        Raises:
            InputError, SettingsError: there is no archive, or it cannot be asked that.
            Busy: others are looking.
        """
        fields = {name: given[name][:LONGEST_VALUE] for name in Wanted.__struct_fields__ if name in given}
        how = given.get("how", "both")
        if how not in get_args(How):
            raise InputError(f"how is one of {', '.join(get_args(How))}")
        if self._room.locked():
            raise Busy
        async with self._room:
            return await asyncio.to_thread(self._ask, msgspec.convert(fields, Wanted), cast(How, how))

    def _ask(self, wanted: Wanted, how: How) -> dict[str, Any]:
        begun = time.monotonic()
        scorers = {scorer.release: scorer for scorer in self.scorers()}

        def embed(release: str, text: str) -> Floats | None:
            scorer = scorers.get(release)
            try:
                return None if scorer is None else embedded(scorer, text)
            except ModelError:
                return None

        with SqliteShelves(self._path, SECONDS) as shelves:
            filters = filters_of(shelves, wanted, self._names, time.time_ns() // 1_000_000)
            answer = search(shelves, wanted.question, filters, embed, how=how, most=SHOWN)
        return {
            "documents": [told(found) for found in answer.found],
            "notes": answer.notes,
            "most": SHOWN,
            "seconds": round(time.monotonic() - begun, 3),
        }
