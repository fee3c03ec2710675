"""What a cycle's own process does: look the labels over, learn, write a release, have it judged.

Run as ``python -m trainer.cycle.workshop FOLDER PARENT``; the stages it comes to are lines on standard output. What it
has done is in files of the folder, so that, killed and started again, it goes on with what is left.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import structlog

from models.errors import ModelError
from models.release import write_durably
from models.scorer import Scorer
from trainer.cycle.choosing import Given
from trainer.cycle.job import JOB, LEARNT, MATERIAL, VERDICT, Job, Learnt, Material, read_learnt
from trainer.data import Example
from trainer.errors import TrainerError
from trainer.evaluate import SLAB
from trainer.learning import pseudo
from trainer.learning.givers import liars
from trainer.learning.suspects import contradicted, predicted, suspects

MOST_TAUGHT = 1_000
"""Unlabelled texts on which the champion teaches."""
MOST_JUDGED = 2_000
LOOK_SECONDS = 1.0
log = structlog.get_logger(__name__)


def main(folder: Path) -> int:
    """Do what is left to do in ``folder``. Exit status: 0, or 1 where it cannot be done."""
    job = msgspec.json.decode((folder / JOB).read_bytes(), type=Job)
    material = msgspec.json.decode((folder / MATERIAL).read_bytes(), type=Material)
    try:
        learnt = read_learnt(folder)
        if learnt is None:
            learnt = _learn(job, material)
            write_durably(folder / LEARNT, msgspec.json.encode(learnt))
        if learnt.alpha > 0 and not (folder / VERDICT).is_file():
            _tell("judging")
            verdict = _judged(job, material, set(learnt.distrusted))
            write_durably(folder / VERDICT, json.dumps(verdict, ensure_ascii=False).encode())
    except (ModelError, TrainerError) as exc:
        log.error("a cycle cannot be done", cycle=job.cycle, reason=str(exc)[:500])
        return 1
    return 0


def _learn(job: Job, material: Material) -> Learnt:
    champion, target = Path(job.champion), Path(job.target)
    _tell("reading")
    scorer = Scorer.load(champion, provider="cpu")
    checked = _checked(scorer, material)
    guessed = _guessed(job, scorer, material, len(checked.rows))
    del scorer
    _tell("learning")
    from trainer.gate import behaviour
    from trainer.learning.desk import Model, Rates, is_held
    from trainer.learning.update import update
    from trainer.refill import write_release

    guessed = [row for row in guessed if not is_held(row.text)]  # such rows choose how much is learnt
    texts = [row.text for row in material.unlabelled[1::2]][-MOST_TAUGHT:]
    updated = update(
        Model.of(champion),
        [*(given.example for given in checked.rows), *guessed],
        material.memory,
        base=Path(job.base),
        tokenizer=champion / "tokenizer.json",
        unlabelled=texts,
        spared=behaviour.texts(),  # the gate asks for them, too
        rates=Rates(rate=job.rate, head_rate=job.rate, epochs=job.epochs, seconds=job.seconds),
    )
    labels = Counter(given.kind for given in checked.rows) + Counter({"pseudo": len(guessed)})
    if updated.alpha > 0:
        _tell("writing")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        taught = [*(given.example.text for given in checked.rows), *(row.text for row in guessed)]
        write_release(
            champion,
            updated.model.weights,
            target,
            version=job.version,
            temperatures=updated.model.temperatures,
            held=_unseen(material),
            training=_lineage(job, labels, taught, updated.alpha),
            metrics=updated.figures,
            notes=job.told,
            now=datetime.fromtimestamp(job.begun_ms / 1000, UTC),
        )
    sure = {row.text for row in guessed}
    return Learnt(
        updated.alpha,
        updated.figures,
        [given.id for given in checked.rows],
        dict(labels),
        dict(checked.set_aside),
        sorted(checked.distrusted),
        [row for row in updated.remember if row.example.text not in sure],
    )


def _lineage(job: Job, labels: Counter[str], taught: Sequence[str], alpha: float) -> dict[str, Any]:
    from trainer.gate.judge import LEARNT as MARKS
    from trainer.gate.judge import mark_of

    return {
        "cycle": job.cycle,
        "reason": job.told,
        "labels": dict(labels),
        "alpha": alpha,
        MARKS: sorted({mark_of(text) for text in taught}),
    }


class _Checked(msgspec.Struct):
    """Rows to learn, what was set aside, and who is not to be believed."""

    rows: list[Given]
    set_aside: Counter[str]
    distrusted: set[str]


def giver_of(given: Given) -> str:
    """Who or what gave a label, as one name."""
    return f"{given.kind}:{given.giver}"


def _checked(scorer: Scorer, material: Material) -> _Checked:
    """Look the labels over: stars that are probably wrong are not learnt, and nothing of who is often wrong."""
    every = [*material.learn, *material.anchors, *material.recent]
    asked = [given for given in every if given.example.sentiment is not None]
    if not asked:
        return _Checked(list(material.learn), Counter(), set())
    labels = [given.example.sentiment or 0 for given in asked]
    embedding = np.concatenate([part.embedding for part in _scored(scorer, [one.example.text for one in asked])])
    probs = predicted(embedding.astype(np.float64), labels)
    doubtful = suspects(probs, labels)
    distrusted = liars([giver_of(given) for given in asked], contradicted(probs, labels))
    doubted = {given.id for given, doubt in zip(asked, doubtful, strict=True) if doubt and given.kind == "stars"}
    set_aside: Counter[str] = Counter()
    rows: list[Given] = []
    for given in material.learn:
        if giver_of(given) in distrusted:
            set_aside["distrusted"] += 1
        elif given.id in doubted:
            set_aside["doubtful"] += 1
        else:
            rows.append(given)
    for giver in sorted(distrusted):
        log.warning("labels that contradict all others are set aside", giver=giver[:100])
    return _Checked(rows, set_aside, distrusted)


def _guessed(job: Job, scorer: Scorer, material: Material, most: int) -> list[Example]:
    """Unlabelled rows with what two releases and two readings agree on."""
    if not job.pseudo or not job.teacher or not material.unlabelled:
        return []
    texts = [row.text for row in material.unlabelled]
    first, second = (_sentiments(scorer, some) for some in (texts, [pseudo.second_view(text) for text in texts]))
    try:
        teacher = _sentiments(Scorer.load(Path(job.teacher), provider="cpu"), texts)
    except ModelError as exc:
        log.warning("no second opinion on unlabelled texts", reason=str(exc)[:300])
        return []
    found = pseudo.guarded(first, second, teacher, first.mean(0), most)
    return [
        replace(material.unlabelled[one.at], sentiment=int(np.argmax(one.soft)), soft=one.soft, weight=pseudo.WEIGHT)
        for one in found
    ]


def _unseen(material: Material) -> list[Example]:
    """Rows that nothing was learnt from, for the candidate's reference: by stream, as drift is heard by stream."""
    judged = [replace(one.example, source=one.stream or "feedback") for one in (*material.anchors, *material.recent)]
    return [*judged, *material.unlabelled[0::2]]


