"""The books of one run: pure counting over what was read back. Nothing of `streams` is imported here.

    every input record is scored or dead-lettered (lost), never both (both); a repeat is the same (changed);
    every scored record is counted once in each of its series (miscounted), without a gap in the log (gap);
    at every poll the committed offset is at most the first unprocessed one (early);
    a dead letter holds the original and says where it came from (letter);
    what the producer was told was stored is stored (input); alerts are keyed by their incident (alert).

Repeats are allowed, and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.broker.accounts import Account, count_up
from tests.broker.recount import amount, amounts, read_observed, read_scored

Place = tuple[str, int]
"""A topic and a partition of it."""

SHOWN = 10
"""Findings of a kind that are spelled out; the rest is counted."""


@dataclass(frozen=True)
class Names:
    """The topics of one instance, as the design spells them, and its scoring group."""

    prefix: str
    inputs: tuple[str, ...]

    @property
    def scored(self) -> str:
        return f"{self.prefix}.scored.v1"

    @property
    def observations(self) -> str:
        return f"{self.prefix}.observations.v1"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}.alerts.v1"

    @property
    def dead_letters(self) -> dict[str, str]:
        return {f"{self.prefix}.{topic}.dlq": topic for topic in self.inputs}

    def group(self, role: str) -> str:
        return f"{self.prefix}-{role}"


@dataclass(frozen=True, slots=True)
class Stored:
    """What the broker acknowledged to the generator."""

    id: str
    topic: str
    partition: int
    offset: int
    sha256: bytes


@dataclass
class Report:
    """The books of one run; ``findings`` is empty where every promise was kept."""

    records: int = 0
    scored: int = 0
    dead: int = 0
    repeats: int = 0
    observation_messages: int = 0
    repeated_observations: int = 0
    polls: int = 0
    findings: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def find(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        told = self.findings.setdefault(kind, [])
        if len(told) < SHOWN:
            told.append(what)

    def told(self) -> str:
        """Every finding, for an assertion's message."""
        lines = [f"{kind} ({self.counts[kind]}): {'; '.join(found)}" for kind, found in self.findings.items()]
        return "\n".join(lines) or "no finding"

    def summary(self) -> dict[str, Any]:
        figures = {k: v for k, v in vars(self).items() if k not in ("findings", "counts")}
        return {**figures, "findings": dict(self.counts)}


