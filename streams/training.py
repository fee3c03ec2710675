"""The settings of the trainer: when a cycle begins, what it may learn from, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from streams.section import Section


class TrainerSettings(Section):
    """The process that teaches releases, judges them and puts them in place."""

    port: int = Field(6071, ge=0, le=65535, description="health and metrics of the trainer, on `web.host`")
    database: Path | None = Field(
        None, description="its samples, labels, memory and cycles; default: `<prefix>-lessons.sqlite` in `state_dir`"
    )
    on_drift: bool = Field(True, description="a signal that calls for training is a reason for a cycle")
    new_labels: int = Field(500, ge=1, description="so many labels since the last cycle are a reason for one")
    every_hours: float = Field(168.0, ge=0, description="so long after the last cycle is a reason for one; 0: never")
    least_labels: int = Field(100, ge=1, description="no cycle begins with fewer labelled documents to learn from")
    least_anchors: int = Field(200, ge=1, description="nor with fewer to judge by, held back from all training")
    cooldown_hours: float = Field(
        6.0, ge=0, description="between two cycles; each in a row that promotes nothing doubles it, up to eightfold"
    )
    anchors: Path | None = Field(
        None, description="labelled rows of yours to judge by, beside those held back of the stream; never trained on"
    )
    rehearse: Path | None = Field(
        None, description="labelled rows of what the release knows, to begin the memory with; default: texts by rule"
    )
    most_of_one: float = Field(
        0.25, gt=0, le=1, description="part of the labels that one person, or the stars of one source, may give"
    )
    pseudo_labels: bool = Field(True, description="also teach what two releases and two readings of a text agree on")
    promote: bool = Field(True, description="what passed becomes champion; false: candidate, until you promote it")
    most_samples: int = Field(50_000, ge=1_000, description="documents kept; the oldest without a label go first")
    base: Path | None = Field(
        None, description="directory of the encoder that the releases are made of; default: the shipped one's"
    )
    rate: float = Field(5e-4, gt=0, le=0.1, description="learning rate of an update")
    epochs: int | None = Field(
        None, ge=1, description="passes of an update over its rows, at most; unset: three over 400 rows, six over 1,300"
    )
    most_seconds: float = Field(1_200.0, gt=0, description="an update ends after this, with what it has")
