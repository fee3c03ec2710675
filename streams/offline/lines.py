"""Lines of JSONL files: tolerant, in order, in bounded memory, whatever the file holds."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from streams.errors import InputError

STANDARD = Path("-")
"""The path that stands for standard input or output."""


@dataclass(frozen=True, slots=True)
class Line:
    """Line ``number``, counted from 1, without its line end. One that is too long comes cut, one byte over."""

    number: int
    value: bytes


def read_lines(path: Path, longest: int, label: str = "reading") -> Iterator[Line]:
    """The lines of ``path`` (``-``: standard input; ``.gz``: unpacked), at most ``longest`` + 1 bytes of each.

    Shows how far it is on standard error, where that is a terminal.

    Raises:
        InputError: the file cannot be opened or read.
    """
    with ExitStack() as stack:
        try:
            raw = sys.stdin.buffer if path == STANDARD else stack.enter_context(path.open("rb"))
            file = stack.enter_context(gzip.open(raw)) if path.suffix == ".gz" else raw
            size = None if path == STANDARD else os.fstat(raw.fileno()).st_size
        except OSError as exc:
            raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
        bar = stack.enter_context(_progress_bar(label))
        task = bar.add_task("", total=size)
        done = 0
        number = 0
        while True:
            try:
                line = file.readline(longest + 2)
                rest = line
                while len(rest) == longest + 2 and not rest.endswith(b"\n"):
                    rest = file.readline(longest + 2)
                    done += len(rest)
            except (OSError, EOFError) as exc:
                raise InputError(f"{path}, line {number + 1}, cannot be read: {exc}") from exc
            if not line:
                return
            number += 1
            done += len(line)
            if number % 256 == 0:
                bar.update(task, completed=done if path == STANDARD else raw.tell())
            yield Line(number, line.rstrip(b"\r\n")[: longest + 1])


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that appears under ``path`` whole or not at all; ``-`` and devices are written as it comes.

    Raises:
        InputError: the directory cannot be written to.
    """
    if path == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    target = path.resolve()  # through a link, so that the link stays
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:80]}.", delete=False)  # noqa: SIM115
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror or exc}") from exc
    try:
        with draft:
            yield draft
            draft.flush()
            os.fsync(draft.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(draft.name).chmod(0o666 & ~mask)
        Path(draft.name).replace(target)
    except BaseException:
        Path(draft.name).unlink(missing_ok=True)
        raise


def _progress_bar(label: str) -> Progress:
    return Progress(
        TextColumn(label),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
