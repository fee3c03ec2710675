"""The verbs that bring documents in from elsewhere: `tocsin ingest file`, `http` and `rss`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tocsin_models import Brokers, Config, Json, Prefix, settings

ingest_app = typer.Typer(no_args_is_help=True, help="Feed documents into an input topic.")
Topic = Annotated[str, typer.Option(help="Input topic to send to.")]


def leave(status: int) -> NoReturn:
    raise typer.Exit(status)


@ingest_app.command("file")
def ingest_file(
    input: Annotated[Path, typer.Argument(help="JSONL, CSV or Parquet.")],
    topic: Topic = "news",
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Send a file's documents into an input topic, keyed by id: sending it again changes no counts."""
    from streams.operate.feed import ingest_file as run

    leave(run(settings(config, brokers=brokers, prefix=prefix), input, topic))


@ingest_app.command("http")
def ingest_http(
    token_file: Annotated[Path, typer.Option("--token-file", help="File with what senders show as bearer token.")],
    topic: Topic = "news",
    host: Annotated[str, typer.Option(help="Beyond loopback put TLS before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 6069,
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Take documents by `POST /documents` (JSON, or one object a line) until stopped; answered when acknowledged."""
    from streams.operate.endpoint import run, token_in

    leave(run(settings(config, brokers=brokers, prefix=prefix), topic, host, port, token_in(token_file)))


@ingest_app.command("rss")
def ingest_rss(
    lists: Annotated[
        list[Path] | None, typer.Argument(metavar="LIST...", help="OPML, or an address a line; besides the settings'.")
    ] = None,
    topic: Topic = "news",
    once: Annotated[bool, typer.Option("--once", help="Look at each feed once, then report.")] = False,
    as_json: Json = False,
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Read RSS and Atom feeds into an input topic, politely, until stopped. What was sent is not sent again."""
    from streams.feeds.run import run

    leave(run(settings(config, brokers=brokers, prefix=prefix), lists or (), topic, once=once, as_json=as_json))
