"""What the demo makes of itself: which alerts were rightful, what should have been silent and was not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from streams.demo.sample import SampleRecord
from streams.demo.stories import STORIES
from streams.records import Alert
from streams.topics import series_root

RIGHTFUL = frozenset(story.name for story in STORIES if story.rings)
SILENT = {f"entity:{story.company}": story for story in STORIES if not story.rings}


@dataclass
class Tally:
    """What was read back from the topics, counted apart from the worker: ids scored, ids dead, alerts."""

    scored: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    transitions: list[Alert] = field(default_factory=list)

    def settled(self) -> int:
        """How many different records ended somewhere."""
        return len(self.scored.keys() | self.dead.keys())


@dataclass(frozen=True)
class Verdict:
    """``rightful``, ``wrong`` and ``other`` hold the first firing state of each incident."""

    rightful: tuple[Alert, ...]
    wrong: tuple[Alert, ...]
    other: tuple[Alert, ...]
    lost: int
    both: int
    repeated: int

    @property
    def good(self) -> bool:
        """It rang for the crisis, not for what must be silent, and no record was lost."""
        return bool(self.rightful) and not self.wrong and not self.lost and not self.both


def judge(sent: Collection[SampleRecord], tally: Tally) -> Verdict:
    """Compare what came out with the truth that only the sample knows."""
    stories = {record.id: record.story for record in sent}
    heard: dict[str, list[Alert]] = {"rightful": [], "wrong": [], "other": []}
    for alert in first_firings(tally.transitions):
        heard[ruling(alert, stories)].append(alert)
    ids = {record.id for record in sent}
    return Verdict(
        tuple(heard["rightful"]),
        tuple(heard["wrong"]),
        tuple(heard["other"]),
        lost=len(ids - tally.scored.keys() - tally.dead.keys()),
        both=len(tally.scored.keys() & tally.dead.keys()),
        repeated=sum(count - 1 for count in tally.scored.values()),
    )


def first_firings(transitions: Iterable[Alert]) -> list[Alert]:
    """The first state of each incident in which it rang, in the order they came."""
    found: dict[str, Alert] = {}
    for alert in transitions:
        if alert.state == "firing":
            found.setdefault(alert.alert_id, alert)
    return list(found.values())


def ruling(alert: Alert, stories: Mapping[str, str]) -> str:
    """``rightful``, ``wrong`` or ``other``, by the series and by what its exemplars are about.

    A series of a company that must be silent is wrong, whatever it quotes. Else an alert is rightful when most
    of its exemplars tell of the crisis: a topic or a stream that rings because of it, rings rightly.
    """
    if series_root(alert.series) in SILENT:
        return "wrong"
    told = Counter(stories.get(exemplar.id, "background") for exemplar in alert.exemplars)
    if told and told.most_common(1)[0][0] in RIGHTFUL:
        return "rightful"
    return "wrong" if told and told.most_common(1)[0][0] != "background" else "other"


def lines(sent: Collection[SampleRecord], tally: Tally, verdict: Verdict) -> list[str]:
    """The verdict for people."""
    said = [
        f"{len(sent)} records sent: {len(tally.scored)} scored, {len(tally.dead)} dead letters, {verdict.lost} lost"
        + (f", {verdict.repeated} written twice" if verdict.repeated else "")
    ]
    for story in STORIES:
        rang = [alert for alert in (*verdict.rightful, *verdict.wrong) if story.company in series_root(alert.series)]
        volume = sum(record.story == story.name for record in sent)
        what = f"{volume} records: {story.told}"
        if rang:
            since = min(alert.starts_at for alert in rang)
            said.append(
                f"{'RANG, rightly  ' if story.rings else 'RANG, WRONGLY  '} {what}; {len(rang)} incidents, the first "
                f"since {clock(since)}"
            )
        else:
            said.append(f"{'SILENT, WRONGLY' if story.rings else 'silent, rightly'} {what}")
    echoes = [alert for alert in verdict.rightful if not alert.series.startswith("entity:")]
    if echoes:
        said.append(f"rang with it     {', '.join(sorted({alert.series for alert in echoes}))}")
    for alert in (*verdict.other, *(a for a in verdict.wrong if series_root(a.series) not in SILENT)):
        said.append(
            f"rang besides     {alert.series} from {clock(alert.window.start)}: no story of the day, a false alarm"
        )
    return said


def clock(rfc3339: str) -> str:
    """Hours and minutes of a time.

    >>> clock("2026-03-17T08:15:00Z")
    '08:15'
    """
    return rfc3339[11:16]
