"""The alarm under what befalls streams: late documents, an outage, summer time, short rows, misread labels,
a source whose negatives clump.

    python tests/bench/conditions.py [--keys 400] [--seed N]

Benchmark b1 as it is and changed, at a budget of 0.01, at the detector's own thresholds: recall, false alarms for each
one asked for, and for what happens on a day (the outage, the clock) the false alarms of the week that follows, beside
those of the same week without it. Then the slow channel: how often it rings where nothing changes; and how often one
negative story more rings for a detector that knows the truth. JSON on stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streams.watch.baselines import accept_share, learn
from streams.watch.knowledge import SpikeState, Tuning
from streams.watch.spikes import score
from tests.evaluation.backgrounds import FOLDER, real
from tests.evaluation.conditions import (
    five_minute_scores,
    one_story_more,
    with_clock_put_forward,
    with_misread_labels,
    with_outage,
)
from tests.evaluation.measure import Judge, Measured
from tests.evaluation.production import sounded
from tests.evaluation.simulator import parametric
from tests.evaluation.trials import DAY, REPORTING_SEEDS, WINDOW_SECONDS, Floats, Trial

BUDGET = 0.01
ONE_MORE = (3.4, 3.6, 3.86, 4.86)
COMPANY, NEW_DAYS = 1.5, (3, 14)
"""How many others half of the negatives of a clumsy source bring with them, and how old its series are."""
WHEN = 28
"""The day of the outage and of the clock: two weeks after judging begins."""


def told(measured: Measured) -> dict[str, float]:
    """What is shown of each condition."""
    return {
        "recall": round(measured.recall, 3),
        "strong": round(measured.strong, 3),
        "precision": round(measured.precision, 3),
        "false_alarms_of_budget": round(measured.false_alarms / BUDGET, 2),
    }


def in_week(trial: Trial, loud: Floats) -> float:
    """False alarms per series and day, of the budget, in the week from :data:`WHEN` on."""
    cut, end = WHEN * DAY, (WHEN + 7) * DAY
    judge = Judge(trial)
    _, window = judge.false_alarms(loud)
    days = np.count_nonzero(~judge.masked[cut:end]) / DAY
    return round(float(np.count_nonzero((window >= cut) & (window < end)) / days / BUDGET), 2)


def befallen(seed: int, keys: int) -> dict[str, Any]:
    """Every condition's figures."""
    usual = parametric(seed, keys)
    found: dict[str, Any] = {}
    for share in (0.0, 0.05, 0.1, 0.2):
        trial = usual if share == 0.05 else parametric(seed, keys, missed=share)
        heard = sounded(trial, BUDGET)
        loud = (heard.score >= heard.threshold).astype(float)
        found[f"{share:.0%} never come"] = told(Judge(trial).at_own_thresholds(loud > 0))
        if trial is usual:
            found[f"{share:.0%} never come"]["week"] = in_week(trial, loud)
    for name, trial in (
        ("outage of two hours", with_outage(usual, WHEN)),
        ("clock put forward", with_clock_put_forward(usual, WHEN)),
        ("6.6 % of labels misread", with_misread_labels(usual, seed, 0.12, 0.05)),
    ):
        heard = sounded(trial, BUDGET)
        loud = (heard.score >= heard.threshold).astype(float)
        found[name] = {**told(Judge(trial).at_own_thresholds(loud > 0)), "week": in_week(trial, loud)}
    for days in NEW_DAYS:
        trial = parametric(seed, keys, days=days + 14, burn=days * DAY, company=COMPANY)
        for pooled, name in ((True, "tails pooled"), (False, "each tail by itself")):
            heard = sounded(trial, BUDGET, pooled=pooled)
            figures = told(Judge(trial).of_alerts(heard.ringing, heard.onset))
            found[f"a clumsy source, judged from day {days} on, {name}"] = figures
    scores, thresholds = five_minute_scores(usual, BUDGET, seed)
    found["rows of five minutes"] = told(Judge(usual).at_own_thresholds(scores >= thresholds))
    return found


def creeping(trial: Trial) -> dict[str, float]:
    """How often the slow channel rings per series and day, of its budget; after it rang the share is the usual one."""
    tuning = Tuning(WINDOW_SECONDS)
    state, everyone = SpikeState.empty(trial.keys, tuning), slice(None)
    limit, rings = tuning.creep_threshold(BUDGET), 0
    for row in range(trial.windows):
        start = trial.starts + row * WINDOW_SECONDS
        begin = int(start[0]) if (start == start[0]).all() else start
        verdicts = score(state, tuning, everyone, trial.negative[row], trial.total[row], begin)
        ends = start // 3600 != (start + WINDOW_SECONDS) // 3600
        held = verdicts.score >= tuning.threshold(BUDGET)
        learn(state, tuning, everyone, trial.negative[row], trial.total[row], verdicts, begin, ends, held)
        for slot in np.flatnonzero(state.creep >= limit).tolist():
            rings += row >= trial.burn
            accept_share(state, tuning, slot)
    return {"rings_of_budget": round(rings / (trial.keys * (trial.windows - trial.burn) / DAY) / BUDGET, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=400)
    parser.add_argument("--seed", type=int, default=REPORTING_SEEDS[0])
    asked = parser.parse_args()
    found = {"seed": asked.seed, "keys": asked.keys, **befallen(asked.seed, asked.keys)}
    found["slow channel, b1"] = creeping(parametric(asked.seed, asked.keys))
    if FOLDER.is_dir():
        found["slow channel, b2"] = creeping(real(asked.seed))
    found["one story more, the truth known"] = {
        f"threshold {threshold:g}": dict(
            zip(("loud windows a day", "quiet per 1000", "with it per 1000"), np.round(row, 4).tolist(), strict=True)
        )
        for threshold, row in zip(ONE_MORE, one_story_more(asked.seed, ONE_MORE), strict=True)
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
