"""Alarm rules, compiled: what each covers, what its budget asks for, and the version that names its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.settings import Rule
from streams.watch.series import matches
from streams.watch.spikes import Tuning


@dataclass(frozen=True)
class CompiledRule:
    """A rule with its version and the score that its budget asks for."""

    rule: Rule
    version: str
    threshold: float

    @property
    def name(self) -> str:
        return self.rule.name


def compiled(rules: Sequence[Rule], tuning: Tuning) -> tuple[CompiledRule, ...]:
    """The rules as the watcher uses them, in their order."""
    return tuple(CompiledRule(rule, rule_version(rule), tuning.threshold(rule.budget)) for rule in rules)


def rule_version(rule: Rule) -> str:
    """Twelve hex digits that change with anything in the rule."""
    content = json.dumps(rule.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def covering(rules: Sequence[CompiledRule], series: str) -> NDArray[np.bool_]:
    """Which of ``rules`` cover ``series``."""
    return np.array([matches(series, rule.rule.series) for rule in rules], dtype=bool)
