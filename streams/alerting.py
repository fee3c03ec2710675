"""The settings tables that say what rings and where it is told: rules, and the sinks with what they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from streams.section import Section

KINDS = ("entity", "entity|topic", "topic", "stream")
"""The kinds of series."""
OWN_LABELS = frozenset({"alertname", "entity", "instance", "rule", "series", "severity", "stream", "topic"})
"""Labels that tocsin gives to alerts itself."""


NO_DATA = "no-data"
"""The rule of alerts about a stream that fell silent."""
Minutes = Literal[15, 30, 60, 120]
"""The lengths of time over which a sudden rise is looked for."""


class Rule(Section):
    """One alarm rule. A changed rule gets a new version; incidents of the old one end as `rule_changed`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="part of the identity of its alerts")
    series: tuple[str, ...] = Field(
        KINDS, min_length=1, description="what it listens to: kinds of series, or names with * and ?"
    )
    ignore: tuple[str, ...] = Field((), description="series left out again, in the same spelling")
    hears: Literal["spikes", "creep"] = Field(
        "spikes", description="spikes: sudden rises; creep: a share of negatives that rises over days"
    )
    windows: tuple[Minutes, ...] = Field(
        (), description="minutes over which a spike is looked for: some of 15, 30, 60, 120; none named: all"
    )
    budget: float = Field(0.01, gt=0, le=10, description="false alarms one is ready to stand per series and day")
    severity: Literal["info", "warning", "critical"] = Field("warning", description="a label of its alerts")
    minimum_negative: int = Field(3, ge=1, description="fewer negative stories in a window never ring")
    quiet_minutes: int = Field(60, ge=15, le=1440, description="this long below the lower threshold, and it is over")
    cooldown_hours: float = Field(12, ge=0, le=168, description="then only clearly stronger evidence rings again")
    level_shift_hours: float = Field(24, ge=2, le=168, description="what is loud for so long is the new normal")
    labels: dict[str, str] = Field(default_factory=dict, description="constant labels for routing, such as team")

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value == NO_DATA:
            raise ValueError(f"{NO_DATA!r} is the rule of streams that fall silent; take another name")
        return value

    @field_validator("series", "ignore")
    @classmethod
    def _name_series(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if pattern not in KINDS and not pattern.startswith((*(f"{kind}:" for kind in KINDS), "*", "?")):
                raise ValueError(
                    f"{pattern!r} is neither a kind of series ({', '.join(KINDS)}) nor a name such as entity:acme"
                )
        return value

    @field_validator("windows")
    @classmethod
    def _suit_what_is_heard(cls, value: tuple[Minutes, ...], known: ValidationInfo) -> tuple[Minutes, ...]:
        if value and known.data.get("hears") == "creep":
            raise ValueError("a rule that hears creep looks at days, not at windows; leave them out")
        return tuple(sorted(set(value)))

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", name):
                raise ValueError(f"{name!r} is no label name: letters, digits and underscores")
            if name in OWN_LABELS:
                raise ValueError(f"{name!r} is a label that every alert has already; take another name")
            if not 0 < len(text) <= 100 or not text.isprintable():
                raise ValueError(f"the label {name} needs a value of 1 to 100 printable characters")
        return value


class SinkSettings(Section):
    """What every place where alerts go has."""

    name: str = Field(
        "", pattern=r"^[a-z0-9-]{0,40}$", description="in logs and metrics; keep it, and the place may move"
    )
    only: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description='labels an alert must have, with * and ?, such as { team = "risk" }'
    )

    @field_validator("only", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: (text,) if isinstance(text, str) else text for name, text in value.items()}


class WebhookSettings(SinkSettings):
    """A receiver of Alertmanager's webhook payload, version "4"."""

    url: SecretStr = Field(description="http(s); may hold a token, so it is masked")
    secret_file: Path | None = Field(None, description="key of the HMAC-SHA256 signature header")


class AlertmanagerSettings(SinkSettings):
    """A Prometheus Alertmanager, API v2."""

    url: str = Field(description="base URL, such as http://localhost:9093")
    bearer_token_file: Path | None = Field(None, description="file that holds a token, where it asks for one")
    silence_hours: float = Field(
        24,
        ge=0,
        le=720,
        description="longest silence there of an acknowledged alert; its end lifts it; 0: none",
    )


def check_reach(rules: Sequence[Rule], sinks: Mapping[str, Sequence[SinkSettings]]) -> None:
    """Each sink asks for labels that some alert can have: a misspelt team would never be told anything.

    Raises:
        ValueError: one does not, or two of a kind share a name; the text names the setting.
    """
    known: dict[str, set[str]] = {name: set() for name in OWN_LABELS}
    for rule in rules:
        for name, text in {**rule.labels, "rule": rule.name, "severity": rule.severity}.items():
            known.setdefault(name, set()).add(text)
    for kind, listed in sinks.items():
        names = [sink.name for sink in listed if sink.name]
        if len(set(names)) != len(names):
            raise ValueError(f"notify.{kind}: two share a name: {sorted(names)}")
        for number, sink in enumerate(listed):
            for name, patterns in sink.only.items():
                place = f"notify.{kind}.{number}.only"
                if name not in known:
                    raise ValueError(f"{place}: no rule gives its alerts the label {name!r}; see rules.labels")
                values = known[name]
                if values and not any(fnmatchcase(text, pattern) for text in values for pattern in patterns):
                    asked, told = " or ".join(patterns), ", ".join(sorted(values))
                    raise ValueError(f"{place}: {name} is never {asked}; by the rules it is {told}")
