"""Each sink says what became of a message; secrets stay in; nothing a document says is obeyed."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from streams.alerting import AlertmanagerSettings, WebhookSettings
from streams.errors import SettingsError
from streams.notify import sinks as module
from streams.notify.sinks import LARGEST_BODY, Alertmanager, Console, Webhook, session, sinks
from streams.records import Alert
from streams.settings import NotifySettings, Settings
from tests.streams.notify.receiving import Server

Make = Callable[..., Alert]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with session() as one:
        yield one


@pytest.fixture
def webhook(server: Server, http: aiohttp.ClientSession) -> Webhook:
    settings = WebhookSettings(url=SecretStr(f"{server.url}/hook/secret-path"))
    return Webhook(settings, http, "tocsin", NotifySettings())


@pytest.fixture
def alertmanager(server: Server, http: aiohttp.ClientSession) -> Alertmanager:
    return Alertmanager(AlertmanagerSettings(url=server.url + "/"), http, "tocsin", NotifySettings(resend_seconds=60))


async def test_a_webhook_gets_payload_version_4_under_its_idempotency_key(
    webhook: Webhook, server: Server, alert: Make
) -> None:
    assert (await webhook.send(alert())).kind == "sent"
    (request,) = server.requests
    assert request.path == "/hook/secret-path"
    assert request.headers["Idempotency-Key"] == "a1-1"
    assert "X-Tocsin-Signature" not in request.headers
    payload = request.json
    assert (payload["version"], payload["status"], payload["truncatedAlerts"]) == ("4", "firing", 0)
    assert payload["groupKey"] == '{}:{alertname="NegativeSpike", series="entity:acme|topic:Earnings"}'
    (one,) = payload["alerts"]
    assert one["labels"] == payload["commonLabels"]
    assert one["labels"]["entity"] == "acme"
    assert (one["startsAt"], one["endsAt"]) == ("2026-11-22T07:00:00.000Z", "0001-01-01T00:00:00Z")
    assert one["annotations"]["transition_id"] == "a1-1"
    assert len(one["fingerprint"]) == 16


async def test_a_resolved_incident_keeps_its_key_and_fingerprint(webhook: Webhook, alert: Make) -> None:
    first = webhook.payload(alert())
    last = webhook.payload(alert(state="resolved", sequence=3, ends_at="2026-11-22T07:45:00Z", observed=0))
    assert (last["status"], last["alerts"][0]["endsAt"]) == ("resolved", "2026-11-22T07:45:00.000Z")
    assert last["groupKey"] == first["groupKey"]
    assert last["alerts"][0]["fingerprint"] == first["alerts"][0]["fingerprint"]


async def test_a_signed_webhook_can_be_checked_and_a_rotated_secret_is_used_at_once(
    server: Server, http: aiohttp.ClientSession, tmp_path: Path, alert: Make
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    hook = Webhook(WebhookSettings(url=SecretStr(server.url), secret_file=secret), http, "tocsin", NotifySettings())
    await hook.send(alert())
    secret.write_text("second")
    await hook.send(alert())
    for request, key in zip(server.requests, (b"first", b"second"), strict=True):
        wanted = "sha256=" + hmac.new(key, request.body, hashlib.sha256).hexdigest()
        assert request.headers["X-Tocsin-Signature"] == wanted
    assert server.requests[0].body == server.requests[1].body, "a repeat is the same message"
    secret.unlink()
    assert (await hook.send(alert())).kind == "failed"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (204, "sent"),
        (302, "failed"),
        (307, "failed"),
        (400, "refused"),
        (401, "failed"),
        (404, "failed"),
        (413, "refused"),
        (429, "failed"),
        (500, "failed"),
        (503, "failed"),
        ("hang up", "failed"),
    ],
)
async def test_every_answer_has_its_outcome_and_none_shows_the_url(
    webhook: Webhook, server: Server, alert: Make, behaviour: int | str, kind: str
) -> None:
    server.behaviour = behaviour
    outcome = await webhook.send(alert())
    assert outcome.kind == kind
    assert len(server.requests) == 1, "redirects are not followed and nothing is repeated by itself"
    assert "secret-path" not in outcome.reason
    assert "secret-path" not in webhook.name


async def test_a_silent_sink_is_given_up(
    webhook: Webhook, server: Server, http: aiohttp.ClientSession, alert: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behaviour = "silent"
    monkeypatch.setattr(http, "_timeout", aiohttp.ClientTimeout(total=0.2))
    assert (await webhook.send(alert())).kind == "failed"


async def test_a_sink_that_is_not_there_fails_without_naming_its_url(http: aiohttp.ClientSession, alert: Make) -> None:
    hook = Webhook(WebhookSettings(url=SecretStr("http://127.0.0.1:1/secret-path")), http, "p", NotifySettings())
    outcome = await hook.send(alert())
    assert outcome.kind == "failed"
    assert "ClientConnectorError" in outcome.reason
    assert "secret-path" not in outcome.reason


async def test_an_alertmanager_s_reason_is_quoted_bounded_and_harmless(
    alertmanager: Alertmanager, server: Server, alert: Make
) -> None:
    server.behaviour = 400
    outcome = await alertmanager.send(alert())
    assert outcome.kind == "refused"
    assert outcome.reason.startswith("status 400: secret-path not [2J welcome")
    assert len(outcome.reason) < 300
    assert outcome.reason.isprintable()


async def test_alertmanager_gets_labels_annotations_and_an_end_ahead(
    alertmanager: Alertmanager, server: Server, alert: Make
) -> None:
    before = datetime.now(UTC)
    assert (await alertmanager.send_all([alert(), alert(alert_id="b", series="topic:Earnings")])).kind == "sent"
    (request,) = server.requests
    assert request.path == "/api/v2/alerts"
    first, second = request.json
    assert set(first) == {"labels", "annotations", "startsAt", "endsAt"}
    assert first["labels"]["entity"] == "acme"
    assert "entity" not in second["labels"]
    assert 170 < (datetime.fromisoformat(first["endsAt"]) - before).total_seconds() < 220


async def test_a_bearer_token_is_read_from_its_file(
    server: Server, http: aiohttp.ClientSession, tmp_path: Path, alert: Make
) -> None:
    token = tmp_path / "token"
    token.write_text("abc\n")
    settings = AlertmanagerSettings(url=server.url, bearer_token_file=token)
    await Alertmanager(settings, http, "tocsin", NotifySettings()).send(alert())
    assert server.requests[0].headers["Authorization"] == "Bearer abc"


async def test_the_console_shows_the_evidence_and_obeys_none_of_it(alert: Make) -> None:
    stream = io.StringIO()
    console = Console(stream)
    assert (await console.send(alert(series="entity:\x1b]0;gotcha\x07acme"))).kind == "sent"
    shown = stream.getvalue()
    assert shown.startswith("FIRING critical negative-spike entity:]0;gotchaacme since 2026-11-22T07:00:00Z\n")
    assert '  - "Acme recalls kettles" (wire, 3 copies)\n' in shown
    assert all(line.isprintable() for line in shown.splitlines())
    assert len(shown.splitlines()) == 6


async def test_a_pipe_that_nobody_reads_fails_instead_of_holding_up(
    alert: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", 0.2)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb") as reader:
        console = Console(stream)
        outcomes = [(await console.send(alert(summary="x" * 900))).kind for _ in range(100)]
        assert outcomes[0] == "sent"
        assert outcomes[-1] == "failed"
        os.set_blocking(reader.fileno(), False)
        while console._writer is not None and console._writer.is_alive():
            reader.read()


async def test_a_message_is_bounded(webhook: Webhook, alert: Make) -> None:
    exemplar = alert().exemplars[0]
    huge = alert(
        exemplars=(exemplar,) * 5000,
        summary="😀" * 100_000,
        reason="r" * 100_000,
        series="entity:" + "ü" * 100_000,
        labels={f"name{n}": "v" * 1000 for n in range(10)},
    )
    assert len(webhook.body(huge)) <= LARGEST_BODY


async def test_bad_settings_of_sinks_are_named(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    def built(**notify: object) -> list[str]:
        return [sink.name for sink in sinks(Settings(notify=NotifySettings(**notify)), http)]  # type: ignore[arg-type]

    hook = WebhookSettings(url=SecretStr("https://example.org/a"))
    other = WebhookSettings(url=SecretStr("https://user:pw@example.org/b"))
    names = built(webhooks=(hook, other), alertmanagers=(AlertmanagerSettings(url="http://am:9093"),))
    assert names[:2] == ["console", "alertmanager:am:9093"]
    assert len(set(names)) == 4
    assert "pw" not in "".join(names)
    with pytest.raises(SettingsError, match="names no sink"):
        built(console=False)
    with pytest.raises(SettingsError, match="twice"):
        built(webhooks=(hook, hook))
    with pytest.raises(SettingsError, match="http"):
        built(webhooks=(WebhookSettings(url=SecretStr("file:///etc/passwd")),))
    with pytest.raises(SettingsError, match="secret file"):
        built(webhooks=(WebhookSettings(url=hook.url, secret_file=tmp_path / "none"),))
