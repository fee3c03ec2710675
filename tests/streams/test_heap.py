from __future__ import annotations

import platform
import subprocess
import sys

import pytest

THREADS_THAT_ALLOCATE = """
import ctypes, sys, threading
from streams.heap import share_heaps
if sys.argv[1] == "shared":
    assert share_heaps()
together = threading.Barrier(8)
def allocate():
    together.wait()
    kept = [bytes(5_000) for _ in range(200)]
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heaps of threads are glibc's")
def test_threads_share_their_heaps() -> None:
    def heaps(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", THREADS_THAT_ALLOCATE, how], capture_output=True, text=True, check=True
        )
        return done.stdout.count("<heap ")

    assert heaps("alone") > 2
    assert heaps("shared") <= 2
