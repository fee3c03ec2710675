"""The processes that read feeds: a few, each with one answer in hand, replaced when one dies of what it was given."""

from __future__ import annotations

import asyncio
import os
import sys

from msgspec import msgpack

from streams.feeds.reading import CPU_SECONDS, Reading, Request

WAIT_SECONDS = 6 * CPU_SECONDS
"""For an answer; processor time is limited by the reader itself, so this only ends one that waits for something."""
KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT")
LARGEST_ANSWER = 256 * 1024 * 1024


class Readers:
    """Up to ``count`` reading processes, started when first needed."""

    def __init__(self, count: int) -> None:
        self._idle: asyncio.Queue[asyncio.subprocess.Process | None] = asyncio.Queue()
        for _ in range(count):
            self._idle.put_nowait(None)

    async def read(self, request: Request) -> Reading:
        """What ``request`` holds; never raises on it. A reader that it killed is replaced for the next one."""
        process = await self._idle.get()
        keep: asyncio.subprocess.Process | None = None
        try:
            if process is None or process.returncode is not None:
                process = await _start()
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    reading = await _ask(process, request)
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                return Reading(refusal="it takes too much time or memory to read")
            keep = process
            return reading
        finally:
            if keep is None and process is not None:
                await _end(process)
            self._idle.put_nowait(keep)

    async def close(self) -> None:
        """End all that are idle."""
        while not self._idle.empty():
            process = self._idle.get_nowait()
            if process is not None:
                await _end(process)


async def _start() -> asyncio.subprocess.Process:
    """A reader without our environment: it needs neither passwords nor tokens."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.feeds.reading"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
    )


async def _ask(process: asyncio.subprocess.Process, request: Request) -> Reading:
    assert process.stdin is not None
    assert process.stdout is not None
    question = msgpack.encode(request)
    process.stdin.write(len(question).to_bytes(4, "big") + question)
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(4), "big")
    if length > LARGEST_ANSWER:
        raise OSError("an answer that no reader gives")
    return msgpack.decode(await process.stdout.readexactly(length), type=Reading)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
