"""Feeding an input topic from a file: all at once, or by its event times at a chosen speed.

Records are keyed by document id and acknowledged by all replicas; the producer is idempotent, so a retry
on the wire makes no second record, and downstream a file sent twice counts once. A record keeps the moment
it is sent as its Kafka timestamp, also in a replay: the broker deletes by that timestamp, and would throw
an old history away as soon as it came; when something happened is for ``published_at`` to say.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from kafka import KafkaProducer
from kafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.errors import BrokerError, InputError
from streams.operate.admin import require_topic
from streams.operate.client import broker_errors, kafka_python_options
from streams.operate.flush import flush as close_windows
from streams.operate.rows import BadRow, Row, rows, shifted
from streams.settings import Settings

MOST_IN_FLIGHT = 5_000
"""Records handed to the client and not acknowledged yet; it has no bound of its own."""
REPORTED = 5
INTERRUPTED = 130
"""Exit status after a signal: what was sent is on the broker, the rest of the file is not."""

Pace = Callable[[int], bool]
"""Given an event time in ms, waits until it is due; ``False`` ends the feeding."""


@dataclass
class Tally:
    """What became of a file's rows."""

    sent: int = 0
    refused: int = 0

    def refuse(self, row: BadRow) -> None:
        """Count a row that cannot be sent; the first few are told of."""
        self.refused += 1
        if self.refused <= REPORTED:
            typer.echo(f"row {row.number}: {row.error}", err=True)
        elif self.refused == REPORTED + 1:
            typer.echo("further rows that cannot be sent are only counted", err=True)


def ingest_file(settings: Settings, path: Path, topic: str) -> int:
    """Send every document of ``path`` to input ``topic``; prints how many. Exit status.

    Raises:
        InputError: the file cannot be used, or ``topic`` is no input of these settings.
        TopicsError: the topic does not exist.
        BrokerError: the cluster cannot be reached, or did not take a record.
    """
    with _stop_on_signals() as stop:
        return _feed(settings, rows(path), topic, lambda _: not stop.is_set(), total=None)


def replay(settings: Settings, path: Path, topic: str, *, speed: float, shift_to_now: bool, flush: bool = False) -> int:
    """Send the documents of ``path`` in the order of their event times. Exit status.

    ``speed`` is event seconds per second (60: an hour a minute; 0: as fast as it goes). ``shift_to_now``
    moves all times equally, so that the last one is the present: moved further, documents would come from
    the future and be refused. Rows without ``published_at`` cannot be placed and are not sent. ``flush`` waits
    until the workers have scored everything, and closes the last windows.

    Raises:
        InputError, TopicsError, BrokerError: as :func:`ingest_file`.
    """
    found = _timed(rows(path))
    in_order = sorted((row for row in found if isinstance(row, Row)), key=lambda row: (row.event_ms or 0, row.number))
    bad = [row for row in found if isinstance(row, BadRow)]
    if not in_order:
        raise InputError(f"{path}: no document in it says when it was published (published_at)")
    if shift_to_now:
        by_ms = time.time_ns() // 1_000_000 - (in_order[-1].event_ms or 0)
        in_order = [shifted(row, by_ms) for row in in_order]
    with _stop_on_signals() as stop:
        pace = _pace(in_order[0].event_ms or 0, speed, stop)
        status = _feed(settings, [*bad, *in_order], topic, pace, total=len(in_order) + len(bad))
        if flush and status == 0:
            last_ms = in_order[-1].event_ms or 0
            status = 0 if close_windows(settings, input_topic(settings, topic), last_ms, stop) else INTERRUPTED
    return status


def _timed(found: Iterable[Row | BadRow]) -> list[Row | BadRow]:
    return [
        BadRow(row.number, "no published_at that can be read") if isinstance(row, Row) and row.event_ms is None else row
        for row in found
    ]


def _pace(first_ms: int, speed: float, stop: threading.Event) -> Pace:
    started = time.monotonic()

    def wait(event_ms: int) -> bool:
        if speed <= 0:
            return not stop.is_set()
        due = started + (event_ms - first_ms) / 1000 / speed
        return not stop.wait(max(0.0, due - time.monotonic()))

    return wait


def _feed(settings: Settings, found: Iterable[Row | BadRow], topic: str, pace: Pace, total: int | None) -> int:
    """Send ``found`` to ``topic``, row by row as ``pace`` allows; returns the exit status."""
    name = input_topic(settings, topic)
    tally, complete = Tally(), True
    with broker_errors(settings, f"feeding {name}"), _producer(settings) as producer, _progress(name, total) as advance:
        in_flight: deque[tuple[Row, Any]] = deque()
        for row in found:
            if isinstance(row, BadRow):
                tally.refuse(row)
            elif pace(row.event_ms or 0):
                in_flight.append((row, producer.send(name, key=row.id.encode(), value=row.value)))
            else:
                complete = False
                break
            while len(in_flight) > MOST_IN_FLIGHT or (in_flight and in_flight[0][1].is_done):
                tally.sent += _settled(settings, *in_flight.popleft())
            advance()
        producer.flush()
        for row, future in in_flight:
            tally.sent += _settled(settings, row, future)
    typer.echo(f"{tally.sent} sent to {name}, {tally.refused} could not be" + ("" if complete else "; stopped early"))
    return 0 if complete else INTERRUPTED


def _settled(settings: Settings, row: Row, future: Any) -> int:
    try:
        future.get(timeout=settings.kafka.delivery_timeout_seconds)
    except KafkaError as exc:
        raise BrokerError(
            f"row {row.number} was not taken by {', '.join(settings.brokers)}: {type(exc).__name__}: "
            f"{str(exc)[:200]}; send the file again, rows that were taken count once"
        ) from exc
    return 1


def input_topic(settings: Settings, topic: str) -> str:
    """The topic that ``topic`` means: a stream's name in the settings, or an input topic itself."""
    name = settings.streams[topic].topic if topic in settings.streams else topic
    if name not in settings.topics.inputs:
        raise InputError(
            f"{topic!r} is not an input topic of these settings, so nothing would read it; there are: "
            f"{', '.join(settings.topics.inputs)}"
        )
    require_topic(settings, name)
    return name


@contextmanager
def _producer(settings: Settings) -> Iterator[Any]:
    producer = KafkaProducer(
        **kafka_python_options(settings, "feed"),
        acks="all",
        linger_ms=10,
        batch_size=128 * 1024,
        delivery_timeout_ms=int(settings.kafka.delivery_timeout_seconds * 1000),
        max_request_size=2 * 1024 * 1024,
    )
    try:
        yield producer
    finally:
        producer.close(timeout=settings.kafka.delivery_timeout_seconds)


@contextmanager
def _progress(name: str, total: int | None) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"feeding {name}", total=total)
        yield lambda: bar.advance(task)


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set while the block runs (in the main thread; elsewhere it stays unset)."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
