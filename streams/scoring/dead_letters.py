"""A record that cannot become a scored document, as it goes to its dead-letter topic. Pure."""

from __future__ import annotations

from functools import cache
from importlib import metadata

import msgspec

from streams.delivery.outputs import Output
from streams.delivery.slabs import Record
from streams.records import Origin, Rejection
from streams.topics import dead_letter_value, error_headers

ORIGIN_HEADER = "origin"
VERSION_HEADER = "tocsin.version"
RELEASE_HEADER = "tocsin.release"
ATTEMPTS_HEADER = "tocsin.attempts"
REPLAYABLE_HEADER = "tocsin.replayable"


def dead_letter(
    topic: str, partition: int, record: Record, origin: Origin, rejection: Rejection, release: str, attempts: int
) -> Output:
    """The dead letter of ``record``: its key, value and headers, then where it came from and what was wrong.

    ``attempts`` counts how often the record was taken in hand. Of a value too large for its topic a prefix is
    kept and said to be one.
    """
    value, prefix_headers = dead_letter_value(record.value)
    said = [
        *error_headers(origin, rejection.stage, rejection.error, rejection.message),
        (ORIGIN_HEADER, msgspec.json.encode(origin)),
        (VERSION_HEADER, version().encode()),
        (RELEASE_HEADER, release.encode()),
        (ATTEMPTS_HEADER, str(attempts).encode()),
        *prefix_headers,
        *([(REPLAYABLE_HEADER, b"false")] if prefix_headers else []),
    ]
    ours = {name for name, _ in said}
    return Output(topic, partition, record.key, value, [*(h for h in record.headers if h[0] not in ours), *said])


@cache
def version() -> str:
    """tocsin's own version."""
    try:
        return metadata.version("tocsin")
    except metadata.PackageNotFoundError:  # a checkout that was not installed
        return "0+unknown"
