"""Which alerts must there be? A fresh watcher, without Kafka, over what the observations topic holds.

The detector is not written a second time: the oracle runs ``streams.watch``, which is pure and has oracles of
its own. What is not taken from the code under test is everything that delivery could spoil: repeats are cut
out here by counting offsets, and nothing is restored, resumed or acknowledged. That the observations are those
of the scored records is what the verifier has counted before.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from streams.records import Alert, Observations, encode
from streams.settings import load
from streams.watch.watcher import Watcher
from tests.broker.books import Names
from tests.broker.tail import Place, Tail

COMPARED = (
    *("alert_id", "sequence", "rule", "series", "state", "starts_at", "ends_at"),
    *("observed", "expected", "total", "share", "baseline_share", "score", "threshold", "copies"),
)


def expected_alerts(servers: str, names: Names, config: Path, partitions: int) -> dict[str, dict[str, Any]]:
    """Every transition that the log of observations asks for, by its id."""
    settings = load(config)
    sources = dict.fromkeys(names.inputs, partitions)
    watchers = {home: Watcher(home, settings.watch, settings.rules, sources) for home in range(partitions)}
    marks: dict[tuple[int, Place], int] = defaultdict(lambda: -1)
    due: list[Alert] = []
    with Tail(servers, [names.observations]) as tail:
        for record in tail.read_whole():
            message = msgspec.json.decode(record.value, type=Observations)
            key = (record.partition, (message.topic, message.partition))
            due += watchers[record.partition].apply(_without_repeats(message, marks[key]))
            marks[key] = max(marks[key], message.last)
    return {alert.transition_id: json.loads(encode(alert)) for alert in due}


def _without_repeats(message: Observations, mark: int) -> Observations:
    """The part of ``message`` behind offset ``mark``."""
    if message.first > mark:
        return message
    kept = [at for at, document in enumerate(message.documents) if document.offset > mark]
    place = {old: new for new, old in enumerate(kept)}
    return msgspec.structs.replace(
        message,
        first=mark + 1,
        last=max(message.last, mark),
        documents=tuple(message.documents[at] for at in kept),
        items=tuple(
            msgspec.structs.replace(item, document=place[item.document])
            for item in message.items
            if item.document in place
        ),
    )


def differences(found: dict[str, bytes], expected: dict[str, dict[str, Any]]) -> list[str]:
    """What is missing, too much or different among the transitions on the alerts topic."""
    told = [f"missing: {_told(alert)}" for key, alert in expected.items() if key not in found]
    for key, value in found.items():
        alert = json.loads(value)
        if key not in expected:
            told.append(f"false: {_told(alert)}")
            continue
        for field in COMPARED:
            if alert[field] != expected[key][field]:
                told.append(f"{_told(alert)}: {field} is {alert[field]}, not {expected[key][field]}")
    return told


def _told(alert: dict[str, Any]) -> str:
    return f"{alert['series']} {alert['state']} {alert['starts_at']} #{alert['sequence']}"
