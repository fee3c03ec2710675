"""Silences in Alertmanager: who is on an incident should not be reminded of it until it is over.

Alertmanager repeats what fires to everybody, acknowledged or not. So an acknowledged incident gets a silence on
exactly its labels there, which is lifted when the incident is over: labels name no single incident, and the next one
must be heard. A silence carries the incident's id in its comment, so that one is made however often it is asked for.
What cannot be silenced rings on: a failure here is logged, and never holds up an alert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec

from streams import logs
from streams.notify.wording import identity, quoted, rfc3339
from streams.operate.terminal import harmless
from streams.records import Alert

LARGEST_ANSWER = 1_000_000
log = logs.get(__name__)


class Silences:
    """Those that one Alertmanager has from us. ``base`` is its URL, ``headers`` are asked for each request anew."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        base: str,
        headers: Callable[[], Mapping[str, str]],
        prefix: str,
        hours: float,
    ) -> None:
        self._http = http
        self._base = base.rstrip("/") + "/api/v2"
        self._headers = headers
        self._prefix = prefix
        self._longest = timedelta(hours=hours)

    async def follow(self, alert: Alert) -> None:
        """Make or lift the silence of an acknowledged incident; ``alert`` has just been told."""
        if not alert.acknowledged_by or not self._longest:
            return
        try:
            standing = await self._standing(alert)
            if alert.state == "resolved":
                for known in standing:
                    await self._ask("DELETE", f"/silence/{known['id']}")
            elif not standing:
                await self._ask("POST", "/silences", body=self.message(alert, datetime.now(UTC)))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as exc:
            log.warning("not silenced in alertmanager", alert=alert.alert_id[:64], reason=type(exc).__name__)

    def message(self, alert: Alert, now: datetime) -> dict[str, Any]:
        """The silence asked for at wall time ``now``: all labels of the incident, each as it is."""
        return {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in identity(alert, self._prefix).items()
            ],
            "startsAt": rfc3339(now),
            "endsAt": rfc3339(now + self._longest),
            "createdBy": harmless(alert.acknowledged_by, 100),
            "comment": f"acknowledged; {_mark(alert)}",
        }

    async def _standing(self, alert: Alert) -> list[dict[str, Any]]:
        wanted = ("rule", "series")
        labels = identity(alert, self._prefix)
        filters = [("filter", f"{name}={quoted(labels[name])}") for name in wanted if name in labels]
        found = await self._ask("GET", "/silences", query=filters)
        return [
            one
            for one in found
            if str(one["comment"]).endswith(_mark(alert)) and one["status"]["state"] in ("active", "pending")
        ]

    async def _ask(
        self, method: str, path: str, *, query: list[tuple[str, str]] | None = None, body: dict[str, Any] | None = None
    ) -> Any:
        async with self._http.request(
            method,
            self._base + path,
            params=query,
            data=None if body is None else msgspec.json.encode(body),
            headers={"Content-Type": "application/json", **self._headers()},
            allow_redirects=False,
        ) as answer:
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            return msgspec.json.decode(await answer.content.read(LARGEST_ANSWER) or b"null")


def _mark(alert: Alert) -> str:
    return f"tocsin incident {harmless(alert.alert_id, 64)}"
