"""The transport alone: opaque bytes from one Kafka topic to another, every output acknowledged, then committed.

    python tests/bench/transport.py [--brokers HOST:PORT] [--records 400000] [--bytes 200] [--runs 3]

Runs tocsin's slab transport, a confluent-kafka loop (consume, produce, flush, commit) and stock Faust
(``take()`` and ``topic.send()``) in turn, each in a process of its own, against one broker, and writes records
per second and ratios as JSON. Without ``--brokers`` it starts the pinned Apache Kafka. All share the machine's
cores with the broker, so only ratios of one run mean anything.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
PARTITIONS = 4
SLOWER = 16
"""Stock Faust gets a sixteenth of the records: its rate settles within seconds."""

Clock = dict[str, float]


def new_clock() -> Clock:
    return {"first": 0.0, "last": 0.0, "done": 0.0, "cores_first": 0.0, "cores_last": 0.0}


def begin(clock: Clock) -> None:
    """The first records are there."""
    if not clock["first"]:
        clock["first"], clock["cores_first"] = time.perf_counter(), time.process_time()


def end(clock: Clock, records: int) -> None:
    """The broker has acknowledged so many more."""
    clock["done"] += records
    clock["last"], clock["cores_last"] = time.perf_counter(), time.process_time()


def slabs(brokers: str, source: str, target: str, records: int, slab_records: int) -> Clock:
    """Through the slab transport."""
    from concurrent.futures import ThreadPoolExecutor

    import mode

    from streams.app import create_app, slab_topic
    from streams.delivery.lanes import Lanes
    from streams.delivery.outputs import Output, Outputs
    from streams.operate.client import aiokafka_options
    from streams.settings import load

    settings = load(
        brokers=brokers,
        prefix=f"bench-{uuid.uuid4().hex[:8]}",
        scoring={"slab_records": slab_records, "slab_bytes": 8 * 1024 * 1024},
    )
    clock = new_clock()

    class Copy:
        async def start_at(self, committed: Any) -> Any:
            return committed

        def remember(self, place: Any, note: str) -> None: ...

        def note(self, place: Any) -> str:
            return ""

        def committed(self, offsets: Any) -> None: ...

        async def drain(self) -> None:
            await lanes.retire(10.0)

    app = create_app(settings, "copy", Copy(), [source], slabs_ahead=2)
    outputs = Outputs(aiokafka_options(settings))
    worker = mode.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)

    def compute(slab: Any) -> list[Output]:
        return [Output(target, slab.place.partition, record.key, record.value) for record in slab.records]

    def sent(slab: Any, work: list[Output]) -> None:
        app.consumer.finish(slab)
        end(clock, len(slab))
        if clock["done"] >= records:
            worker._schedule_shutdown(signal.SIGTERM)

    async def send(slab: Any, work: list[Output]) -> None:
        begin(clock)
        await outputs.deliver(work)

    # One thread computes nothing here, so the loop's own would do; the lanes are what is measured.
    with ThreadPoolExecutor(1) as executor:
        lanes: Lanes[list[Output]] = Lanes(executor, compute, send, sent, lambda error: os._exit(70))

        @app.agent(slab_topic(app, [source], PARTITIONS), name="copy")
        async def copy(stream: Any) -> None:
            await outputs.start()
            async for slab in stream.noack():
                lanes.enter(slab)

        with contextlib.suppress(SystemExit):
            worker.execute_from_commandline()
    return clock


def confluent(brokers: str, source: str, target: str, records: int, batch: int = 2048) -> Clock:
    """Through consume, produce, flush, commit."""
    from confluent_kafka import Consumer, Producer

    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"bench-{uuid.uuid4().hex[:8]}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    refused: list[Any] = []

    def acknowledged(error: Any, message: Any) -> None:
        if error is not None:
            refused.append(error)

    consumer.subscribe([source])
    clock = new_clock()
    while clock["done"] < records:
        messages = consumer.consume(batch, timeout=1.0)
        if not messages:
            continue
        begin(clock)
        for message in messages:
            producer.produce(
                target, message.value(), message.key(), partition=message.partition(), on_delivery=acknowledged
            )
        producer.flush()
        if refused:
            raise SystemExit(f"not acknowledged: {refused[0]}")
        consumer.commit(asynchronous=False)
        end(clock, len(messages))
    consumer.close()
    return clock


def stock(brokers: str, source: str, target: str, records: int, batch: int = 512) -> Clock:
    """Through stock Faust: ``take()``, ``topic.send()``, each send awaited."""
    import faust
    import mode

    name = f"bench-{uuid.uuid4().hex[:8]}"
    app = faust.App(
        name,
        broker=f"kafka://{brokers}",
        web_enabled=False,
        topic_disable_leader=True,
        stream_recovery_delay=0.0,
        value_serializer="raw",
        datadir=Path(tempfile.mkdtemp(prefix="tocsin-bench-")),
        autodiscover=False,
    )
    inputs = app.topic(source, value_type=bytes, value_serializer="raw")
    outputs = app.topic(target, value_type=bytes, value_serializer="raw")
    worker = mode.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    clock = new_clock()

    @app.agent(inputs)
    async def copy(stream: Any) -> None:
        async for values in stream.take(batch, within=0.1):
            begin(clock)
            sends = [await outputs.send(value=value) for value in values]
            await asyncio.wait(sends)
            end(clock, len(values))
            if clock["done"] >= records:
                worker._schedule_shutdown(signal.SIGTERM)

    with contextlib.suppress(SystemExit):
        worker.execute_from_commandline()
    return clock


def fill(brokers: str, topic: str, records: int, size: int) -> None:
    """Put ``records`` of ``size`` random bytes with a 16-byte key into ``topic``, round robin."""
    import random

    from confluent_kafka import Producer

    generator = random.Random(7)
    payloads = [generator.randbytes(size) for _ in range(64)]
    producer = Producer(
        {"bootstrap.servers": brokers, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000, "acks": "all"}
    )
    for n in range(records):
        while True:
            try:
                producer.produce(topic, payloads[n % 64], f"{n:016d}", partition=n % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
        if n % 10_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise SystemExit("the broker did not take the bench's input")


def make_topics(brokers: str, *names: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": brokers})
    for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        made.result()
    # Created is not led yet: the first request of each contender must not wait for an election.
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        known = admin.list_topics(timeout=10).topics
        if all(name in known and all(p.leader >= 0 for p in known[name].partitions.values()) for name in names):
            return
        time.sleep(0.2)
    raise SystemExit("the bench's topics have no leaders")


@contextlib.contextmanager
def broker(named: str | None) -> Iterator[str]:
    """The broker that was named, or the pinned Apache Kafka, started for this bench."""
    from deploy.kafka.kafka import running

    if named:
        yield named
        return
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as node:
        yield node.servers


def contend(name: str, brokers: str, source: str, records: int) -> tuple[float, float]:
    """Records per second and core-seconds per million records of one contender."""
    target = f"{source}-{name}-{uuid.uuid4().hex[:6]}"
    make_topics(brokers, target)
    command = [sys.executable, __file__, "--contender", name, "--brokers", brokers, "--records", str(records)]
    finished = subprocess.run(
        [*command, "--source", source, "--target", target], capture_output=True, text=True, timeout=600, cwd=ROOT
    )
    try:
        clock: Clock = json.loads(finished.stdout.splitlines()[-1])
        rate = clock["done"] / (clock["last"] - clock["first"])
        return rate, (clock["cores_last"] - clock["cores_first"]) / clock["done"] * 1e6
    except (IndexError, ValueError, KeyError):
        raise SystemExit(f"{name} did not finish:\n{finished.stderr[-3000:]}") from None


CONTENDERS = {
    "slabs-512": lambda *a: slabs(*a, slab_records=512),
    "slabs-2048": lambda *a: slabs(*a, slab_records=2048),
    "confluent": confluent,
    "stock": stock,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", help="HOST:PORT of an Apache Kafka; default: start the pinned one")
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--contender", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        clock = CONTENDERS[given.contender](given.brokers, given.source, given.target, given.records)
        sys.stdout.write(json.dumps(clock) + "\n")
        return
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    cores: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with broker(given.brokers) as brokers:
        source = f"bench-{uuid.uuid4().hex[:8]}"
        make_topics(brokers, source)
        fill(brokers, source, given.records, given.bytes)
        for _ in range(given.runs):
            for name in CONTENDERS:
                records = given.records // SLOWER if name == "stock" else given.records
                rate, core_seconds = contend(name, brokers, source, records)
                rates[name].append(rate)
                cores[name].append(core_seconds)
                sys.stderr.write(f"{name}: {rates[name][-1]:,.0f} records/s\n")
    median = {name: statistics.median(found) for name, found in rates.items()}
    best = max(median["slabs-512"], median["slabs-2048"])
    report = {
        "records": given.records,
        "bytes": given.bytes,
        "runs": given.runs,
        "records_per_second": {name: round(rate) for name, rate in median.items()},
        "core_seconds_per_million": {name: round(statistics.median(found), 2) for name, found in cores.items()},
        "load_average": os.getloadavg()[0],
        "spread": {name: [round(min(found)), round(max(found))] for name, found in rates.items()},
        "ratio_to_confluent": round(best / median["confluent"], 2),
        "ratio_to_stock_faust": round(best / median["stock"], 1),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
