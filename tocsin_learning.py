"""The verbs about learning: what people say, and the trainer that listens to it.

A part of :mod:`tocsin`, which stays short enough to read in one sitting.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from tocsin_models import Brokers, Config, Prefix, settings


class Say(enum.StrEnum):
    acknowledge = "acknowledge"
    dismiss = "dismiss"
    confirm = "confirm"


def feedback(
    alert_id: Annotated[
        str,
        typer.Argument(metavar="ALERT_ID|FILE", help="An alert's id, its first six characters, or JSONL of labels."),
    ],
    verdict: Annotated[
        Say | None,
        typer.Argument(help="acknowledge: I am on it. dismiss: false alarm. confirm: it is true. None with a file."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who says so; default: who is logged in.")] = None,
    note: Annotated[str, typer.Option(help="Why; kept with the word.")] = "",
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Say what you think of an alert, or what documents are.

    What is acknowledged is not repeated until it is over; what is dismissed is over at once and counts as false.

    A file has a label on each line, {"id", "sentiment"} of a document that was sampled or {"text", "sentiment"} of
    any, with `topic` (and `taxonomy`), `by`, `source` and `note` if you like: the trainer learns from them. A line
    without a label takes back what the same person said of it before.
    """
    loaded = settings(config, brokers=brokers, prefix=prefix)
    if verdict is None:
        from streams.operate.labels import send_file

        raise typer.Exit(send_file(loaded, Path(alert_id), by))
    from streams.operate.verdicts import say

    word = say(loaded, alert_id, verdict.value, by, note)
    typer.echo(f"{word.verdict} {word.alert_id} by {word.by}")


def trainer(
    once: Annotated[bool, typer.Option("--once", help="Catch up, run a cycle if there is reason, end.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run a cycle without a reason.")] = False,
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Teach releases from samples and labels, judge them, and put in place what is better; until stopped.

    Needs the extra `train`. With --once the exit status says what came of it: 0 a release was promoted, 1 the gate
    refused it, 3 there was no reason for a cycle, 4 nothing was learnt that helped, 70 it failed.
    """
    from trainer.cycle.process import run

    raise typer.Exit(run(settings(config, brokers=brokers, prefix=prefix), once=once, force=force))
