"""The sinks: a console, an Alertmanager, a webhook. Each takes one transition and says what became of it.

HTTP goes out without redirects, with a time limit, and no more of an answer is read than a reason needs.
Nothing that may hold a secret (a webhook's URL, its key, a bearer token) reaches a log or an error text.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO
from urllib.parse import urlsplit

import aiohttp
import msgspec

from streams.alerting import AlertmanagerSettings, WebhookSettings
from streams.errors import SettingsError
from streams.notify import wording
from streams.notify.silencing import Silences
from streams.operate.terminal import harmless
from streams.records import Alert
from streams.settings import NotifySettings, Settings

SEND_SECONDS = 10.0
CONNECT_SECONDS = 5.0
ANSWER_BYTES = 2_048
LARGEST_BODY = 64 * 1024
HOPELESS = frozenset({400, 413, 415, 422})
"""Answers that speak of the message itself: it would be refused again. All others may pass, or be mended."""

OutcomeKind = Literal["sent", "failed", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What a sink did with a message: took it, may take it later, or never will."""

    kind: OutcomeKind
    reason: str = ""


SENT = Outcome("sent")


class Sink(Protocol):
    """One place where alerts go. ``name`` is stable over restarts and safe to log and to count by.

    ``only`` are the labels it asks for, each with its patterns.
    """

    name: str

    @property
    def only(self) -> Mapping[str, Sequence[str]]: ...

    async def send(self, alert: Alert) -> Outcome:
        """Deliver one transition; returns, and never raises, what became of it."""
        ...


class Console:
    """Readable text, three lines and the exemplars.

    It is written in a thread, because a full pipe that nobody reads would otherwise hold up every sink; the
    thread is a daemon, because it must not hold up the end of the process either.
    """

    name = "console"

    def __init__(self, stream: TextIO | None = None) -> None:
        self.only: Mapping[str, Sequence[str]] = {}
        self._stream = stream
        self._writer: threading.Thread | None = None

    async def send(self, alert: Alert) -> Outcome:
        if self._writer is not None and self._writer.is_alive():
            return Outcome("failed", "nobody reads the console")
        done = asyncio.get_running_loop().create_future()
        self._writer = threading.Thread(
            target=self._write, args=(self.render(alert), asyncio.get_running_loop(), done), daemon=True
        )
        self._writer.start()
        try:
            return await asyncio.wait_for(done, SEND_SECONDS)
        except TimeoutError:
            return Outcome("failed", "nobody reads the console")

    def _write(self, text: str, loop: asyncio.AbstractEventLoop, done: asyncio.Future[Outcome]) -> None:
        stream = self._stream if self._stream is not None else sys.stdout
        try:
            stream.write(text)
            stream.flush()
            outcome = SENT
        except (OSError, ValueError) as exc:
            outcome = Outcome("failed", f"cannot write: {type(exc).__name__}")

        def settle() -> None:
            if not done.done():
                done.set_result(outcome)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for the outcome any more
            loop.call_soon_threadsafe(settle)

    @staticmethod
    def render(alert: Alert) -> str:
        """The text of one transition; every line ends, none obeys anything a document says."""
        facts = wording.annotate(alert)
        lines = [
            f"{alert.state.upper()} {harmless(alert.severity, 20)} {harmless(alert.rule, 64)} "
            f"{harmless(alert.series, 120)} since {harmless(alert.starts_at, 40)}",
            f"  {facts['summary']}",
            f"  {facts['description']}",
            *(f"  - {wording.exemplar(item)}" for item in alert.exemplars),
            f"  incident {harmless(alert.alert_id, 64)}, transition {alert.sequence}",
        ]
        return "\n".join(lines) + "\n"


