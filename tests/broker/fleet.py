"""Worker processes under a supervisor: started as an operator would, killed, looked after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

ROOT = Path(__file__).parents[2]
PLAIN = ("-m", "tocsin", "worker")
FAULTY = ("-m", "tests.broker.faulty_worker")
"""The same command behind a launcher that plants what ``TOCSIN_TEST_FAULTS`` names."""
KILLED = -signal.SIGKILL
RESTART = 70


class Verb:
    """A process of ours as an operator starts it, and again after it has ended. What it says goes to ``log``."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self.log = log
        self._command = [sys.executable, *arguments]
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def pid(self) -> int:
        return self._started.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def status(self) -> int | None:
        """The exit status, or ``None`` while it runs."""
        return self._started.poll()

    def end(self, number: int = signal.SIGTERM, timeout: float = 40.0) -> int:
        """Send a signal; the exit status that it leads to.

        Raises:
            subprocess.TimeoutExpired: it has not ended in time.
        """
        self._started.send_signal(number)
        return self._started.wait(timeout)

    def wait(self, timeout: float = 60.0) -> int:
        """The exit status of a process that is expected to end by itself."""
        return self._started.wait(timeout)

    def kill(self) -> None:
        """-9, if it runs."""
        if self.running:
            self.end(signal.SIGKILL)

    def said(self, lines: int = 40) -> str:
        """The end of its log, for an assertion's message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was never started"
        return self._process


class Worker(Verb):
    """One worker process, started."""

    def __init__(self, config: Path, log: Path, *, faults: str = "", options: tuple[str, ...] = ()) -> None:
        command = FAULTY if faults else PLAIN
        super().__init__(
            log, *command, "--config", str(config), *options, OMP_NUM_THREADS="1", TOCSIN_TEST_FAULTS=faults
        )
        self.start()

    def metrics(self) -> Iterator[Sample]:
        """What its ``/metrics`` tells, once it has started.

        Raises:
            OSError: it does not answer.
        """
        started = next(line for line in self.log.read_text().splitlines() if '"web_port"' in line)
        with urlopen(f"http://127.0.0.1:{json.loads(started)['web_port']}/metrics", timeout=5) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                yield from family.samples


class Fleet:
    """Some workers that are started again whenever they have ended, as a supervisor does."""

    def __init__(self, config: Path, logs: Path, *, options: tuple[str, ...] = ()) -> None:
        self._config = config
        self._logs = logs
        self._options = options
        self._started = 0
        self.workers: list[Worker] = []
        self.exits: list[int] = []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()

    def start(self, count: int = 1, faults: str = "") -> Fleet:
        """Start ``count`` more workers."""
        for _ in range(count):
            self.workers.append(self._new(faults))
        return self

    def _new(self, faults: str = "") -> Worker:
        self._started += 1
        log = self._logs / f"worker-{self._started}.log"
        return Worker(self._config, log, faults=faults, options=self._options)

    def mend(self, faults: str = "", also: tuple[int, ...] = ()) -> int:
        """Start again every worker that has ended; returns how many had. ``also`` are further statuses to bear.

        Raises:
            AssertionError: one ended otherwise than killed or asking for a restart.
        """
        ended = 0
        for place, worker in enumerate(self.workers):
            status = worker.status()
            if status is not None:
                assert status in (KILLED, RESTART, *also), f"a worker ended with {status}:\n{worker.said()}"
                self.exits.append(status)
                self.workers[place] = self._new(faults)
                ended += 1
        return ended

    def kill(self, place: int) -> None:
        """-9 for one worker; :meth:`mend` starts another."""
        self.workers[place].kill()

    def said(self) -> str:
        """The ends of the running workers' logs, for an assertion's message."""
        return "\n".join(worker.said(15) for worker in self.workers)

    def stop(self) -> list[int]:
        """SIGTERM for all, and their exit statuses."""
        running = [worker for worker in self.workers if worker.status() is None]
        for worker in running:
            os.kill(worker.pid, signal.SIGTERM)
        statuses = [worker.wait(40.0) for worker in running]
        self.workers.clear()
        return statuses


def eventually(
    holds: Callable[[], object], what: str, *, seconds: float, every: float = 0.2,
    meanwhile: Callable[[], object] | None = None, told: Callable[[], str] = str,
) -> None:  # fmt: skip
    """Return once ``holds()`` is true.

    Raises:
        AssertionError: it has not become true within ``seconds``; the text carries ``told()``.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\n{told()}"
        if meanwhile is not None:
            meanwhile()
        time.sleep(every)


def toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """A settings file from its tables; the table named "" stands on top."""
    lines: list[str] = []
    for table, values in tables.items():
        lines += [f"[{table}]"] if table else []
        lines += [f"{name} = {_literal(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
