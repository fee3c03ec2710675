"""Grafana's dashboards, written with its foundation SDK: ``python deploy/grafana/generate.py`` writes ``dashboards/``.

For developers: the JSON is committed, and a test holds it fresh. Every query reads metrics that a worker, a notifier or
a trainer exposes, or what ``prometheus/tocsin.rules.yml`` records of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.grafana.alarm import alarm
from deploy.grafana.model import model
from deploy.grafana.opinion import opinion
from deploy.grafana.pipeline import pipeline
from deploy.grafana.trainer import trainer

FOLDER = Path(__file__).parent / "dashboards"


def boards() -> Iterator[tuple[str, Any]]:
    """Every dashboard by the name of its file."""
    for make in (opinion, pipeline, model, trainer, alarm):
        yield f"{make.__name__}.json", make().build()


def text(board: Any) -> str:
    """The JSON as it is committed."""
    return str(JSONEncoder(sort_keys=True, indent=2).encode(board)) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, board in boards():
        (FOLDER / name).write_text(text(board), encoding="utf-8")