class Alertmanager:
    """``POST /api/v2/alerts`` of a Prometheus Alertmanager."""

    def __init__(
        self, settings: AlertmanagerSettings, http: aiohttp.ClientSession, prefix: str, notify: NotifySettings
    ) -> None:
        parts = _http_parts(settings.url, "notify.alertmanagers")
        self.name = f"alertmanager:{settings.name or parts.netloc.rpartition('@')[2]}"
        self.only = settings.only
        self._url = settings.url.rstrip("/") + "/api/v2/alerts"
        self._token_file = settings.bearer_token_file
        _readable(self._token_file, "notify.alertmanagers.bearer_token_file")
        self._http = http
        self._prefix = prefix
        self._runbook_url = notify.runbook_url
        self._firing_for = timedelta(seconds=3 * notify.resend_seconds)
        self._silences = Silences(http, settings.url, self._authorised, prefix, settings.silence_hours)

    async def send(self, alert: Alert) -> Outcome:
        outcome = await self.send_all([alert])
        if outcome.kind == "sent":
            await self._silences.follow(alert)
        return outcome

    async def send_all(self, alerts: Iterable[Alert]) -> Outcome:
        """Deliver the current state of several incidents in one request."""
        body = msgspec.json.encode([self.message(alert, datetime.now(UTC)) for alert in alerts])
        try:
            headers = {"Content-Type": "application/json", **self._authorised()}
        except ValueError:
            return Outcome("failed", "the bearer token file cannot be read")
        return await _post(self._http, self._url, body, headers, quote_answer=True)

    def _authorised(self) -> dict[str, str]:
        """The header that says who we are. Raises ValueError where the token cannot be read."""
        if self._token_file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {_secret(self._token_file).decode('ascii')}"}
        except (SettingsError, UnicodeDecodeError) as exc:
            raise ValueError("no token") from exc

    def message(self, alert: Alert, now: datetime) -> dict[str, Any]:
        """One element of the request's array, as of wall time ``now``."""
        starts_at, ends_at = wording.span(alert, now, self._firing_for)
        return {
            "labels": wording.identity(alert, self._prefix),
            "annotations": wording.annotate(alert, self._runbook_url),
            "startsAt": starts_at,
            "endsAt": ends_at,
        }


class Webhook:
    """A POST in the shape of Alertmanager's own webhook, payload version 4, one incident per message.

    ``Idempotency-Key`` is the transition's id, also among the annotations. With a secret file,
    ``X-Tocsin-Signature`` is ``sha256=`` and the hex HMAC-SHA256 of the body.
    """

    def __init__(
        self, settings: WebhookSettings, http: aiohttp.ClientSession, prefix: str, notify: NotifySettings
    ) -> None:
        self._url = settings.url.get_secret_value()
        parts = _http_parts(self._url, "notify.webhooks")
        # The path may hold a token, so a digest tells two webhooks on one host apart.
        digest = hashlib.sha256(self._url.encode()).hexdigest()[:8]
        self.name = f"webhook:{settings.name or parts.netloc.rpartition('@')[2] + ':' + digest}"
        self.only = settings.only
        self._secret_file = settings.secret_file
        _readable(self._secret_file, "notify.webhooks.secret_file")
        self._http = http
        self._prefix = prefix
        self._runbook_url = notify.runbook_url

    async def send(self, alert: Alert) -> Outcome:
        body = self.body(alert)
        headers = {"Content-Type": "application/json", "Idempotency-Key": harmless(alert.transition_id, 128)}
        if self._secret_file is not None:
            try:
                headers["X-Tocsin-Signature"] = signature(_secret(self._secret_file), body)
            except SettingsError:
                return Outcome("failed", "the webhook's secret file cannot be read")
        return await _post(self._http, self._url, body, headers, quote_answer=False)

    def body(self, alert: Alert) -> bytes:
        """The bytes of one transition; equal for equal transitions, so a repeat is the same message."""
        payload = self.payload(alert)
        body = msgspec.json.encode(payload)
        if len(body) > LARGEST_BODY:
            for annotations in (payload["commonAnnotations"], payload["alerts"][0]["annotations"]):
                annotations.pop("exemplars", None)
            body = msgspec.json.encode(payload)
        return body

    def payload(self, alert: Alert) -> dict[str, Any]:
        """The message as plain values."""
        labels = wording.identity(alert, self._prefix)
        annotations = wording.annotate(alert, self._runbook_url)
        group = {name: labels[name] for name in ("alertname", "series") if name in labels}
        resolved = wording.status(alert) == "resolved"
        starts_at = wording.rfc3339(wording.parse_time(alert.starts_at))
        ends_at = wording.rfc3339(wording.parse_time(alert.ends_at)) if resolved and alert.ends_at else wording.NEVER
        return {
            "version": "4",
            "groupKey": "{}:{" + ", ".join(f"{k}={wording.quoted(v)}" for k, v in group.items()) + "}",
            "truncatedAlerts": 0,
            "status": wording.status(alert),
            "receiver": "tocsin",
            "groupLabels": group,
            "commonLabels": labels,
            "commonAnnotations": dict(annotations),
            "externalURL": "",
            "alerts": [
                {
                    "status": wording.status(alert),
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": starts_at,
                    "endsAt": ends_at,
                    "generatorURL": "",
                    "fingerprint": wording.fingerprint(labels),
                }
            ],
        }


