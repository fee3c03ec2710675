"""Documents by their origin: the original records, still in the input topics where their retention allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kafka import KafkaConsumer, TopicPartition

from streams.intake import Intake
from streams.operate.client import broker_errors, kafka_python_options
from streams.records import Document, Origin
from streams.settings import Settings

PATIENCE_MS = 3_000
LOOKS = 3


class Originals:
    """Reads records at given places and takes them in as a worker would. Not for several threads at once.

    Raises:
        BrokerError: the cluster cannot be reached or refuses.
    """

    def __init__(self, settings: Settings, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._streams = {stream.topic: name for name, stream in settings.streams.items()}
        with broker_errors(settings, "looking up documents"):
            self._consumer = KafkaConsumer(
                **kafka_python_options(settings, "annotate"), enable_auto_commit=False, max_poll_records=1
            )

    def documents(self, origins: Iterable[Origin]) -> dict[Origin, Document]:
        """Those of ``origins`` that are still there and can be read; offline origins and vanished records are not."""
        wanted: dict[TopicPartition, list[int]] = defaultdict(list)
        for origin in set(origins):
            if origin.topic in self._streams:
                wanted[TopicPartition(origin.topic, origin.partition)].append(origin.offset)
        found: dict[Origin, Document] = {}
        with broker_errors(self._settings, "looking up documents"):
            for tp, offsets in wanted.items():
                if tp.partition not in (self._consumer.partitions_for_topic(tp.topic) or ()):
                    continue
                self._consumer.assign([tp])
                begin, end = self._consumer.beginning_offsets([tp])[tp], self._consumer.end_offsets([tp])[tp]
                for offset in sorted(offsets):
                    document = self._read(tp, offset) if begin <= offset < end else None
                    if document is not None:
                        found[document.origin] = document
        return found

    def close(self) -> None:
        self._consumer.close()

    def _read(self, tp: TopicPartition, offset: int) -> Document | None:
        self._consumer.seek(tp, offset)
        for _ in range(LOOKS):
            for record in self._consumer.poll(timeout_ms=PATIENCE_MS, max_records=1).get(tp, ()):
                if record.offset != offset:
                    return None  # compacted away
                origin = Origin(tp.topic, tp.partition, offset)
                read = self._intake.read(record.value, origin, record.timestamp, self._streams[tp.topic])
                return read if isinstance(read, Document) else None
        return None
