from __future__ import annotations

import platform
import subprocess
import sys
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heaps are glibc's")

BEGIN = """
import ctypes, sys, threading
from streams.heap import keep_flat
if sys.argv[1] == "flat":
    assert keep_flat()
"""
THREADS_THAT_ALLOCATE = """
together = threading.Barrier(8)
def allocate():
    together.wait()
    kept = [bytes(5_000) for _ in range(200)]
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
LARGE_PIECES_AFTER_A_LARGER_ONE = """
largest = bytearray(16_000_000)
del largest
kept = [bytearray(4_000_000) for _ in range(20)]
"""
END = """
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def heaps_after(story: str, how: str) -> ElementTree.Element:
    """What glibc tells of its heaps after ``story``, in a process of its own."""
    command = [sys.executable, "-c", BEGIN + story + END, how]
    return ElementTree.fromstring(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_threads_share_their_heaps() -> None:
    assert len(heaps_after(THREADS_THAT_ALLOCATE, "plain").findall("heap")) > 2
    assert len(heaps_after(THREADS_THAT_ALLOCATE, "flat").findall("heap")) <= 2


def test_large_pieces_stay_out_of_the_heaps() -> None:
    def outside(how: str) -> int:
        total = heaps_after(LARGE_PIECES_AFTER_A_LARGER_ONE, how).find("total[@type='mmap']")
        assert total is not None
        return int(total.attrib["size"])

    assert outside("plain") < 40_000_000
    assert outside("flat") >= 80_000_000
