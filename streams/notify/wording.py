"""How an alert is worded for Alertmanager and its kin: labels, annotations, times.

Labels are identity: two messages with equal labels are the same alert to Alertmanager, so only what holds
from an incident's first state to its last is a label, and every number is an annotation. Titles, names and
reasons come from documents: they are bounded and lose whatever a terminal or a log would obey.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Literal

from streams.operate.terminal import harmless
from streams.records import Alert, Evidence, Exemplar
from streams.watch.evidence import LONGEST_CHANCE
from streams.watch.words import rarity

Status = Literal["firing", "resolved"]

LABEL_CHARS = 256
ANNOTATION_CHARS = 1_000
TITLE_CHARS = 160
MOST_WORDS = 12
NEVER = "0001-01-01T00:00:00Z"
"""What Alertmanager's webhook puts where an end is not known yet."""

_LABEL_NAME = re.compile(r"[^a-zA-Z0-9_]")


def status(alert: Alert) -> Status:
    """``resolved`` once the incident is over; a recovering one still fires."""
    return "resolved" if alert.state == "resolved" else "firing"


def alert_name(rule: str) -> str:
    """The rule's name as Prometheus writes alert names.

    >>> alert_name("negative-spike")
    'NegativeSpike'
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]+", rule)) or "Tocsin"


def identity(alert: Alert, prefix: str) -> dict[str, str]:
    """The labels that name the incident: equal in every message of it, sorted by name.

    The rule's constant labels come first, so none can pass for one of ours; a name that Prometheus does not
    know how to spell gets underscores.
    """
    found = {_label_name(name): value for name, value in alert.labels.items()}
    found |= {
        "alertname": alert_name(alert.rule),
        "instance": prefix,
        "rule": alert.rule,
        "series": alert.series,
        "severity": alert.severity,
    }
    for part in alert.series.split("|"):
        kind, colon, name = part.partition(":")
        if colon and kind in ("entity", "topic", "stream"):
            found[kind] = name
    shown = {name: harmless(value, LABEL_CHARS) for name, value in found.items()}
    return {name: value for name, value in sorted(shown.items()) if value}


def annotate(alert: Alert, runbook_url: str = "") -> dict[str, str]:
    """Everything that may change while the incident lasts, as short strings."""
    found = {
        "summary": alert.summary or headline(alert),
        "description": description(alert),
        "state": alert.state,
        "alert_id": alert.alert_id,
        "transition_id": alert.transition_id,
        "sequence": str(alert.sequence),
        "observed": _figure(alert.observed),
        "expected": _figure(alert.expected),
        "total": _figure(alert.total),
        "share": _figure(alert.share),
        "baseline_share": _figure(alert.baseline_share),
        "score": _figure(alert.score),
        "threshold": _figure(alert.threshold),
        "copies": str(alert.copies),
        "window": f"{alert.window.start}/{alert.window.end}",
        "release": alert.release,
        "reason": alert.reason,
        "flapping": "true" if alert.flapping else "",
        "drivers": ", ".join(harmless(series, LABEL_CHARS) for series in alert.drivers),
        "acknowledged_by": alert.acknowledged_by,
        **_evidence(alert.evidence),
        **_annotation(alert),
        "exemplars": "; ".join(exemplar(item) for item in alert.exemplars),
        "runbook_url": runbook_url,
    }
    return {name: shown for name, value in found.items() if (shown := harmless(value, ANNOTATION_CHARS))}


def _evidence(evidence: Evidence) -> dict[str, str]:
    """What speaks for it, by name; what is not known is left out."""
    named = {
        kind: ", ".join(f"{harmless(one.name, 60)} ({one.observed:.0f})" for one in found)
        for kind, found in (("sources", evidence.sources), ("topics", evidence.topics))
    }
    known = evidence.expected_high > 0 or evidence.chance_days > 0
    return {
        **named,
        "terms": ", ".join(term.term for term in evidence.terms),
        "usually": f"{evidence.expected_low} to {evidence.expected_high}" if known else "",
        "by_chance_once_in": _days(evidence.chance_days) if known else "",
        "rarity": rarity(evidence),
    }


def _annotation(alert: Alert) -> dict[str, str]:
    """What a model said of it later, where one did."""
    if alert.annotation is None:
        return {}
    words = dict.fromkeys(word.word for one in alert.annotation.explained for word in one.words)
    shown = [shown for word in words if (shown := harmless(word, 60))]
    return {
        "moved": f"{alert.annotation.verdict}: {alert.annotation.why}",
        "telling_words": ", ".join(shown[:MOST_WORDS]),
    }


def _days(days: float) -> str:
    if days >= 365.25:
        return f"{days / 365.25:.0f} years" if days < LONGEST_CHANCE else "more than a century"
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"


def headline(alert: Alert) -> str:
    """One sentence that says what is going on, where."""
    where = harmless(alert.series, LABEL_CHARS)
    if alert.reason == "dismissed":
        return f"Dismissed as a false alarm: {where}"
    if alert.state == "resolved":
        return f"Negative opinion on {where} is back to normal"
    return f"Negative opinion on {where}: {_figure(alert.observed)} stories, {_figure(alert.expected)} expected"


def description(alert: Alert) -> str:
    """The evidence in a sentence: counts, shares, how rare, copies folded."""
    minutes = max(1, alert.window.seconds // 60)
    copies = f", {alert.copies} copies folded" if alert.copies else ""
    return (
        f"{_figure(alert.observed)} negative stories of {_figure(alert.total)} in {minutes} min, "
        f"{_figure(alert.expected)} expected; share {alert.share:.0%} against {alert.baseline_share:.0%}; "
        f"rarity {alert.score:.1f}, rings at {alert.threshold:.1f}{copies}"
    )


def exemplar(item: Exemplar) -> str:
    """One document of the evidence on one line."""
    title = harmless(item.title, TITLE_CHARS) or harmless(item.id, TITLE_CHARS)
    source = harmless(item.source, 60)
    notes = [source] if source else []
    if item.copies:
        notes.append(f"{item.copies} copies")
    return f'"{title}" ({", ".join(notes)})' if notes else f'"{title}"'


def quoted(value: str) -> str:
    """``value`` as a matcher spells it: in quotation marks, those inside behind a backslash."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def fingerprint(labels: dict[str, str]) -> str:
    """16 hex digits that name a set of labels."""
    joined = "\xff".join(f"{name}\xfe{value}" for name, value in sorted(labels.items()))
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def span(alert: Alert, now: datetime, firing_for: timedelta) -> tuple[str, str]:
    """``startsAt`` and ``endsAt`` for Alertmanager at wall time ``now``.

    While it fires, the end lies ``firing_for`` ahead: if this process dies, Alertmanager resolves the alert
    by itself then. Resolved, the end is the true one, never before the start, which would be refused, and
    never in the future, which would fire.
    """
    start = parse_time(alert.starts_at)
    if status(alert) == "firing":
        return rfc3339(start), rfc3339(max(now, start) + firing_for)
    end = now if alert.ends_at is None else min(parse_time(alert.ends_at), now)
    return rfc3339(min(start, end)), rfc3339(end)


def parse_time(text: str) -> datetime:
    """The UTC time that ``text`` (RFC 3339) names. Raises ValueError where it names none."""
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """``moment`` in UTC with milliseconds, as Alertmanager writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _figure(number: float) -> str:
    return f"{number:.4g}"


def _label_name(name: str) -> str:
    spelt = _LABEL_NAME.sub("_", name)[:64]
    return f"_{spelt}" if spelt[:1].isdigit() else spelt
