"""The worker, the notifier and the archive of the demo: real processes of the command line, started as a user would.

Each gets every setting through the environment, so that neither a ``tocsin.toml`` that lies about nor a
variable that names a real cluster can reach the demo.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from streams.errors import BrokerError
from streams.settings import ArchiveSettings, NotifySettings, Settings, WebSettings

STOP_SECONDS = 35.0
"""A process has 30 s to end cleanly; then it is killed."""
LOOK_SECONDS = 0.2


def arrange(settings: Settings, folder: Path, watchlist: Path) -> Settings:
    """``settings`` for a demo in ``folder``: its own state, outbox and watch-list, no sinks but the console.

    Scoring, rules and windows stay as they are: the shipped defaults, unless a settings file says otherwise; only that
    records carry their embeddings, so that the archive finds them by meaning. The input topics are the default ones,
    for those are what the sample has.
    """
    registry = settings.scoring.registry
    if "://" not in registry:
        registry = str(Path(registry).resolve())
    return settings.model_copy(
        update={
            "state_dir": folder / "state",
            "streams": Settings.model_fields["streams"].get_default(call_default_factory=True),
            "intake": settings.intake.model_copy(update={"watchlist": watchlist}),
            "scoring": settings.scoring.model_copy(update={"registry": registry, "embeddings": True}),
            "notify": NotifySettings(outbox=folder / "outbox.sqlite", port=free_port()),
            "archive": ArchiveSettings(path=folder / "archive.sqlite", port=free_port()),
            "web": WebSettings(host="127.0.0.1", port=free_port()),
        }
    )


def environment(settings: Settings, inherited: Mapping[str, str]) -> dict[str, str]:
    """``inherited`` without tocsin's variables, and with one for each part of ``settings``."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("TOCSIN_") or name == "TOCSIN_BASE"}
    values: dict[str, Any] = settings.model_dump(mode="json")
    kafka = settings.kafka.model_dump(mode="json")
    kafka["sasl_password"] = settings.kafka.password()
    brokers = ",".join(values.pop("brokers"))
    values["kafka"] = {name: value for name, value in kafka.items() if value is not None}
    given = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in values.items()
    }
    return kept | {f"TOCSIN_{name.upper()}": value for name, value in given.items()} | {"TOCSIN_BROKERS": brokers}


class Process:
    """One process of the demo; its log goes to ``folder/<name>.log``."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        """Run ``tocsin ARGUMENTS``. A session of its own: Ctrl-C is ours to pass on."""
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tocsin", *arguments,
                env=environment, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def ended(self) -> int | None:
        """The exit status, ``None`` while it runs."""
        return self._process.returncode if self._process is not None else None

    async def lines(self) -> AsyncIterator[str]:
        """What it writes to standard output, as it comes."""
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            yield line.decode("utf-8", "replace").rstrip("\n")

    async def over(self) -> int:
        """The exit status, once it has ended by itself."""
        assert self._process is not None
        return await self._process.wait()

    async def ready(self, port: int, within_seconds: float) -> None:
        """Wait until ``/readyz`` on loopback says so.

        Raises:
            BrokerError: it is not ready in time, or has ended.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        missing = "it does not answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
            while loop.time() < deadline:
                self.check()
                try:
                    async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        if answer.status == 200:
                            return
                        conditions = (await answer.json()).get("conditions", {})
                        missing = "not " + ", not ".join(name for name, holds in conditions.items() if not holds)
                except (aiohttp.ClientError, TimeoutError, OSError):
                    pass
                await asyncio.sleep(LOOK_SECONDS)
        raise BrokerError(f"the {self.name} is not ready after {within_seconds:.0f} s: {missing}\n{self.tail()}")

    def check(self) -> None:
        """Raise BrokerError where it has ended although nobody asked it to."""
        if self.ended is not None:
            raise BrokerError(f"the {self.name} ended with status {self.ended}; its last words:\n{self.tail()}")

    def tail(self, count: int = 12) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])

    async def stop(self) -> int | None:
        """SIGTERM, and SIGKILL for one that does not listen; returns the exit status."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        return self._process.returncode


def cancel_on_signals() -> None:
    """Cancel the calling task at Ctrl-C or SIGTERM: a shell may have told its background jobs to ignore them."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
