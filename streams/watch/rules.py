"""Alarm rules, compiled: what each covers, what its budget asks for, and the version that names its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streams.alerting import Rule
from streams.watch.knowledge import Tuning
from streams.watch.lifecycle import HOUR_MS, Policy
from streams.watch.series import matches

CREEP: Literal["creep"] = "creep"
Channel = tuple[int, ...] | Literal["creep"]


@dataclass(frozen=True)
class CompiledRule:
    """A rule with its version, the score that its budget asks for, how long its incidents take, and what it hears.

    ``channel`` is :data:`CREEP`, or the scales (rows) over which it looks for spikes; none: all of them.
    """

    rule: Rule
    version: str
    threshold: float
    policy: Policy
    channel: Channel = ()

    @property
    def name(self) -> str:
        return self.rule.name


def compiled(rules: Sequence[Rule], tuning: Tuning) -> tuple[CompiledRule, ...]:
    """The rules as the watcher uses them, in their order."""
    return tuple(
        CompiledRule(rule, rule_version(rule), threshold_of(rule, tuning), policy_of(rule), channel_of(rule, tuning))
        for rule in rules
    )


def threshold_of(rule: Rule, tuning: Tuning) -> float:
    """The score that the budget of ``rule`` asks for, on the channel that it hears."""
    return tuning.creep_threshold(rule.budget) if rule.hears == CREEP else tuning.threshold(rule.budget)


def channel_of(rule: Rule, tuning: Tuning) -> Channel:
    """What ``rule`` hears.

    >>> channel_of(Rule(name="r", windows=(60, 15)), Tuning(300))
    (3, 12)
    """
    if rule.hears == CREEP:
        return CREEP
    return tuple(sorted({max(1, 60 * minutes // tuning.row_seconds) for minutes in rule.windows}))


def rule_version(rule: Rule) -> str:
    """Twelve hex digits that change with anything said in the rule.

    What is left at its default does not count, so a setting that is new in tocsin leaves every version as it was.
    """
    said = rule.model_dump(mode="json", exclude_defaults=True)
    content = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def covering(rules: Sequence[CompiledRule], series: str) -> NDArray[np.bool_]:
    """Which of ``rules`` cover ``series``."""
    return np.array([covers(rule.rule, series) for rule in rules], dtype=bool)


def covers(rule: Rule, series: str) -> bool:
    """Whether ``rule`` listens to ``series``.

    >>> covers(Rule(name="r", series=("entity",), ignore=("entity:test-*",)), "entity:test-1")
    False
    """
    return matches(series, rule.series) and not matches(series, rule.ignore)


def policy_of(rule: Rule) -> Policy:
    """How long the incidents of ``rule`` take, in event time."""
    return Policy(
        quiet_ms=rule.quiet_minutes * 60_000,
        cooldown_ms=round(rule.cooldown_hours * HOUR_MS),
        level_shift_ms=round(rule.level_shift_hours * HOUR_MS),
    )
