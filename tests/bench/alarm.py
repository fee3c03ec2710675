"""The alarm against its benchmarks: recall, false alarms, precision and delay, beside what others would have heard.

    python tests/bench/alarm.py [--quick] [--alone] [--keys 1500] [--backgrounds 200] [--seeds N ...] [--tuning]
                                [--libraries] [--save FILE.json] [--plot FILE.png]

b1 is a parametric simulator, b2 puts negative spikes on the labelled tweet counts of ../shared/data, and the
Numenta score is taken on those counts themselves, volume alone. All three run the detector as `tocsin detect`
does, with its default settings. A table goes to stderr, JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.evaluation import nab
from tests.evaluation.backgrounds import FOLDER, read_backgrounds, real
from tests.evaluation.comparators import COMPARATORS, LIBRARIES
from tests.evaluation.measure import Judge, Measured
from tests.evaluation.production import sounded, sounded_backgrounds
from tests.evaluation.simulator import parametric
from tests.evaluation.trials import REPORTING_SEEDS, TUNING_SEEDS, Floats, Trial

BUDGETS = (0.01, 0.001)
GRIDS = (100, 500, 1000)
"""Thresholds tried where a series is left out: the score moves by points with their number."""
SHOWN = (
    "recall",
    "low",
    "high",
    "strong",
    "precision",
    "delay",
    "false_alarms",
    "per_burst",
    "per_cascade",
    "per_shift",
)
console = Console(stderr=True, width=170)


def judged(trial: Trial, alone: bool, libraries: bool) -> dict[str, Any]:
    """Every figure of one trial: the detector's own alerts and its scores, then the comparators' scores."""
    judge, figures = Judge(trial), {}
    for budget in BUDGETS:
        begun = time.process_time()
        heard = sounded(trial, budget)
        seconds = time.process_time() - begun
        figures[f"tocsin, alerts at budget {budget:g}"] = judge.of_alerts(heard.ringing, heard.onset)
        figures[f"tocsin, scores at own threshold for {budget:g}"] = judge.at_own_thresholds(
            heard.score >= heard.threshold
        )
        figures[f"tocsin, scores @{budget:g}"] = judge.at_budget(heard.score, budget)
    console.print(f"{trial.name}: {trial.windows} windows of {trial.keys} keys in {seconds:.1f} s")
    if len(trial.cascades):
        heard = sounded(trial, BUDGETS[0], raw=True)
        figures[f"tocsin, copies left in @{BUDGETS[0]:g}"] = judge.at_budget(heard.score, BUDGETS[0])
    if not alone:
        heard = sounded(trial, BUDGETS[0], share=False)
        add(figures, "tocsin, volume alone", lambda trial: heard.score, trial, judge)
        for name, comparator in COMPARATORS.items():
            add(figures, name, comparator, trial, judge)
    if libraries:
        few = trial.first(20)
        for name, comparator in LIBRARIES.items():
            add(figures, f"{name} (20 keys)", comparator, few, Judge(few))
        heard = sounded(few, BUDGETS[0])
        add(figures, "tocsin (20 keys)", lambda trial: heard.score, few, Judge(few))
    return {name: measured.as_dict() for name, measured in figures.items()}


def add(
    figures: dict[str, Measured], name: str, comparator: Callable[[Trial], Floats], trial: Trial, judge: Judge
) -> None:
    """The comparator's figures at each budget."""
    score = comparator(trial)
    for budget in BUDGETS:
        figures[f"{name} @{budget:g}"] = judge.at_budget(score, budget)


def numenta() -> dict[str, Any]:
    """The Numenta scores of the visible series: thresholds fitted on all, on the others, and the alerts as raised."""
    backgrounds = read_backgrounds()
    series = [nab.Labelled(len(b.counts), b.windows) for b in backgrounds]
    heard = sounded_backgrounds(backgrounds, BUDGETS[0])
    scores, alerts = [one.score for one in heard], [np.flatnonzero(one.onset) for one in heard]
    found = {
        "fitted": nab.fitted_scores(series, scores),
        **{f"left out, {size} thresholds": nab.left_out_scores(series, scores, grid=size) for size in GRIDS},
        "alerts as raised": {profile: nab.nab_score(series, alerts, profile) for profile in nab.PROFILES},
    }
    return {name: {profile: round(float(v), 2) for profile, v in row.items()} for name, row in found.items()}


def shown(title: str, figures: dict[str, dict[str, float]]) -> None:
    """Print ``figures`` as a table."""
    columns = [name for name in SHOWN if any(name in row for row in figures.values())] or sorted(
        {name for row in figures.values() for name in row}
    )
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, row in figures.items():
        table.add_row(name, *(f"{row[column]:.4g}" for column in columns))
    console.print(table)


def plotted(trial: Trial, path: Path) -> None:
    """Recall over false alarms per key and day, one curve per detector."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    judge, budgets = Judge(trial), np.geomspace(0.0005, 0.2, 12)
    scores = {"tocsin": sounded(trial, BUDGETS[0]).score}
    scores |= {name: comparator(trial) for name, comparator in COMPARATORS.items()}
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, score in scores.items():
        axes.plot(budgets, [judge.at_budget(score, float(b)).recall for b in budgets], "o-", label=name)
    axes.set(xscale="log", xlabel="false alarms per series and day", ylabel="spikes heard", ylim=(0, 1))
    axes.set_title(f"Benchmark {trial.name}: {len(trial.spikes)} spikes in {trial.keys} series", loc="left")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 keys of one seed, no comparators")
    parser.add_argument("--alone", action="store_true", help="no comparators")
    parser.add_argument("--keys", type=int, default=1500, help="keys of b1 for each seed")
    parser.add_argument("--backgrounds", type=int, default=200, help="keys of b2 for each seed")
    parser.add_argument("--seeds", type=int, nargs="*", help="instead of the reporting seeds")
    parser.add_argument("--tuning", action="store_true", help="the seeds that settings may be chosen on")
    parser.add_argument("--libraries", action="store_true", help="river and statsmodels too, on few keys")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    seeds = asked.seeds or (TUNING_SEEDS if asked.tuning else REPORTING_SEEDS)
    seeds, keys = (seeds[:1], 300) if asked.quick else (seeds, asked.keys)
    found: dict[str, Any] = {"seeds": list(seeds), "keys": keys}
    for seed in seeds:
        trials = [parametric(seed, keys)] + ([real(seed, asked.backgrounds)] if FOLDER.is_dir() else [])
        for trial in trials:
            figures = judged(trial, asked.quick or asked.alone, asked.libraries)
            shown(f"{trial.name}, seed {seed}: {len(trial.spikes)} spikes", figures)
            found[f"{trial.name} seed {seed}"] = figures
        if asked.plot and seed == seeds[0]:
            for trial in trials:
                plotted(trial, asked.plot.with_stem(f"{asked.plot.stem}_{trial.name}"))
    if FOLDER.is_dir():
        found["numenta, five series"] = numenta()
        shown("Numenta realTweets, the five visible series, volume alone", found["numenta, five series"])
    else:
        console.print(f"no {FOLDER}: b2 and the Numenta score are left out")
    text = json.dumps(found, indent=2) + "\n"
    if asked.save:
        asked.save.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
