"""Real input from end to end: dated stock tweets replayed by event time through Apache Kafka.

    python tests/bench/stocknet.py [DATED.jsonl.gz] [--registry DIR] [--without D T]

DATED holds a row per tweet: `text`, `date` (ISO 8601, UTC), `id`, `entities` with `ticker` and `name`. It is
turned into input lines, sent with `tocsin replay`, scored and watched by one worker on the shipped release and
the default settings. JSON on stdout lists each incident of an entity: when it fired, on what, how rare.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from deploy.kafka.kafka import running
from models.assembly import ensure_shipped
from streams.records import Alert
from tests.bench.memory import Worker

SHARED = Path("../shared/data/stocknet_tweets/until_2015-06.jsonl.gz")


def input_lines(source: Path, target: Path, without: set[str]) -> int:
    """Write ``source`` as input lines; returns how many. Entities in ``without`` are left out, not their rows."""
    count = 0
    with gzip.open(source, "rt", encoding="utf-8") as rows, target.open("w", encoding="utf-8") as out:
        for row in map(json.loads, rows):
            entities = [{"name": e["name"]} for e in row["entities"] if e["ticker"] not in without]
            line = {"id": row["id"], "text": row["text"], "published_at": row["date"] + "Z", "source": "tweets"}
            out.write(json.dumps(line | {"lang": row.get("lang", ""), "entities": entities}) + "\n")
            count += 1
    return count


def alerts_of(servers: str, topic: str) -> list[Alert]:
    """Every transition on ``topic``, by incident and sequence."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench", "enable.auto.commit": False})
    parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = {part: consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=10)[1] for part in parts}
    consumer.assign([TopicPartition(topic, part, 0) for part in parts])
    found: list[Alert] = []
    left = sum(ends.values())
    while left > 0 and (messages := consumer.consume(500, timeout=10)):
        left -= len(messages)
        found += [msgspec.json.decode(m.value(), type=Alert) for m in messages if m.value() and not m.error()]
    consumer.close()
    return sorted(found, key=lambda alert: (alert.starts_at, alert.alert_id, alert.sequence))


def settled(worker: Worker) -> None:
    """Wait until the watcher has stopped ringing for a while."""
    known = -1
    topic = f"{worker.prefix}.alerts.v1"
    while (now := len(alerts_of(worker.servers, topic))) != known:
        known = now
        time.sleep(20)


def incident(transitions: list[Alert]) -> dict[str, Any]:
    fired = next(alert for alert in transitions if alert.state == "firing")
    worst = max(transitions, key=lambda alert: alert.score)
    return {
        "series": fired.series,
        "starts_at": fired.starts_at,
        "observed": worst.observed,
        "expected": round(worst.expected, 1),
        "share": round(worst.share, 2),
        "baseline_share": round(worst.baseline_share, 2),
        "score": round(worst.score, 1),
        "copies": worst.copies,
        "exemplar": worst.exemplars[0].title if worst.exemplars else "",
        "end": transitions[-1].state,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dated", type=Path, nargs="?", default=SHARED, help="default: %(default)s")
    parser.add_argument("--registry", default="var/registry")
    parser.add_argument("--without", nargs="*", default=["D", "T"], help="tickers that are mostly slang")
    given = parser.parse_args()
    if not given.dated.is_file():
        raise SystemExit(f"skipped: there is no {given.dated}; name a file of dated rows")
    ensure_shipped(given.registry)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "kafka") as node:
        lines = Path(folder) / "tweets.jsonl"
        count = input_lines(given.dated, lines, set(given.without))
        worker = Worker(node.servers, given.registry, "champion")
        begun = time.monotonic()
        with worker.running():
            command = [worker.command[0], "replay", str(lines), "--topic", f"{worker.prefix}-news", "--flush"]
            subprocess.run([*command, *worker.options], env=worker.environment, check=True, stdout=sys.stderr)
            settled(worker)
            transitions = alerts_of(worker.servers, f"{worker.prefix}.alerts.v1")
        seconds = time.monotonic() - begun
    by_incident: dict[str, list[Alert]] = {}
    for alert in transitions:
        by_incident.setdefault(alert.alert_id, []).append(alert)
    fired = [incident(some) for some in by_incident.values() if any(a.state == "firing" for a in some)]
    report = {
        "documents": count,
        "seconds": round(seconds),
        "transitions": len(transitions),
        "incidents": len(fired),
        "of_entities": [one for one in fired if one["series"].startswith("entity:") and "|" not in one["series"]],
        "of_others": len([one for one in fired if not one["series"].startswith("entity:") or "|" in one["series"]]),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
