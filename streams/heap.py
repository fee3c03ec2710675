"""Memory that stays flat: glibc gives each thread a heap of its own, and what threads free there stays resident.

A worker's slabs wander through a dozen threads (fetching, scoring, sending), so their heaps grow for as long as
luck finds larger pieces. Two heaps are enough for threads that mostly wait for the model.
"""

from __future__ import annotations

import ctypes

HEAPS = 2
_M_ARENA_MAX = -8  # malloc.h


def share_heaps() -> bool:
    """Let all threads that begin from now on share :data:`HEAPS` heaps; ``False`` where the C library knows no such
    thing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, HEAPS))
