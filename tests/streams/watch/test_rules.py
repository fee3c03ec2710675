from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from streams.alerting import Rule
from streams.watch.knowledge import Tuning
from streams.watch.rules import CREEP, compiled, covers, rule_version

PLAIN = Rule(name="r")


@pytest.mark.parametrize(
    "changed",
    [
        Rule(name="s"),
        Rule(name="r", budget=0.02),
        Rule(name="r", series=("entity",)),
        Rule(name="r", ignore=("topic:Sports",)),
        Rule(name="r", severity="critical"),
        Rule(name="r", minimum_negative=4),
        Rule(name="r", hears="creep"),
        Rule(name="r", windows=(15, 60)),
        Rule(name="r", quiet_minutes=90),
        Rule(name="r", labels={"team": "risk"}),
    ],
)
def test_whatever_changes_in_a_rule_changes_its_version(changed: Rule) -> None:
    assert rule_version(changed) != rule_version(PLAIN)


def test_what_is_spelt_out_as_its_default_is_the_same_rule() -> None:
    assert rule_version(Rule(name="r", budget=0.01, ignore=())) == rule_version(PLAIN)


@pytest.mark.parametrize(
    ("series", "covered"),
    [
        ("entity:acme", True),
        ("entity:acme|topic:Recall", False),
        ("entity:test-1", False),
        ("topic:Recall", True),
        ("topic:Sports", False),
        ("stream:news", False),
    ],
)
def test_a_rule_covers_its_series_less_those_it_ignores(series: str, covered: bool) -> None:
    rule = Rule(name="r", series=("entity", "topic:*"), ignore=("entity:test-*", "topic:Sports"))
    assert covers(rule, series) is covered


def test_each_rule_takes_its_own_time() -> None:
    [rule] = compiled((Rule(name="r", quiet_minutes=30, cooldown_hours=0.5, level_shift_hours=48),), Tuning(900))
    policy = rule.policy
    assert (policy.quiet_ms, policy.cooldown_ms, policy.level_shift_ms) == (1_800_000, 1_800_000, 48 * 3_600_000)


def test_a_rule_on_creep_takes_no_windows_and_hears_no_more_often_than_its_budget() -> None:
    with pytest.raises(ValidationError, match="leave them out"):
        Rule(name="r", hears="creep", windows=(15,))
    with pytest.raises(ValidationError, match="windows"):
        Rule(name="r", windows=(45,))  # type: ignore[arg-type]
    [spikes, creep] = compiled((Rule(name="a"), Rule(name="b", hears="creep")), Tuning(900))
    assert creep.channel == CREEP
    assert creep.threshold == pytest.approx(math.log10(9600))
    assert spikes.threshold < creep.threshold
    assert spikes.version == compiled((Rule(name="a", windows=()),), Tuning(900))[0].version
