"""Finding the records on which scoring raises, without giving up those that share their slab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from streams import logs

log = logs.get(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

HARMLESS = "The company reported its results for the quarter."
"""Scored before a document is blamed for an error: if this fails too, the release is to blame."""


def score_or_reject(
    items: Sequence[Item],
    score: Callable[[Sequence[Item]], Sequence[Result]],
    reject: Callable[[Item, Exception], Result],
    healthy: Callable[[], object],
    passing: tuple[type[Exception], ...] = (),
) -> list[Result]:
    """``score(items)``, or where it raises, the results of its halves; a single item is tried again, then rejected.

    Before anything is rejected, ``healthy`` has to score something harmless: what it raises is raised, since
    then the scorer is broken and not the item. Exceptions in ``passing``, and those that no item can be to
    blame for (memory, operating system), are raised as well.
    """
    if not items:
        return []
    blameless: tuple[type[Exception], ...] = (*passing, MemoryError, OSError)
    try:
        return list(score(items))
    except blameless:
        raise
    except Exception as error:
        if len(items) > 1:
            middle = len(items) // 2
            halves = (items[:middle], items[middle:])
            return [result for half in halves for result in score_or_reject(half, score, reject, healthy, passing)]
        log.warning("scoring raised on one document", error=type(error).__name__)
    healthy()
    try:
        return list(score(items))
    except blameless:
        raise
    except Exception as error:
        return [reject(items[0], error)]
