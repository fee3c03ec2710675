"""The whole notifier on the embedded broker: alerts in, deliveries out, each transition once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pydantic import SecretStr

from streams.alerting import WebhookSettings
from streams.errors import InputError, SettingsError, TopicsError
from streams.metrics import Metrics
from streams.notify.notifier import notify
from streams.operate.admin import create_topics
from streams.operate.client import kafka_python_options
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.operate.verdicts import precision, say
from streams.records import Alert, encode
from streams.settings import NotifySettings, Settings
from streams.web import Health
from tests.streams.notify.receiving import Server

Make = Callable[..., Alert]


@pytest.fixture(scope="module")
def embedded_servers() -> Iterator[str]:
    with EmbeddedBroker() as servers:
        yield servers


@pytest.fixture
def settings(embedded_servers: str, server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    notify = NotifySettings(console=False, webhooks=(WebhookSettings(url=SecretStr(server.url)),), port=0)
    prefix = f"n{abs(hash(request.node.name))}"
    made = on_embedded(Settings(prefix=prefix, notify=notify, state_dir=tmp_path), embedded_servers)
    create_topics(made)
    return made


def publish(settings: Settings, *values: bytes | None) -> None:
    producer = KafkaProducer(**kafka_python_options(settings), acks="all")
    for value in values:
        producer.send(settings.topics.alerts, key=b"a1", value=value)
    producer.close()


@asynccontextmanager
async def notifying(settings: Settings, metrics: Metrics) -> AsyncIterator[Health]:
    stopping, health = asyncio.Event(), Health()
    task = asyncio.create_task(notify(settings, stopping, metrics, health))
    yield health
    stopping.set()
    await asyncio.wait_for(task, 30)


async def test_alerts_arrive_once_each_and_in_order(
    settings: Settings, server: Server, metrics: Metrics, alert: Make
) -> None:
    firing, resolved = encode(alert()), encode(alert(state="resolved", sequence=2))
    pending = encode(alert(state="pending", sequence=0))
    publish(settings, pending, firing, b"{not an alert", None, firing, resolved, firing)
    async with notifying(settings, metrics):
        await server.until(2)
        publish(settings, encode(alert(alert_id="later")))
        await server.until(3)
    assert server.transitions() == ["a1-1", "a1-2", "later-1"]
    async with notifying(settings, Metrics.bind(type(metrics.registry)())):
        publish(settings, encode(alert(alert_id="after")))
        await server.until(4)
    assert server.transitions()[3:] == ["after-1"], "a restart repeats nothing"


async def test_the_group_s_lag_shows_what_is_owed(
    settings: Settings, server: Server, metrics: Metrics, alert: Make
) -> None:
    server.behaviour = 503
    publish(settings, encode(alert()))
    async with notifying(settings, metrics):
        await server.until(1)
    assert committed(settings) == 0
    server.behaviour = 200
    async with notifying(settings, Metrics.bind(type(metrics.registry)())):
        await server.until(2)
    assert committed(settings) == 1
    assert server.transitions() == ["a1-1", "a1-1"]


async def test_people_have_the_last_word(settings: Settings, server: Server, metrics: Metrics, alert: Make) -> None:
    """Acknowledged: silence until it ends. Dismissed: over at once, also for a notifier that starts later."""
    first, second = alert(alert_id="a" * 32), alert(alert_id="b" * 32, series="entity:contoso")
    publish(settings, encode(first), encode(second))
    async with notifying(settings, metrics):
        await server.until(2)
        await asyncio.to_thread(say, settings, "a" * 32, "acknowledge", "ann")
        await asyncio.to_thread(say, settings, "bbbbbb", "dismiss", "bob", "a test of ours")
        await server.until(4)
        publish(settings, encode(alert(alert_id="a" * 32, sequence=2, reason="stronger")))
        publish(settings, encode(alert(alert_id="b" * 32, sequence=2, reason="stronger", series="entity:contoso")))
    said = {request.json["alerts"][0]["annotations"]["reason"]: request.json for request in server.requests[2:]}
    assert said["acknowledged"]["status"] == "firing"
    assert said["acknowledged"]["commonAnnotations"]["acknowledged_by"] == "ann"
    assert said["dismissed"]["status"] == "resolved"
    async with notifying(settings, Metrics.bind(type(metrics.registry)())):
        publish(settings, encode(alert(alert_id="a" * 32, sequence=3, state="resolved")))
        publish(settings, encode(alert(alert_id="b" * 32, sequence=3, state="resolved", series="entity:contoso")))
        await server.until(5)
    assert len(server.requests) == 5
    assert server.requests[4].json["commonAnnotations"]["alert_id"] == "a" * 32


async def test_a_verdict_counts_in_the_precision(
    settings: Settings, alert: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(settings, *(encode(alert(alert_id=letter * 32)) for letter in "abc"))
    for letter, verdict in (("a", "confirm"), ("b", "confirm"), ("b", "dismiss"), ("c", "acknowledge")):
        await asyncio.to_thread(say, settings, letter * 32, verdict)  # type: ignore[arg-type]
    assert await asyncio.to_thread(precision, settings, True) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["rang"], row["confirmed"], row["dismissed"], row["precision"]) == (3, 1, 1, 0.5)
    with pytest.raises(InputError, match="no alert with an id"):
        await asyncio.to_thread(say, settings, "zzzzzz", "confirm")


def committed(settings: Settings) -> int:
    consumer = KafkaConsumer(**kafka_python_options(settings), group_id=settings.topics.group("notify"))
    found = [consumer.committed(TopicPartition(settings.topics.alerts, number)) or 0 for number in range(4)]
    consumer.close()
    return sum(found)


async def test_a_lost_outbox_starts_where_nothing_is_owed(
    settings: Settings, server: Server, metrics: Metrics, alert: Make
) -> None:
    publish(settings, encode(alert()))
    async with notifying(settings, metrics):
        await server.until(1)
    for path in settings.state_dir.glob("*outbox*"):
        path.unlink()
    publish(settings, encode(alert(state="resolved", sequence=2)))
    async with notifying(settings, Metrics.bind(type(metrics.registry)())):
        await server.until(2)
    assert server.transitions() == ["a1-1", "a1-2"]


async def test_a_new_embedded_broker_is_a_new_world(
    settings: Settings, server: Server, metrics: Metrics, alert: Make
) -> None:
    publish(settings, encode(alert()))
    async with notifying(settings, metrics):
        await server.until(1)
    with EmbeddedBroker() as servers:
        other = on_embedded(settings, servers)
        create_topics(other)
        publish(other, encode(alert()))
        async with notifying(other, Metrics.bind(type(metrics.registry)())):
            await server.until(2)


async def test_a_missing_topic_and_a_bad_sink_are_told_at_once(settings: Settings, metrics: Metrics) -> None:
    absent = settings.model_copy(update={"prefix": "absent"})
    with pytest.raises(TopicsError, match=r"absent\.alerts\.v1.*tocsin topics create"):
        await notify(absent, asyncio.Event(), metrics, Health())
    silent = settings.model_copy(update={"notify": NotifySettings(console=False)})
    with pytest.raises(SettingsError, match="names no sink"):
        await notify(silent, asyncio.Event(), metrics, Health())


async def test_the_process_ends_cleanly_on_sigterm_though_a_sink_is_silent(
    settings: Settings, server: Server, alert: Make
) -> None:
    server.behaviour = "silent"
    publish(settings, encode(alert()))
    config = settings.state_dir / "tocsin.toml"
    config.write_text(
        f'brokers = "{",".join(settings.brokers)}"\nprefix = "{settings.prefix}"\nstate_dir = "{settings.state_dir}"\n'
        f'[kafka]\nembedded = true\n[notify]\nport = 0\nwebhooks = [{{url = "{server.url}/secret-path"}}]\n'
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tocsin", "notify", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    await server.until(1)
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    assert out.decode().startswith("FIRING critical negative-spike entity:acme|topic:Earnings")
    assert b"notifier stopped" in err
    assert b"secret-path" not in err
