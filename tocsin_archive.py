"""The verbs about looking back: keeping what was heard, and finding it again.

A part of :mod:`tocsin`, which stays short enough to read in one sitting.
"""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from tocsin_models import Brokers, Config, Json, Prefix, settings


class Mood(enum.StrEnum):
    negative = "negative"
    neutral = "neutral"
    positive = "positive"


class How(enum.StrEnum):
    both = "both"
    words = "words"
    meaning = "meaning"


When = "2026-01-05, 2026-01-05T12:30, or so long ago: 36h (m, h, d, w)."


def archive(config: Config = None, brokers: Brokers = None, prefix: Prefix = None) -> None:
    """Keep scored documents and alerts in a SQLite file, masked, for `tocsin search` and the live page; until stopped.

    Each document is in it once, whatever happens on the way. What is older than `archive.keep_days` is forgotten.
    """
    from streams.archive.archivist import run

    raise typer.Exit(run(settings(config, brokers=brokers, prefix=prefix)))


def search(
    question: Annotated[str, typer.Argument(help="Words, a question, or nothing: then the newest.")] = "",
    entity: Annotated[str, typer.Option(help="Only about this company: its id or its name.")] = "",
    topic: Annotated[str, typer.Option(help="Only about this topic.")] = "",
    series: Annotated[str, typer.Option(help="Only of this series, such as entity:acme|topic:Recall.")] = "",
    alert: Annotated[str, typer.Option(help="Only what an alert rang for: its id, or the beginning of it.")] = "",
    sentiment: Annotated[Mood | None, typer.Option(help="Toward the company where one is named.")] = None,
    stream: Annotated[str, typer.Option(help="Only from this stream, such as news.")] = "",
    source: Annotated[str, typer.Option(help="Only from this source.")] = "",
    since: Annotated[str, typer.Option(help=f"From this time of the stream on: {When}")] = "",
    until: Annotated[str, typer.Option(help="Before this time of the stream.")] = "",
    how: Annotated[How, typer.Option(help="By words, by meaning, or by both.")] = How.both,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 10,
    alerts: Annotated[bool, typer.Option("--alerts", help="Look for alerts, not for documents.")] = False,
    as_json: Json = False,
    config: Config = None,
    prefix: Prefix = None,
) -> None:
    """Find documents and alerts in the archive, by words and by meaning.

    "In quotation marks" is looked for as it stands, a star stands for endings. Exit status 1 where nothing is found.
    """
    from streams.archive.command import run
    from streams.archive.questions import Wanted

    wanted = Wanted(
        question, entity, topic, series, alert, sentiment.value if sentiment else "", stream, source, since, until
    )
    loaded = settings(config, prefix=prefix)
    raise typer.Exit(run(loaded, wanted, how=how.value, most=limit, alerts=alerts, as_json=as_json))
