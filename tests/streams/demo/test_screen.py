"""What the demo shows of the notifier's words."""

from __future__ import annotations

import io
import time

from rich.console import Console

from streams.demo.screen import Screen
from streams.notify.sinks import Console as ConsoleSink
from streams.records import Alert, AlertState, Exemplar, Origin, Window


def block(state: AlertState, sequence: int) -> list[str]:
    window = Window("2026-03-17T08:00:00Z", "2026-03-17T08:15:00Z", 900)
    exemplar = Exemplar("r1", "Lid [exploded]", "StarJar", 1, 0.9, 0, Origin("reviews", 0, 1))
    alert = Alert(
        "a1", f"t{sequence}", sequence, "negative-spike", "1", "entity:acme|topic:M&A", state, "warning",
        window.start, None, window, 6, 0.1, 7, 0.9, 0.2, 8.0, 4.0, (exemplar,),
    )  # fmt: skip
    return ConsoleSink.render(alert).splitlines()


def shown(*states: AlertState) -> tuple[str, Screen]:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=200), time.monotonic())
    for sequence, state in enumerate(states):
        for line in block(state, sequence):
            screen.relay(line)
    return out.getvalue(), screen


def test_the_first_block_of_an_incident_is_whole_and_brackets_are_no_markup() -> None:
    text, _ = shown("firing")
    assert "Lid [exploded]" in text
    assert "entity:acme|topic:M&A" in text


def test_later_states_are_one_line_each() -> None:
    text, _ = shown("firing", "firing", "recovering", "resolved")
    assert text.count("Lid [exploded]") == 1
    assert [line.split()[1] for line in text.splitlines() if " since " in line] == [
        "FIRING",
        "FIRING",
        "RECOVERING",
        "RESOLVED",
    ]


def test_the_moment_of_delivery_is_kept_for_the_first_ring_only() -> None:
    _, screen = shown("firing", "firing", "resolved")
    assert list(screen.delivered) == [("entity:acme|topic:M&A", "2026-03-17T08:00:00Z")]
