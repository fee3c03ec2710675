"""Whether this machine's processor multiplies bytes well: what ``precision = "auto"`` goes by.

Without instructions for products of bytes ONNX Runtime adds pairs of products in 16 bits, which is slower, and
on x86 may saturate, so that the int8 graph says something else than it was proven to. The answer is a fact of
the machine and not a stopwatch's: on one machine live and backtest choose the same graph.
"""

from __future__ import annotations

import platform
import re
import sys
from functools import cache
from pathlib import Path

DOT_PRODUCTS = {
    "avx512_vnni",  # x86: Cascade Lake, Ice Lake, Zen 4 and later
    "avx_vnni",  # x86 without AVX-512: Alder Lake, Zen 5 and later
    "amx_int8",  # x86: Sapphire Rapids and later
    "asimddp",  # ARM: products of bytes, from version 8.2 on
    "i8mm",  # ARM: matrix products of bytes
}
"""Names in ``/proc/cpuinfo`` of instructions that add up products of bytes in 32 bits."""

_FEATURES = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)


@cache
def multiplies_bytes() -> bool:
    """True where the processor is known to have such instructions; where nothing is known, False."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"  # every processor of Apple's own has them
    try:
        return has_dot_products(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False


def has_dot_products(cpuinfo: str) -> bool:
    """Whether every processor of a ``/proc/cpuinfo`` has an instruction of :data:`DOT_PRODUCTS`.

    >>> has_dot_products("flags : fpu avx2 avx512_vnni\\nflags : fpu avx2 avx512_vnni\\n")
    True
    >>> has_dot_products("flags : fpu avx2\\n")
    False
    """
    each = _FEATURES.findall(cpuinfo)
    return bool(each) and all(DOT_PRODUCTS & set(features.split()) for features in each)
