"""``tocsin explain``: a text, what the release calls it, and the words that made it say so."""

from __future__ import annotations

import json
import re
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from models.explain import Attribution, explain
from models.labels import SENTIMENTS
from models.scorer import Scorer
from streams.errors import InputError
from streams.offline.scoring import open_scorer
from streams.settings import Settings

SHOWN = 8
"""Words listed under the text, the heaviest first."""


def run(
    settings: Settings, text: str, entity: str | None, target: str, release: str | None, *, as_json: bool = False
) -> int:
    """Explain ``text`` on standard output and return the exit status 0.

    Raises:
        InputError: the text is empty or does not name the entity, or the release knows no such target.
        ModelError: the release cannot be used.
    """
    if not text.strip():
        raise InputError("there is no text to explain")
    span = _find(text, entity) if entity is not None else None
    scorer = open_scorer(settings.scoring, release)
    try:
        found = explain(scorer, text, span, target)
    except ValueError as exc:
        raise InputError(str(exc)) from exc
    said = _said(scorer, text, span)
    if as_json:
        report = {**said, "target": target, "entity": entity, "words": [_row(text, one) for one in found]}
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _show(Console(highlight=False), text, span, entity, said, found)
    return 0


def _find(text: str, name: str) -> tuple[int, int]:
    match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
    if match is None:
        raise InputError(f"the text does not name {name!r:.80}")
    return match.span()


def _said(scorer: Scorer, text: str, span: tuple[int, int] | None) -> dict[str, Any]:
    scores = scorer.score([text], [[span] if span else []])
    sentiment = scores.entities[0][0] if span else scores.sentiment[0]
    return {
        "release": scorer.release,
        "sentiment": dict(zip(SENTIMENTS, (round(float(p), 4) for p in sentiment), strict=True)),
        "topics": {
            name: {scorer.taxonomies[name][int(table[0].argmax())]: round(float(table[0].max()), 4)}
            for name, table in scores.topics.items()
        },
        "truncated": bool(scores.truncated[0]),
    }


def _row(text: str, one: Attribution) -> dict[str, Any]:
    return {"word": text[one.start : one.end], "start": one.start, "end": one.end, "weight": one.weight}


def _show(
    console: Console,
    text: str,
    span: tuple[int, int] | None,
    entity: str | None,
    said: dict[str, Any],
    found: list[Attribution],
) -> None:
    painted = Text(text)
    heaviest = max((abs(one.weight) for one in found), default=0.0) or 1.0
    for one in found:
        share = one.weight / heaviest
        if abs(share) >= 0.15:
            colour = "green" if share > 0 else "red"
            painted.stylize(f"bold {colour}" if abs(share) >= 0.5 else colour, one.start, one.end)
    if span:
        painted.stylize("underline", *span)
    console.print(painted)
    mood = max(said["sentiment"], key=lambda name: said["sentiment"][name])
    about = f" toward {escape(entity)}" if entity else ""
    calls = (next(iter(call.items())) for call in said["topics"].values())
    topics = ", ".join(f"{escape(label)} {share:.2f}" for label, share in calls)
    console.print(f"\n[bold]{mood}[/] {said['sentiment'][mood]:.2f}{about}; {topics} [dim]({said['release']})[/]")
    table = Table("weight", "word", box=None, pad_edge=False)
    for one in sorted(found, key=lambda one: -abs(one.weight))[:SHOWN]:
        table.add_row(f"{one.weight:+.2f}", Text(text[one.start : one.end]))
    console.print(table)
    if said["truncated"]:
        console.print("[dim]The text is longer than what is read; the rest has no say.[/]")