def signature(secret: bytes, body: bytes) -> str:
    """The value of ``X-Tocsin-Signature`` for ``body``: ``sha256=`` and 64 hex digits."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def session() -> aiohttp.ClientSession:
    """The HTTP session of a notifier: bounded in time, without cookies, answers kept as they come."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=SEND_SECONDS, connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": "tocsin"},
    )


def sinks(settings: Settings, http: aiohttp.ClientSession) -> list[Sink]:
    """The sinks that the settings name.

    Raises:
        SettingsError: there is none, two are the same, a URL is not http(s), or a secret file cannot be read.
    """
    notify = settings.notify
    found: list[Sink] = [Console()] if notify.console else []
    found += [Alertmanager(one, http, settings.prefix, notify) for one in notify.alertmanagers]
    found += [Webhook(one, http, settings.prefix, notify) for one in notify.webhooks]
    names = [sink.name for sink in found]
    if not names:
        raise SettingsError("[notify] names no sink: set console = true, an alertmanager or a webhook")
    if len(set(names)) != len(names):
        raise SettingsError(f"[notify] names a sink twice: {', '.join(sorted(names))}")
    return found


async def _post(
    http: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str], *, quote_answer: bool
) -> Outcome:
    try:
        async with http.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            if answer.status < 300:
                return SENT
            if answer.status < 400:
                return Outcome("failed", f"status {answer.status}: redirects are not followed; name the final URL")
            said = harmless((await answer.content.read(ANSWER_BYTES)).decode("utf-8", "replace"))
            reason = f"status {answer.status}" + (f": {said}" if quote_answer and said else "")
            return Outcome("refused" if answer.status in HOPELESS else "failed", reason)
    except TimeoutError:
        return Outcome("failed", f"no answer within {SEND_SECONDS:.0f} s")
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        # The text of a client error may quote the URL.
        cause = exc.os_error.strerror if isinstance(exc, aiohttp.ClientConnectorError) else None
        return Outcome("failed", f"{type(exc).__name__}{f': {cause}' if cause else ''}")


def _http_parts(url: str, setting: str) -> Any:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"{setting}: a url must be http(s)://HOST[:PORT]/...")
    return parts


def _readable(path: Path | None, setting: str) -> None:
    if path is not None and not _secret(path):
        raise SettingsError(f"{setting}: {path} is empty")


def _secret(path: Path) -> bytes:
    """The secret in ``path``, read anew for each message, so that a rotated one is used at once."""
    try:
        return path.read_bytes().strip()
    except OSError as exc:
        raise SettingsError(f"cannot read the secret file {path}: {exc.strerror or exc}") from exc
