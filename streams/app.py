"""One Faust app per role: groups, rebalancing and services are Faust's, delivery is ours."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faust
from faust.app.base import BootStrategy

from streams import logs
from streams.delivery.fetching import Fetching
from streams.delivery.transport import Role, Transport, require_compiled_streams
from streams.operate.client import aiokafka_options
from streams.settings import Settings

log = logs.get(__name__)

REBALANCE_SECONDS = 30.0
"""How long the group waits for a member that finishes its sends; below aiokafka's request time-out."""


class _Boot(BootStrategy):  # type: ignore[misc]
    """Neither Faust's web server (it would take port 6066, unauthenticated) nor its producer is started."""

    enable_web = False
    enable_kafka_producer = False


class TocsinApp(faust.App):  # type: ignore[misc]
    """A Faust app on the slab transport. An agent that raises ends the process: its slab is read again."""

    BootStrategy = _Boot
    logger = logging.getLogger("mode.tocsin")
    role: Role
    fetching: Fetching

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Nothing: there are no tables."""

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        log.critical("an agent failed", agent=agent.name, error=repr(exc)[:500])
        await self.crash(exc)

    async def _producer_flush(self, logger: Any) -> None:
        """Nothing: Faust's producer sends nothing, ours waits for every acknowledgement."""


def create_app(settings: Settings, name: str, role: Role, topics: Iterable[str], *, slabs_ahead: int) -> TocsinApp:
    """The app of role ``name`` (``score`` or ``watch``), which reads ``topics`` in slabs.

    Raises:
        BrokerError: Faust's compiled stream iterator is missing.
    """
    require_compiled_streams()
    kafka = settings.kafka
    group = settings.topics.group(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Faust warns of settings that it renames itself
        app = TocsinApp(
            group,
            env={},  # no FAUST_* or BROKER_* of the environment may change what is promised
            broker=[f"kafka://{broker}" for broker in settings.brokers],
            datadir=Path(settings.state_dir) / "faust",
            autodiscover=False,
            key_serializer="raw",
            value_serializer="raw",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=True,
            stream_recovery_delay=0.0,
            broker_commit_interval=kafka.commit_interval_seconds,
            broker_session_timeout=kafka.session_timeout_seconds,
            broker_heartbeat_interval=kafka.heartbeat_seconds,
            # Of Faust's own waits: placing the partitions after a rebalance may read a snapshot.
            broker_request_timeout=max(120.0, kafka.request_timeout_seconds),
        )
        app.finalize()
    app.role = role
    app.fetching = Fetching(
        connection=aiokafka_options(settings, name),
        slab_records=settings.scoring.slab_records,
        slab_bytes=settings.scoring.slab_bytes,
        slabs_ahead=slabs_ahead,
        session_seconds=kafka.session_timeout_seconds,
        heartbeat_seconds=kafka.heartbeat_seconds,
        rebalance_seconds=REBALANCE_SECONDS,
        instance=f"{kafka.instance}-{name}" if kafka.instance else None,
    )
    return app


def slab_topic(app: TocsinApp, topics: Iterable[str], partitions: int) -> Any:
    """The channel of ``topics``; ``partitions`` is how many they have together.

    Its queue is bounded by what the transport delivers; Faust ignores ``maxsize`` at creation.
    """
    channel = app.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    channel.maxsize = max(16, 2 * app.fetching.slabs_ahead * partitions)
    return channel
