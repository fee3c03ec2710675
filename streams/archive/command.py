"""``tocsin search``: the archive asked from the command line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.errors import ModelError
from models.scorer import Scorer
from streams.archive.entries import AlertEntry, Floats
from streams.archive.questions import Wanted, embedded, filters_of, names_of, told
from streams.archive.search import Answer, How, search
from streams.archive.shelves import SqliteShelves
from streams.archive.store import MARKS
from streams.archive.words import expressions
from streams.intake import WatchList
from streams.offline.scoring import open_scorer
from streams.operate.terminal import harmless
from streams.scored import SENTIMENTS
from streams.settings import ScoringSettings, Settings

SECONDS = 30.0
STYLE = {"negative": "red", "neutral": "", "positive": "green"}


class Embedder:
    """Embeds questions by the releases of the registry, each loaded when it is first asked."""

    def __init__(self, settings: ScoringSettings) -> None:
        self._settings = settings
        self._scorers: dict[str, Scorer | None] = {}

    def __call__(self, release: str, text: str) -> Floats | None:
        if release not in self._scorers:
            try:
                self._scorers[release] = open_scorer(self._settings, release)
            except ModelError:
                self._scorers[release] = None
        scorer = self._scorers[release]
        return None if scorer is None else embedded(scorer, text)


def run(settings: Settings, wanted: Wanted, *, how: How, most: int, alerts: bool, as_json: bool) -> int:
    """Print what is found; exit status 1 where nothing is.

    Raises:
        InputError: there is no archive, or the question cannot be understood or answered.
    """
    with SqliteShelves(settings.archive_path, SECONDS) as shelves:
        filters = filters_of(
            shelves, wanted, names_of(WatchList.load(settings.intake.watchlist)), time.time_ns() // 1_000_000
        )
        if alerts:
            asked = expressions(wanted.question)
            found = shelves.alerts(asked[-1] if asked else "", filters, most)
            _print_alerts(found, as_json)
            return 0 if found else 1
        answer = search(shelves, wanted.question, filters, Embedder(settings.scoring), how=how, most=most)
    _print(answer, as_json)
    return 0 if answer.found else 1


def _print(answer: Answer, as_json: bool) -> None:
    if as_json:
        documents = []
        for found in answer.found:
            document = told(found)
            del document["marked"]
            documents.append(document)
        typer.echo(msgspec.json.encode({"documents": documents, "notes": answer.notes}).decode())
        return
    table = Table(box=None, pad_edge=False, show_header=bool(answer.found))
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("sentiment", no_wrap=True)
    table.add_column("document", overflow="fold")
    for found in answer.found:
        entry = found.kept.entry
        mood = SENTIMENTS[entry.mood]
        names = ", ".join(name for _, name, _ in entry.rest.entities[:4])
        about = " · ".join(part for part in (entry.source, entry.rest.topic, names, entry.id) if part)
        title = Text(harmless(entry.title, 160) or "(without a title)", style="bold")
        body = _marked(found.kept.marked) if found.kept.marked else Text(harmless(entry.text, 200))
        cell = Text("\n").join([title, *([body] if body.plain != title.plain else []), Text(harmless(about), "dim")])
        table.add_row(_clock(entry.event_ms), Text(mood, style=STYLE[mood]), cell)
    _show(table, answer.notes or ([] if answer.found else ["nothing found"]))


def _print_alerts(found: Sequence[AlertEntry], as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode({"alerts": [entry.alert for entry in found]}).decode())
        return
    table = Table(box=None, pad_edge=False, show_header=bool(found))
    for column in ("since (UTC)", "state", "alert"):
        table.add_column(column, no_wrap=column != "alert", overflow="fold")
    for entry in found:
        alert = entry.alert
        lines = [Text(harmless(alert.series), style="bold"), Text(harmless(alert.summary, 300))]
        lines.append(Text(alert.alert_id[:12], style="dim"))
        table.add_row(_clock(entry.starts_ms), f"{alert.severity}, {alert.state}", Text("\n").join(lines))
    _show(table, [] if found else ["nothing found"])


def _show(table: Table, notes: Sequence[str]) -> None:
    console = Console(highlight=False)
    if table.row_count:
        console.print(table)
    for note in notes:
        typer.echo(note, err=True)


def _marked(text: str) -> Text:
    """A part of a document with its words in bold."""
    shown = Text()
    for place, piece in enumerate(text.replace(MARKS[1], MARKS[0]).split(MARKS[0])):
        shown.append(_line(piece), style="bold yellow" if place % 2 else "")
    return shown


def _line(piece: str) -> str:
    """``piece`` made harmless, with the spaces at its ends."""
    core = harmless(piece, 2_000)
    return f"{' ' if piece[:1].isspace() else ''}{core}{' ' if core and piece[-1:].isspace() else ''}"


def _clock(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "?"
