"""What the demo shows: its own lines with the seconds since the start, and what the notifier prints, abridged."""

from __future__ import annotations

import re
import time

from rich.console import Console

_HEAD = re.compile(r"(?P<state>[A-Z]+) \S+ \S+ (?P<series>.*) since (?P<since>\S+)$")
STYLES = {"FIRING": "bold red", "RECOVERING": "yellow", "RESOLVED": "green"}


class Abridged:
    """Of the notifier's blocks, the first of each incident whole, of the later ones only the head.

    >>> abridged = Abridged()
    >>> lines = ["FIRING warning r entity:x since T", "  much", "FIRING warning r entity:x since T", "  more"]
    >>> [abridged.shown(line) for line in lines]
    ['FIRING warning r entity:x since T', '  much', 'FIRING warning r entity:x since T (grew)', None]
    """

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()
        self._whole = True

    def shown(self, line: str) -> str | None:
        """``line`` as it is to be shown; ``None`` for one that is left out."""
        head = _HEAD.match(line)
        if head is None:
            return line if self._whole else None
        incident = (head["series"], head["since"])
        self._whole = head["state"] == "FIRING" and incident not in self._known
        grew = head["state"] == "FIRING" and not self._whole
        if head["state"] == "FIRING":
            self._known.add(incident)
        return f"{line} (grew)" if grew else line


class Screen:
    """The console of one showing; ``started`` is the moment (monotonic seconds) it counts from.

    ``delivered`` says after how many seconds the notifier delivered an incident, by series and start.
    """

    def __init__(self, console: Console, started: float) -> None:
        self.console = console
        self._started = started
        self._abridged = Abridged()
        self.delivered: dict[tuple[str, str], float] = {}

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def say(self, text: str, style: str | None = None) -> None:
        """A line of the demo's own."""
        self.console.print(f"{self.seconds:5.1f} s  {text}", style=style, markup=False)

    def relay(self, line: str) -> None:
        """A line of the notifier."""
        head = _HEAD.match(line)
        if head is not None and head["state"] == "FIRING":
            self.delivered.setdefault((head["series"], head["since"]), self.seconds)
        shown = self._abridged.shown(line)
        if shown is not None:
            self.console.print(f"         │ {shown}", style=STYLES.get(line.split(" ", 1)[0]), markup=False)

    def conclude(self, lines: list[str], good: bool) -> None:
        """The verdict."""
        self.console.rule("what came of it", style="bold")
        for line in lines:
            self.console.print(line, markup=False)
        said = (
            "GOOD: it rang for the crisis, kept still for the rest, and lost nothing" if good else "NOT GOOD: see above"
        )
        self.console.print(said, style="bold green" if good else "bold red")


def hour(hours: float) -> str:
    """An hour of the day as a clock shows it.

    >>> hour(8.42)
    '08:25'
    """
    minutes = round(hours * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
