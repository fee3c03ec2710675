"""The report on alerts: incidents are the same where rule and series are and their times meet."""

from __future__ import annotations

from streams.records import Alert, Window
from trainer.gate.alerts import regression


def alert(series: str, began: str, ended: str, *, id: str = "", state: str = "resolved", reason: str = "") -> Alert:
    return Alert(
        id or f"{series}{began}", f"{series}{began}{state}", 1, "negative-spike", "1", series, state, "warning",  # type: ignore[arg-type]
        began, ended if state == "resolved" else None, Window(began, ended, 900), 9, 1, 10, 0.9, 0.1, 5, 3, (),
        reason=reason,
    )  # fmt: skip


def hour(number: int) -> str:
    return f"2026-03-01T{number:02}:00:00Z"


def test_what_only_one_release_rings_is_named() -> None:
    before = [alert("entity:a", hour(1), hour(3)), alert("entity:b", hour(5), hour(6))]
    after = [alert("entity:a", hour(2), hour(4), id="other"), alert("entity:c", hour(5), hour(6))]
    figures = regression(before, after).figures
    assert (figures["champion"], figures["candidate"]) == (2, 2)
    assert figures["gone"] == [f"entity:b (negative-spike) from {hour(5)}"]
    assert figures["new"] == [f"entity:c (negative-spike) from {hour(5)}"]


def test_an_incident_is_one_however_many_transitions_it_has() -> None:
    ring = [
        alert("entity:a", hour(1), hour(2), id="x", state="firing"),
        alert("entity:a", hour(1), hour(9), id="x"),
        alert("entity:z", hour(1), hour(2), state="pending"),
        alert("entity:y", hour(1), hour(2), reason="lapsed"),
    ]
    later = [alert("entity:a", hour(8), hour(9))]
    figures = regression(ring, later).figures
    assert (figures["champion"], figures["gone_count"], figures["new_count"]) == (1, 0, 0)
    assert regression(ring, []).held, "people decide about alerts; the report refuses nothing"
