"""Alarm rules, compiled: what each covers, what its budget asks for, and the version that names its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.alerting import Rule
from streams.watch.knowledge import Tuning
from streams.watch.lifecycle import HOUR_MS, Policy
from streams.watch.series import matches


@dataclass(frozen=True)
class CompiledRule:
    """A rule with its version, the score that its budget asks for, and how long its incidents take."""

    rule: Rule
    version: str
    threshold: float
    policy: Policy

    @property
    def name(self) -> str:
        return self.rule.name


def compiled(rules: Sequence[Rule], tuning: Tuning) -> tuple[CompiledRule, ...]:
    """The rules as the watcher uses them, in their order."""
    return tuple(
        CompiledRule(rule, rule_version(rule), tuning.threshold(rule.budget), policy_of(rule)) for rule in rules
    )


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
