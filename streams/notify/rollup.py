"""Which incident speaks for which: a parent for its children, the graver of two on one series.

    stream:news  >  topic:Recall  >  entity:acme|topic:Recall  <  entity:acme  <  the entity above it in the watch-list

A stream does not speak for an entity: a company's crisis is news however bad the day. The relation is strict, so
two incidents never silence each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from streams.alerting import NO_DATA
from streams.records import Alert
from streams.watch.series import kind_of

RANKS: Mapping[str, int] = {"info": 0, "warning": 1, "critical": 2}

Ancestors = Mapping[str, Sequence[str]]
"""The entities above an entity, by id."""


def is_parent(parent: str, child: str, ancestors: Ancestors) -> bool:
    """Whether series ``parent`` counts all that ``child`` counts, and more.

    >>> is_parent("entity:acme", "entity:acme|topic:Recall", {}), is_parent("stream:news", "entity:acme", {})
    (True, False)
    """
    root, bar, rest = child.partition("|")
    if bar:
        return parent in (root, rest) or _above(parent, root, ancestors)
    if kind_of(child) == "topic":
        return kind_of(parent) == "stream"
    return _above(parent, child, ancestors)


def speaks_for(parent: Alert, child: Alert, ancestors: Ancestors, slow: Collection[str] = ()) -> bool:
    """Whether who hears of ``parent`` need not hear of ``child``.

    A silent stream speaks for itself and its topics whatever their severity: nothing is known of them. What creeps
    for days (rules named ``slow``) does not speak for what happens suddenly meanwhile.
    """
    if parent.alert_id == child.alert_id or child.rule == NO_DATA or (parent.rule in slow and child.rule not in slow):
        return False
    if parent.rule == NO_DATA:
        return parent.series == child.series or is_parent(parent.series, child.series, ancestors)
    above, below = RANKS.get(parent.severity, 1), RANKS.get(child.severity, 1)
    if parent.series == child.series:
        return above > below
    return above >= below and is_parent(parent.series, child.series, ancestors)


def _above(parent: str, entity: str, ancestors: Ancestors) -> bool:
    kind, _, name = entity.partition(":")
    return kind == "entity" and parent in {f"entity:{above}" for above in ancestors.get(name, ())}