def _judged(job: Job, material: Material, distrusted: set[str]) -> dict[str, Any]:
    """The verdict on the candidate, as it is kept in the registry."""
    from trainer.gate.judge import Sets, judge, keep

    def believed(some: Sequence[Given]) -> list[Example]:
        return [replace(one.example, soft=None) for one in some if giver_of(one) not in distrusted]

    anchors, recent = believed(material.anchors), believed(material.recent)
    texts = [row.text for row in material.unlabelled][-MOST_JUDGED:]
    sets = Sets([*material.own, *anchors], recent, texts)
    verdict = judge(Path(job.target), Path(job.champion), sets, base=Path(job.base), drifted=job.drifted)
    for check in verdict.checks:
        log.info("check", check=check.name, held=check.held, why=check.why[:300])
    return keep(verdict, Path(job.registry)).as_dict()


def _scored(scorer: Scorer, texts: Sequence[str]) -> list[Any]:
    return [scorer.score(list(texts[at : at + SLAB])) for at in range(0, len(texts), SLAB)]


def _sentiments(scorer: Scorer, texts: Sequence[str]) -> Any:
    return np.concatenate([scores.sentiment for scores in _scored(scorer, texts)]).astype(np.float64)


def _tell(stage: str) -> None:
    sys.stdout.write(stage + "\n")
    sys.stdout.flush()


def _end_with(parent: int) -> None:
    """End this process once ``parent`` is no longer its parent: nobody would read what it does."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _end_with(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1])))
