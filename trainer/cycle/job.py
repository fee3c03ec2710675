"""A cycle's directory, and the process that works in it.

::

    <state>/<prefix>-cycles/<number>/
        job.json        what is to be done: releases, settings of the update
        material.json   rows to learn, to judge by, to read; the memory
        learnt.json     what the update came to and remembers; written once the candidate is whole
        verdict.json    what the gate said

Each file is written in one step. Whatever is there need not be done again: a cycle that is killed goes on with the
first that is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from models.release import write_durably
from trainer.cycle.choosing import Given
from trainer.data import Example
from trainer.learning.replay import Remembered

JOB, MATERIAL, LEARNT, VERDICT = "job.json", "material.json", "learnt.json", "verdict.json"


class Job(Struct, frozen=True):
    """What is to be done. ``champion``, ``teacher`` and ``target`` are directories of releases, ``teacher`` of another
    one that gives its opinion, if there is any; ``target`` becomes the candidate."""

    cycle: int
    version: str
    champion: str
    teacher: str
    target: str
    registry: str
    base: str
    begun_ms: int
    drifted: bool
    told: str
    rate: float
    epochs: int | None
    seconds: float
    pseudo: bool


class Material(Struct, frozen=True):
    """The rows of a cycle; ``own`` are the user's anchors."""

    learn: list[Given]
    anchors: list[Given]
    recent: list[Given]
    own: list[Example]
    unlabelled: list[Example]
    memory: list[Remembered]


class Learnt(Struct, frozen=True):
    """What an update came to. ``alpha`` 0: nothing that helped, and there is no candidate. ``ids`` are the documents it
    learnt, ``labels`` and ``set_aside`` count labels by where they came from, and by why they were not used."""

    alpha: float
    figures: dict[str, Any]
    ids: list[str]
    labels: dict[str, int]
    set_aside: dict[str, int]
    distrusted: list[str]
    remember: list[Remembered]


def lay_out(folder: Path, job: Job, material: Material) -> None:
    """Write a cycle's directory anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_durably(folder / MATERIAL, msgspec.json.encode(material))
    write_durably(folder / JOB, msgspec.json.encode(job))


def read_learnt(folder: Path) -> Learnt | None:
    """What the update came to; ``None`` while it has come to nothing yet."""
    path = folder / LEARNT
    return msgspec.json.decode(path.read_bytes(), type=Learnt) if path.is_file() else None


def read_verdict(folder: Path) -> dict[str, Any] | None:
    """The verdict, as the registry keeps it; ``None`` while there is none."""
    path = folder / VERDICT
    return dict(json.loads(path.read_bytes())) if path.is_file() else None


class Working:
    """A process that works in ``folder``; ``told`` hears of each stage it comes to, on a thread of its own.

    It ends by itself when the process that started it is gone.
    """

    def __init__(self, folder: Path, told: Callable[[str], None]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "trainer.cycle.workshop", str(folder.resolve()), str(os.getpid())],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[2],
        )
        self._told = told
        self._listener = threading.Thread(target=self._listen, name="stages", daemon=True)
        self._listener.start()

    @property
    def status(self) -> int | None:
        """The exit status, ``None`` while it works."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """The exit status, once it has ended; ``None`` where it works longer than that."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Kill it; what it has written stays."""
        self._process.kill()
        self._process.wait()
        self._listener.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told(line.decode("utf-8", "replace").strip())
        self._process.stdout.close()
