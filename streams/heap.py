"""Memory that stays flat: what is freed goes back to the system, not into reserves of the C library.

glibc gives each thread a heap of its own, and once a large piece was freed it takes the next ones from those heaps
too. A worker's slabs and snapshots, megabytes each, wander through a dozen threads: every heap grows to the largest
coincidence it has seen. Two heaps are enough for threads that mostly wait for the model, and large pieces stay out.
"""

from __future__ import annotations

import ctypes

HEAPS = 2
LARGE_BYTES = 512 * 1024
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h


def keep_flat() -> bool:
    """Let threads that begin from now on share :data:`HEAPS` heaps, and take :data:`LARGE_BYTES` and more from none.

    ``False`` where the C library knows no such thing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, HEAPS)) and bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
