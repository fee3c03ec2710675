"""What happened, in plain words; every number and name is one of the alert's own facts."""

from __future__ import annotations

from streams.records import Evidence
from streams.watch.series import kind_of

NAMED = 3
"""Sources, topics, and terms named of each."""
LONGEST_NAME = 60


def summary(
    series: str,
    *,
    minutes: int,
    observed: float,
    total: float,
    expected: float,
    share: float,
    baseline_share: float,
    copies: int,
    evidence: Evidence,
) -> str:
    """One line about the window that rang."""
    words = [
        f"{spoken(series)}: {observed:.0f} of {total:.0f} stories in {spell(minutes)} are negative, {expected:.1f} "
        f"expected (usually {evidence.expected_low} to {evidence.expected_high})"
    ]
    if total > 0:
        words.append(f"share {share:.0%}, usually {baseline_share:.0%}")
    words += [told for told in (rarity(evidence), _counted(evidence, copies)) if told]
    if evidence.sources:
        names = (f"{_short(one.name)} ({one.observed:.0f})" for one in evidence.sources[:NAMED])
        words.append("driven by " + ", ".join(names))
    if evidence.topics and kind_of(series) in ("entity", "stream"):
        words.append(
            "about " + ", ".join(f"{_short(one.name)} ({one.observed:.0f})" for one in evidence.topics[:NAMED])
        )
    if evidence.terms:
        words.append("new words: " + ", ".join(term.term for term in evidence.terms[:NAMED]))
    return "; ".join(words) + "."


def rarity(evidence: Evidence) -> str:
    """How long ago it was last as bad.

    >>> rarity(Evidence(highest_in_days=41, reached_before=True))
    'the sharpest rise in 41 days'
    >>> rarity(Evidence(highest_in_days=12))
    'the sharpest rise in the 12 days it is watched'
    """
    days = evidence.highest_in_days
    if days < 1:
        return ""
    if not evidence.reached_before:
        return f"the sharpest rise in the {days} days it is watched" if days > 1 else ""
    return f"the sharpest rise in {days} day{'s' if days > 1 else ''}"


def spell(minutes: int) -> str:
    """A length of time.

    >>> spell(15), spell(60), spell(360)
    ('15 min', '1 h', '6 h')
    """
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def spoken(series: str) -> str:
    """A series' name for people.

    >>> spoken("entity:acme|topic:Recall")
    'acme, on Recall'
    """
    root, _, rest = series.partition("|")
    kind, _, name = root.partition(":")
    said = {"topic": f"topic {name}", "stream": f"stream {name}"}.get(kind, name)
    return f"{said}, on {rest.partition(':')[2]}" if rest else said


def _counted(evidence: Evidence, copies: int) -> str:
    if not copies:
        return ""
    return f"{copies} cop{'y' if copies == 1 else 'ies'} folded"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
