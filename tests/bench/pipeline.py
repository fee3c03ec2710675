"""The real model through the whole line, against ONNX Runtime alone on the same batches.

    python tests/bench/pipeline.py [--tokens 32 128] [--documents 4096] [--runs 3] [--registry DIR]

R0: ONNX Runtime over the batches that the pipeline forms, tokenised beforehand. R1: tokenising and ONNX
Runtime. R2: Apache Kafka to Apache Kafka through ``tocsin worker --role score``, counted from the
acknowledged scored records. Runs alternate; JSON on stdout holds documents per second and their ratios.
The broker shares the cores with R2, so R2/R0 pays for it too.
"""

from __future__ import annotations

import argparse
import itertools
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

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.kafka.kafka import running
from models.assembly import ensure_shipped
from models.registry import Registry
from models.scorer import Scorer
from streams.demo.sample import history

PARTITIONS = 4
SLAB = 512
WARM = 0.1
"""Share of the scored records left out at the start: the first slabs pay for start-up."""


def texts(scorer: Scorer, tokens: int, count: int) -> list[str]:
    """``count`` distinct texts whose length is within an eighth of ``tokens``, from the demo's phrase banks."""
    sentences = [json.loads(record.value).get("text", "") for record in history(seed=11, days=2)]
    words: Iterator[str] = itertools.cycle(" ".join(sentences).split())
    made: list[str] = []
    for number in range(count):
        text = f"{number}"
        while True:
            (batch,) = scorer.prepare([text], [()])
            if batch.ids.shape[1] >= tokens:
                break
            text += " " + " ".join(itertools.islice(words, max(1, (tokens - batch.ids.shape[1]) // 2)))
        made.append(text)
    return made


def alone(scorer: Scorer, slabs: list[list[str]]) -> tuple[float, float]:
    """R0 and R1 in documents per second."""
    count = sum(map(len, slabs))
    begun = time.perf_counter()
    batches = [scorer.prepare(slab, [()] * len(slab)) for slab in slabs]
    prepared = time.perf_counter()
    for formed in batches:
        for batch in formed:
            scorer.infer(batch)
    ended = time.perf_counter()
    return count / (ended - prepared), count / (ended - begun)


def through_kafka(servers: str, prefix: str, registry: str, count: int) -> float:
    """R2: documents per second between the acknowledged records of a worker that starts on a full topic."""
    environment = {
        **os.environ,
        "TOCSIN_SCORING__REGISTRY": registry,
        "TOCSIN_STREAMS": json.dumps({"news": {"topic": f"{prefix}-news"}}),
        "TOCSIN_WEB__PORT": "0",
        "TOCSIN_STATE_DIR": tempfile.mkdtemp(prefix="tocsin-bench-"),
        "TOCSIN_KAFKA__SESSION_TIMEOUT_SECONDS": "10",
    }
    command = [str(Path(sys.executable).parent / "tocsin"), "worker", "--role", "score"]
    command += ["--brokers", servers, "--prefix", prefix, "--create-topics"]
    with tempfile.TemporaryFile() as log:
        worker = subprocess.Popen(command, env=environment, stderr=log)
        try:
            stamps = sorted(scored_at(servers, f"{prefix}.scored.v1", count, worker))
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)
    skipped = int(len(stamps) * WARM)
    # A slab's records share one time: count those after the first stamp that is kept.
    first = stamps[skipped]
    rest = [stamp for stamp in stamps if stamp > first]
    return len(rest) / ((stamps[-1] - first) / 1000)


def scored_at(servers: str, topic: str, count: int, worker: subprocess.Popen[bytes]) -> list[int]:
    """Broker times (ms) of ``count`` scored records, once they are all there."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    stamps: list[int] = []
    while len(stamps) < count:
        if worker.poll() is not None:
            raise SystemExit(f"the worker ended with {worker.returncode}")
        stamps += [message.timestamp()[1] for message in consumer.consume(1000, timeout=1.0) if not message.error()]
    consumer.close()
    return stamps


def fill(servers: str, prefix: str, slabs: list[list[str]]) -> None:
    """One slab after the other, each into the next partition, so that the worker cuts the same slabs."""
    topic = f"{prefix}-news"
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        made.result()
    producer = Producer({"bootstrap.servers": servers, "acks": "all"})
    for number, slab in enumerate(slabs):
        for row, text in enumerate(slab):
            body = json.dumps({"id": f"{number}-{row}", "text": text, "lang": "en"})
            producer.produce(topic, body, partition=number % PARTITIONS)
        producer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--documents", type=int, default=4096, help="at 32 tokens; fewer where texts are longer")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--registry", default="var/registry")
    given = parser.parse_args()
    ensure_shipped(given.registry)
    scorer = Scorer.load(Registry(given.registry).resolve("champion"))
    report: dict[str, Any] = {"release": scorer.release, "provider": scorer.provider, "precision": scorer.precision}
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as node:
        for tokens in given.tokens:
            count = max(4 * SLAB, given.documents * 32 // tokens // SLAB * SLAB)
            made = texts(scorer, tokens, count)
            slabs = [made[at : at + SLAB] for at in range(0, count, SLAB)]
            rates: dict[str, list[float]] = {"r0": [], "r1": [], "r2": []}
            for _ in range(given.runs):
                r0, r1 = alone(scorer, slabs)
                prefix = f"bench-{uuid.uuid4().hex[:8]}"
                fill(node.servers, prefix, slabs)
                r2 = through_kafka(node.servers, prefix, given.registry, count)
                for name, rate in zip(rates, (r0, r1, r2), strict=True):
                    rates[name].append(rate)
                sys.stderr.write(f"{tokens} tokens: R0 {r0:.0f}, R1 {r1:.0f}, R2 {r2:.0f} documents/s\n")
            median = {name: statistics.median(found) for name, found in rates.items()}
            report[f"{tokens} tokens"] = {
                "documents": count,
                "documents_per_second": {name: round(rate, 1) for name, rate in median.items()},
                "spread": {name: [round(min(some), 1), round(max(some), 1)] for name, some in rates.items()},
                "pipeline_to_onnxruntime": round(median["r2"] / median["r0"], 3),
                "pipeline_to_tokenise_and_onnxruntime": round(median["r2"] / median["r1"], 3),
            }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