class Books:
    """Takes records of any topic of the instance in any order, and judges when everything was taken."""

    def __init__(self, names: Names, observation_partitions: int) -> None:
        self.names = names
        self.report = Report()
        self.accounts: dict[Place, Account] = defaultdict(Account)
        self.alerts: dict[str, bytes] = {}
        """Transitions by id, in the order of their first appearance."""
        self.repeated_alerts = 0
        self.letters: list[Any] = []
        self.observed_to: dict[int, int] = {}
        """Of each observations partition, the offset behind the last message that was not an idle tick."""
        self._partitions = observation_partitions
        self._marks: dict[tuple[int, Place], int] = defaultdict(lambda: -1)

    def take(self, record: Any) -> None:
        """Enter one record, whatever its topic."""
        if record.topic in self.names.inputs:
            self._take_input(record)
        elif record.topic == self.names.scored:
            self._take_scored(record)
        elif record.topic == self.names.observations:
            self._take_observations(record)
        elif record.topic == self.names.alerts:
            self._take_alert(record)
        else:
            self._take_letter(record)

    def missing(self) -> int:
        """Input records known that are neither scored nor dead-lettered, or not yet observed."""
        return sum(
            max(0, account.length - min(account.advance(), self._observed_below(place)))
            for place, account in self.accounts.items()
        )

    def _observed_below(self, place: Place) -> int:
        """Every observations partition has heard of all offsets of ``place`` below this one."""
        return min(self._marks[home, place] for home in range(self._partitions)) + 1

    def _take_input(self, record: Any) -> None:
        account = self.accounts[record.topic, record.partition]
        account.reach(record.offset)
        account.length = record.offset + 1
        account.value[record.offset] = _short(record.value)
        self.report.records += 1

    def _take_scored(self, record: Any) -> None:
        scored = read_scored(record.value)
        origin = scored.origin
        account = self.accounts[origin.topic, origin.partition]
        account.reach(origin.offset)
        payload = hash(record.value) & 0xFFFF_FFFF_FFFF_FFFF
        if count_up(account.scored, origin.offset):
            self.report.repeats += 1
            if account.payload[origin.offset] != payload:
                self.report.find("changed", f"{_shown(origin)} was scored twice, differently")
            return
        self.report.scored += 1
        account.payload[origin.offset] = payload
        account.event_ms[origin.offset] = scored.event_ms
        account.expect(origin.offset, sum(amounts(scored, self._partitions)))

    def _take_letter(self, record: Any) -> None:
        said = {name.rpartition(".")[2]: (value or b"").decode() for name, value in record.headers}
        try:
            topic, partition, offset = said["topic"], int(said["partition"]), int(said["offset"])
        except (KeyError, ValueError):
            self.report.find("letter", f"{record.topic}/{record.partition}@{record.offset} has no origin: {said}")
            return
        self.letters.append((topic, partition, offset, said, record))
        if topic != self.names.dead_letters[record.topic] or not said.get("stage") or not said.get("name"):
            self.report.find("letter", f"{record.topic}@{record.offset}: {said}")
        account = self.accounts[topic, partition]
        account.reach(offset)
        if count_up(account.dead, offset):
            self.report.repeats += 1
        else:
            self.report.dead += 1

    def _take_observations(self, record: Any) -> None:
        message = read_observed(record.value)
        source = (message.topic, message.partition)
        self.report.observation_messages += 1
        mark = self._marks[record.partition, source]
        if message.first > mark + 1:
            self.report.find("gap", f"partition {record.partition}, {source}: {mark} is followed by {message.first}")
        if message.last >= message.first:
            self.observed_to[record.partition] = record.offset + 1
        if message.last <= mark:
            self.report.repeated_observations += message.last >= message.first
            return
        self._marks[record.partition, source] = message.last
        account = self.accounts[source]
        account.reach(message.last)
        for series, index, p_negative, negative in message.items:
            offset, event_ms, name, _, _, signature, *_ = message.documents[index]
            if not message.first <= offset <= message.last:
                self.report.find("miscounted", f"{source}@{offset} stands in a message of {message.first}..")
            if offset > mark:
                account.observe(
                    offset, amount(record.partition, series, p_negative, negative, name, event_ms, signature)
                )

    def _take_alert(self, record: Any) -> None:
        transition = json.loads(record.value)
        known = self.alerts.setdefault(transition["transition_id"], record.value)
        if known is not record.value:
            self.repeated_alerts += 1
            if known != record.value:
                self.report.find("changed", f"transition {transition['transition_id']} was sent twice, differently")
        if record.key != transition["alert_id"].encode():
            self.report.find("alert", f"{record.key!r} is not the key of {transition['alert_id']}")

    # -- judging ---------------------------------------------------------------------------------------

    def check_commit(self, place: Place, committed: int) -> None:
        """Check a committed offset that was read *before* the outputs taken so far."""
        account = self.accounts[place]
        first_open = account.advance()
        if committed > first_open:
            self.report.find("early", f"{_at(place)}: committed {committed}, but {first_open} is not processed")
        observed = self._observed_below(place)
        if committed > observed:
            self.report.find("early", f"{_at(place)}: committed {committed}, observed only below {observed}")

    def judge(self, stored: Sequence[Stored] = ()) -> Report:
        """Close the books and compare; call it when everything was taken and nothing is moving any more."""
        for place, account in sorted(self.accounts.items()):
            for offset in range(account.length):
                self._judge_record(place, account, offset)
        self._judge_letters()
        self._judge_input(stored)
        return self.report

    def _judge_record(self, place: Place, account: Account, offset: int) -> None:
        scored, dead = account.scored[offset], account.dead[offset]
        if not scored and not dead:
            self.report.find("lost", f"{_at(place)}@{offset}")
        if scored and dead:
            self.report.find("both", f"{_at(place)}@{offset}")
        if account.expected[offset] != account.observed[offset]:
            what = "not observed" if account.observed[offset] == 0 else "observed otherwise than scored"
            self.report.find("miscounted", f"{_at(place)}@{offset} {what}")

    def _judge_letters(self) -> None:
        for topic, partition, offset, said, record in self.letters:
            original = self.accounts[topic, partition].value[offset]
            if "sha256" in said:
                kept = int.from_bytes(bytes.fromhex(said["sha256"])[:8], "big")
            else:
                kept = _short(record.value)
            if kept != original:
                self.report.find("letter", f"{topic}/{partition}@{offset} is not the original")

    def _judge_input(self, stored: Sequence[Stored]) -> None:
        for record in stored:
            account = self.accounts.get((record.topic, record.partition))
            if account is None or record.offset >= account.length:
                self.report.find("input", f"{record.id} was acknowledged at {record.offset} and is not there")
            elif account.value[record.offset] != int.from_bytes(record.sha256[:8], "big"):
                self.report.find("input", f"{record.id} is not what lies at its offset {record.offset}")


def _short(value: bytes | None) -> int:
    """The first eight bytes of the value's SHA-256."""
    return int.from_bytes(hashlib.sha256(value or b"").digest()[:8], "big")


def _at(place: Place) -> str:
    return f"{place[0]}/{place[1]}"


def _shown(origin: Any) -> str:
    return f"{origin.topic}/{origin.partition}@{origin.offset}"
