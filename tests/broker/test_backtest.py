"""What ran live, killed and rebalanced, and what a backtest says of the same documents are the same alerts."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from streams.operate.flush import flush
from streams.settings import load
from tests.broker.fleet import eventually
from tests.broker.generator import Note, stream_of_records
from tests.broker.instance import Instance
from tests.broker.oracle import COMPARED
from tests.broker.scenario import Feed, come_to_rest, until_scored, watched_run

RECORDS = 4_000
"""Nearly three days of event time: two of them have their bad hours."""


@pytest.mark.timeout(400)
def test_alerts_of_two_workers_and_a_kill_are_those_of_the_backtest(instance: Instance) -> None:
    """News and reviews, in order of their times over eight partitions; the first worker dies half way."""
    notes = list(islice(stream_of_records(11), RECORDS))
    with watched_run(instance) as (generator, verifier, fleet):
        fleet.start(2)
        with Feed(generator, iter(notes), per_second=400) as feed:
            until_scored(verifier, fleet, RECORDS // 2)
            fleet.kill(0)
            fleet.mend()
            eventually(lambda: feed.sent == RECORDS, "everything is sent", seconds=120, meanwhile=fleet.mend)
        generator.settle()
        come_to_rest(verifier, fleet)
        _run_out(instance, notes)
        expected = _backtest(instance, notes)
        assert {alert["state"] for alert in expected.values()} >= {"firing", "resolved"}

        def told() -> bool:
            verifier.poll()
            return len(verifier.books.alerts) >= len(expected)

        eventually(told, "as many alerts as the backtest has", seconds=60, meanwhile=fleet.mend, told=fleet.said)
        found = {key: json.loads(value) for key, value in verifier.books.alerts.items()}
    assert {key: _compared(alert) for key, alert in found.items()} == {
        key: _compared(alert) for key, alert in expected.items()
    }


def _run_out(instance: Instance, notes: Iterable[Note]) -> None:
    settings, last_ms = load(instance.config), max(note.event_ms for note in notes)
    for topic in instance.topics.values():
        assert flush(settings, topic, last_ms, threading.Event())


def _backtest(instance: Instance, notes: list[Note]) -> dict[str, dict[str, Any]]:
    """The transitions that ``tocsin backtest`` tells of the same records, by id."""
    arguments = [f"{stream}={_file(instance, stream, notes)}" for stream in instance.topics]
    output = instance.folder / "alerts.jsonl"
    command = [
        sys.executable,
        "-m",
        "tocsin",
        "backtest",
        *arguments,
        "-o",
        str(output),
        "--config",
        str(instance.config),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    alerts = [json.loads(line) for line in output.read_text().splitlines()]
    return {alert["transition_id"]: alert for alert in alerts}


def _file(instance: Instance, stream: str, notes: list[Note]) -> Path:
    path = instance.folder / f"{stream}.jsonl"
    path.write_bytes(b"".join(note.value + b"\n" for note in notes if note.stream == stream))
    return path


def _compared(alert: dict[str, Any]) -> dict[str, Any]:
    return {field: alert[field] for field in COMPARED}
