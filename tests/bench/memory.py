"""Resident memory of a worker: at 120 % load for some minutes, and through a year of backlog.

    python tests/bench/memory.py [--minutes 10] [--overload 1.2] [--year-documents 400000]

Overload: the shipped release; documents come at `--overload` times what the worker scored in its first
minute, so the topic grows and memory must not. Backlog: the tiny release of the tests, and a topic that
already holds a year of event time. JSON on stdout: resident megabytes when a fifth was done and at the end,
and the slope (least squares) between them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from deploy.kafka.kafka import running
from models.assembly import ensure_shipped
from models.registry import Registry
from streams.demo.sample import history
from tests.models.tiny import build_tiny_release

SETTLED = 0.2
"""Share of a run after which memory should have reached its level."""


class Worker:
    """A ``tocsin worker`` on a prefix of its own."""

    def __init__(self, servers: str, registry: str, release: str) -> None:
        self.servers = servers
        self.prefix = f"bench-{uuid.uuid4().hex[:8]}"
        self.environment = {
            **os.environ,
            "TOCSIN_SCORING__REGISTRY": registry,
            "TOCSIN_SCORING__RELEASE": release,
            "TOCSIN_STREAMS": json.dumps({"news": {"topic": f"{self.prefix}-news"}}),
            "TOCSIN_WEB__PORT": "0",
            "TOCSIN_STATE_DIR": tempfile.mkdtemp(prefix="tocsin-bench-"),
        }
        tocsin = str(Path(sys.executable).parent / "tocsin")
        self.options = ["--brokers", servers, "--prefix", self.prefix]
        subprocess.run(
            [tocsin, "topics", "create", *self.options], env=self.environment, check=True, capture_output=True
        )
        self.command = [tocsin, "worker", *self.options]

    @contextlib.contextmanager
    def running(self) -> Iterator[psutil.Process]:
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(self.command, env=self.environment, stderr=log)
            try:
                yield psutil.Process(process.pid)
                if process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f"the worker ended with {process.returncode}:\n{log.read()[-2000:].decode()}")
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def scored(self) -> int:
        """Scored records so far, from the topic's end offsets."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": uuid.uuid4().hex})
        topic = f"{self.prefix}.scored.v1"
        parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        total = sum(consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=10)[1] for part in parts)
        consumer.close()
        return total


def overload(servers: str, registry: str, minutes: float, factor: float) -> dict[str, Any]:
    bodies = [record.value for record in history(seed=3, days=2)]
    worker = Worker(servers, registry, "champion")
    producer = Producer({"bootstrap.servers": servers})
    topic = f"{worker.prefix}-news"
    dice = random.Random(5)
    samples: list[tuple[float, float]] = []
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            body = json.loads(dice.choice(bodies))
            body |= {"id": str(sent), "text": f"{sent} {body.get('text', '')}", "published_at": time.time()}
            producer.produce(topic, json.dumps(body), str(sent))
            sent += 1
        producer.poll(0)

    with worker.running() as process:
        # The first minute has more than enough work: what is scored then is the capacity.
        send(20_000)
        producer.flush()
        deadline = time.monotonic() + 120
        while not worker.scored():
            if time.monotonic() > deadline or not process.is_running():
                raise SystemExit("the worker does not score")
            time.sleep(0.5)
        before, begun = worker.scored(), time.monotonic()
        time.sleep(60)
        rate = factor * (worker.scored() - before) / (time.monotonic() - begun)
        begun, mark = time.monotonic(), sent
        while (elapsed := time.monotonic() - begun) < minutes * 60:
            send(int(elapsed * rate) - (sent - mark))
            samples.append((elapsed, process.memory_info().rss / 1e6))
            time.sleep(0.5)
        backlog = sent - worker.scored()
    return {"documents_per_second_sent": round(rate, 1), "backlog_at_end": backlog, **shape(samples)}


def year(servers: str, registry: str, documents: int) -> dict[str, Any]:
    bodies = [json.loads(record.value) for record in history(seed=4, days=2) if record.value.startswith(b"{")]
    worker = Worker(servers, registry, "champion")
    producer = Producer({"bootstrap.servers": servers, "queue.buffering.max.messages": 1_000_000})
    start = datetime.now(UTC) - timedelta(days=365)
    for number in range(documents):
        at = start + timedelta(days=364) * (number / documents)
        body = bodies[number % len(bodies)] | {"id": str(number), "published_at": at.isoformat()}
        producer.produce(f"{worker.prefix}-news", json.dumps(body), str(number))
        if number % 10_000 == 0:
            producer.flush()
    producer.flush()
    samples: list[tuple[float, float]] = []
    with worker.running() as process:
        begun = time.monotonic()
        while worker.scored() < documents * 0.99:
            samples.append((time.monotonic() - begun, process.memory_info().rss / 1e6))
            time.sleep(0.5)
    return {"documents": documents, "seconds": round(samples[-1][0]), **shape(samples)}


def shape(samples: list[tuple[float, float]]) -> dict[str, Any]:
    """Resident megabytes by tenths of the run, once settled and at the end, and the slope between in MB an hour."""
    settled = np.array(samples[int(len(samples) * SETTLED) :])
    slope = np.polyfit(settled[:, 0], settled[:, 1], 1)[0] * 3600
    quarter = max(1, len(settled) // 4)
    return {
        "resident_mb_by_tenths": [round(float(part.max())) for part in np.array_split(np.array(samples)[:, 1], 10)],
        "resident_mb_settled": round(float(np.median(settled[:quarter, 1])), 1),
        "resident_mb_end": round(float(np.median(settled[-quarter:, 1])), 1),
        "slope_mb_per_hour": round(float(slope), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--overload", type=float, default=1.2)
    parser.add_argument("--year-documents", type=int, default=400_000)
    parser.add_argument("--registry", default="var/registry")
    given = parser.parse_args()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "kafka") as node:
        tiny = Path(folder) / "registry"
        Registry(tiny).promote(build_tiny_release(tiny).name)
        ensure_shipped(given.registry)
        report["year_of_backlog"] = year(node.servers, str(tiny), given.year_documents)
        sys.stderr.write(json.dumps(report) + "\n")
        if given.minutes > 0:
            report["overload"] = overload(node.servers, given.registry, given.minutes, given.overload)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
