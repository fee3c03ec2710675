"""One tocsin instance on the test broker: its own topics, groups, settings file and local state."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient

from tests.broker.books import Names
from tests.broker.fleet import Fleet, Worker, toml
from tests.broker.generator import Generator
from tests.broker.verifier import Verifier

PARTITIONS = 4
SESSION_SECONDS = 6.0
"""A dead worker's partitions move after this; the least that brokers allow by default."""
LARGEST_INPUT = 12 * 1024 * 1024


@dataclass(frozen=True)
class Instance:
    """Where an instance lives. ``topics`` maps the stream's name to its input topic."""

    servers: str
    prefix: str
    topics: dict[str, str]
    folder: Path
    config: Path

    @classmethod
    def create(
        cls, servers: str, folder: Path, registry: Path, changes: Mapping[str, Mapping[str, object]] | None = None
    ) -> Instance:
        """Make input topics that take very large records, and write the settings; workers make the rest."""
        prefix = f"t{uuid.uuid4().hex[:10]}"
        topics = {stream: f"{prefix}-{stream}" for stream in ("news", "reviews")}
        wanted = {
            name: {
                "num_partitions": PARTITIONS,
                "replication_factor": 1,
                "configs": {"max.message.bytes": str(LARGEST_INPUT)},
            }
            for name in topics.values()
        }
        admin = KafkaAdminClient(bootstrap_servers=servers)
        try:
            admin.create_topics(wanted)
            admin.wait_for_topics(list(wanted))
        finally:
            admin.close()
        folder.mkdir(parents=True, exist_ok=True)
        instance = cls(servers, prefix, topics, folder, folder / "tocsin.toml")
        instance.config.write_text(toml(_merged(instance._settings(registry), changes or {})))
        return instance

    @property
    def names(self) -> Names:
        return Names(self.prefix, tuple(self.topics.values()))

    def fleet(self) -> Fleet:
        """Workers of this instance, none of them started yet."""
        return Fleet(self.config, self.folder, options=("--create-topics",))

    def worker(self, *, faults: str = "") -> Worker:
        """A single worker without a supervisor."""
        return Worker(self.config, self.folder / "worker.log", faults=faults, options=("--create-topics",))

    def generator(self) -> Generator:
        return Generator(self.servers, self.topics)

    def verifier(self) -> Verifier:
        return Verifier(self.servers, self.names, PARTITIONS)

    def forget_local_state(self) -> None:
        """What a worker finds on a new host: nothing."""
        shutil.rmtree(self.folder / "state", ignore_errors=True)

    def _settings(self, registry: Path) -> dict[str, dict[str, object]]:
        return {
            "": {"brokers": [self.servers], "prefix": self.prefix, "state_dir": self.folder / "state"},
            "streams.news": {"topic": self.topics["news"]},
            "streams.reviews": {"topic": self.topics["reviews"]},
            "kafka": {
                "input_partitions": PARTITIONS,
                "observation_partitions": PARTITIONS,
                "session_timeout_seconds": SESSION_SECONDS,
                "heartbeat_seconds": 1.0,
                "commit_interval_seconds": 0.5,
            },
            "scoring": {"registry": registry, "provider": "cpu", "threads": 1},
            "watch": {"snapshot_seconds": 2.0, "idle_seconds": 1.0},
            "web": {"port": 0},
            "log": {"format": "json"},
        }


def _merged(
    settings: dict[str, dict[str, object]], changes: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, object]]:
    for table, values in changes.items():
        settings[table] = {**settings.get(table, {}), **values}
    return settings
