"""``tocsin ingest http``: documents by POST into an input topic, for those who would rather not speak Kafka.

A request is answered once the broker has acknowledged every document in it, so whoever gets an error, or no answer,
sends the same request again: documents are keyed by id, and what comes twice counts once.
"""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from streams import logs, tokens
from streams.delivery.outputs import Output, Outputs, partition_by_key
from streams.errors import DeliveryError, SettingsError
from streams.operate.admin import require_topic
from streams.operate.client import aiokafka_options
from streams.operate.feed import input_topic
from streams.operate.rows import BadRow, from_line
from streams.settings import Settings

MOST_BYTES = 8 * 1024 * 1024
MOST_AT_ONCE = 16
"""Requests in hand; further ones are asked to come back, so that memory stays bounded."""
SHOWN_ERRORS = 20
REPORT_SECONDS = 10.0

log = logs.get(__name__)


@dataclass
class Endpoint:
    """The one route: ``POST /documents``, a JSON object, or one a line, with the token as bearer."""

    topic: str
    partitions: int
    token: str
    outputs: Outputs
    sent: int = 0
    refused: int = 0
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))

    def application(self) -> web.Application:
        """The route on an application of its own."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.add_routes([web.post("/documents", self.take)])
        return app

    async def take(self, request: web.Request) -> web.Response:
        """Send the documents of ``request``; what is none is named by its line."""
        if not tokens.same(tokens.bearer(request.headers.get("Authorization", "")), self.token):
            return web.json_response({"error": "a token is needed: Authorization: Bearer ..."}, status=401)
        if self._room.locked():
            return web.json_response({"error": "busy, come back"}, status=503, headers={"Retry-After": "1"})
        async with self._room:
            return await self._take(await request.read())

    async def _take(self, body: bytes) -> web.Response:
        outputs: list[Output] = []
        errors: list[dict[str, Any]] = []
        for number, line in enumerate(_lines(body), 1):
            row = from_line(number, line)
            if isinstance(row, BadRow):
                errors.append({"line": number, "error": row.error})
            else:
                key = row.id.encode()
                outputs.append(Output(self.topic, partition_by_key(key, self.partitions), key, row.value))
        try:
            await self.outputs.deliver(sorted(outputs, key=lambda output: output.partition))
        except DeliveryError as exc:
            log.warning("documents were not acknowledged", reason=str(exc)[:200])
            return web.json_response({"error": "not acknowledged by the broker, send it again"}, status=503)
        self.sent += len(outputs)
        self.refused += len(errors)
        status = 200 if outputs or not errors else 400
        told = {"sent": len(outputs), "refused": len(errors), "errors": errors[:SHOWN_ERRORS]}
        return web.json_response(told, status=status)


def _lines(body: bytes) -> list[bytes]:
    """One document may be spread over lines; several stand on one line each."""
    try:
        if isinstance(json.loads(body), dict):
            return [body.strip()]
    except (ValueError, RecursionError):
        pass
    return [line.strip() for line in body.splitlines() if line.strip()]


def run(settings: Settings, topic: str, host: str, port: int, token: str) -> int:
    """Serve until SIGTERM or SIGINT. Exit status.

    Raises:
        SettingsError: no token, or one that is too short, or the address cannot be bound.
        InputError, TopicsError, BrokerError: as ``streams.operate.feed.ingest_file``.
    """
    if len(token) < tokens.SHORTEST:
        raise SettingsError(f"name a file with a token of at least {tokens.SHORTEST} characters: --token-file")
    name = input_topic(settings, topic)
    return asyncio.run(_until_signalled(settings, name, require_topic(settings, name), host, port, token))


def token_in(path: Path) -> str:
    """The token that the file holds.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return tokens.read_token(path)
    except (OSError, UnicodeError) as exc:
        raise SettingsError(f"the token file {path} cannot be read: {exc}") from exc


async def _until_signalled(settings: Settings, topic: str, partitions: int, host: str, port: int, token: str) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    outputs = Outputs(aiokafka_options(settings, "feed"), delivery_seconds=settings.kafka.delivery_timeout_seconds)
    await outputs.start()
    endpoint = Endpoint(topic, partitions, token, outputs)
    runner = web.AppRunner(endpoint.application(), access_log=None, shutdown_timeout=20)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        log.info("taking documents", topic=topic, url=f"http://{host}:{runner.addresses[0][1]}/documents")
        told = 0
        while not stopping.is_set():
            try:
                await asyncio.wait_for(stopping.wait(), REPORT_SECONDS)
            except TimeoutError:
                if endpoint.sent + endpoint.refused != told:
                    told = endpoint.sent + endpoint.refused
                    log.info("documents taken", sent=endpoint.sent, refused=endpoint.refused)
    except OSError as exc:
        raise SettingsError(f"cannot take documents at {host}:{port}: {exc.strerror or exc}") from exc
    finally:
        await runner.cleanup()
        await outputs.stop()
    log.info("stopped", sent=endpoint.sent, refused=endpoint.refused)
    return 0
