"""What ``tocsin demo --learn`` says of signals, samples, the trainer's log, metrics and verdicts. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from streams.lessons import DriftSample, DriftSignal

Row = Mapping[str, Any]


def of_signal(signal: DriftSignal) -> str:
    """One line: what alarmed, by how much, what moved, what it calls for.

    >>> of_signal(DriftSignal("r", "reviews", "error", "train", 900, 0, 4.1, 4.0, False, 0))
    'error on reviews after 900 documents: 4.10, threshold 4.00; calls for training'
    """
    moved = "; ".join(f"{shift.name} {shift.usual:.0%} to {shift.now:.0%}" for shift in signal.shifts[:2])
    calls = {"train": "training", "collect": "samples", "look": "a look at the feed"}[signal.calls]
    return (
        f"{signal.detector} on {signal.stream} after {signal.documents} documents: {signal.statistic:.2f}, "
        f"threshold {signal.threshold:.2f}{f' ({moved})' if moved else ''}; calls for {calls}"
    )


def of_samples(samples: Iterable[DriftSample]) -> str:
    """How many documents were sent to be labelled, why, and how many brought stars."""
    some = list(samples)
    blind = sum(sample.slice == "random" for sample in some)
    why = Counter(reason for sample in some if sample.slice == "merit" for reason in sample.reasons)
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(why.items()))
    stars = sum(sample.stars is not None for sample in some)
    return (
        f"{len(some)} documents were sent to be labelled: {blind} drawn blindly, the others for merit ({told}); "
        f"{stars} have stars"
    )


def of_labels(lines: Iterable[bytes]) -> str:
    """Who gave how many labels, and which, in a file of feedback.

    >>> of_labels([b'{"by": "ivo", "sentiment": "neutral"}', b'{"by": "ann", "sentiment": "neutral"}'])
    '2 labels of 2 people (1 ann, 1 ivo): 2 neutral'
    """
    rows = [json.loads(line) for line in lines if line.strip()]
    people, said = (Counter(str(row[name]) for row in rows) for name in ("by", "sentiment"))
    told = [", ".join(f"{count} {name}" for name, count in sorted(some.items())) for some in (people, said)]
    return f"{len(rows)} labels of {len(people)} people ({told[0]}): {told[1]}"


def of_log(line: str) -> str | None:
    """What is told of a line of the trainer's log; ``None`` for one that is left out.

    >>> of_log('{"event": "cycle", "stage": "learning"}'), of_log("x"), of_log('{"event": "trainer starts"}')
    ('learning', None, None)
    """
    try:
        told: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    match told.get("event"):
        case "a cycle begins":
            return (
                f"a cycle begins ({told['reason']}): {told['learn']} labelled documents to learn, "
                f"{told['anchors']} anchors and {told['recent']} recent ones to judge by"
            )
        case "cycle":
            return str(told["stage"])
        case "labels that contradict all others are set aside":
            return f"the labels of {told['giver']} contradict all others and are set aside"
        case "a cycle is concluded":
            named = f", refused by {', '.join(told['refused_by'])}" if told["refused_by"] else ""
            why = f": {told['told']}" if told["told"] else ""
            return f"{told['outcome']}: {told['version']}, {told['seconds']} s after the cycle began{named}{why}"
    return None


def of_verdict(verdict: Row) -> list[str]:
    """A line for each check: whether it held, and the figures it went by, or why it did not."""
    return [
        f"{'held  ' if check['held'] else 'FAILED'}  {check['check']:<11} {check['why'] or _figures(check)}".rstrip()
        for check in verdict["checks"]
    ]


def metric(lines: Iterable[str], name: str, **labels: str) -> list[tuple[str, float]]:
    """Of a page of metrics, the series ``name`` with such labels, each as it stands there, and its value.

    >>> metric(['a_total{of="x"} 2.0', 'a_total{of="y"} 3.0', "# a_total", "ab 1"], "a_total", of="y")
    [('a_total{of="y"}', 3.0)]
    """
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    found = []
    for line in lines:
        series, _, value = line.rpartition(" ")
        if series.split("{")[0] == name and all(part in series for part in wanted):
            found.append((series, float(value)))
    return found


def minutes(seconds: float) -> str:
    """As a clock would say it.

    >>> minutes(252.3)
    '4 min 12 s'
    """
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _figures(row: Row) -> str:
    """The figures that a check went by, in a few words; nothing where it had nothing to measure."""
    match row:
        case {"check": "integrity", "files": files}:
            return f"{files} files are what the manifest says"
        case {"check": "heads", "tensors": tensors, "changed": changed}:
            return f"{tensors} tensors are there, {changed} of them changed"
        case {"check": "parity", "largest_gap": gap, "int8_agrees": agrees}:
            return f"graph and weights differ by {gap:.1g}; int8 names the same for {agrees:.1%}"
        case {"check": "latency", "ratio": ratio, "limit": limit}:
            return f"{ratio:.2f} times the champion's processor time (limit {limit:.2f})"
        case {"check": "anchors", "champion": before, "accuracy": after, "n": n, "lower_points": lower}:
            return f"{before:.1%} to {after:.1%} right of {n}; at worst {lower:+.1f} points"
        case {"check": "recent", "n": n, "difference_points": gained, "lower_points": lower}:
            return f"{gained:+.1f} points on {n}; at worst {lower:+.1f}"
        case {"check": "memorised", "anchors_trained_on": count}:
            return f"{count} anchors were trained on"
        case {"check": "classes", "worst": worst}:
            return "worst: " + ", ".join(f"{name} {one['points']:+.1f}" for name, one in list(worst.items())[:2])
        case {"check": "calibration", "log_loss": loss}:
            return f"log loss {loss['difference']:+.3f}, at worst {loss['upper']:+.3f} (limit {loss['limit']:+.3f})"
        case {"check": "flips", "negative_flips_percent": lost, "limit_percent": limit}:
            return f"{lost:.1f} % of the anchors turn from right to wrong (limit {limit:.1f} %)"
        case {"check": "topics", "taxonomies": taxonomies}:
            sure, changed = (sum(one[name] for one in taxonomies.values()) for name in ("sure", "changed"))
            return f"{changed} of {sure} topics that the champion was sure of are others now"
        case {"check": "behaviour", "kinds": kinds}:
            moved = [name for name, one in kinds.items() if one["candidate"] != one["champion"]]
            told = [f"{name} {kinds[name]['champion']:.0%} to {kinds[name]['candidate']:.0%}" for name in moved]
            return ", ".join(told) or "as before in every kind"
    return ""
