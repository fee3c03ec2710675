"""Transitions go in once with their offsets, come out in order per incident, and survive the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.notify.outbox import KEPT_MS, Arrival, Outbox
from streams.records import Alert

Make = Callable[..., Alert]
TOPIC = "tocsin.alerts.v1"


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "deep" / "outbox.sqlite")
    yield box
    box.close()


def put(box: Outbox, *alerts: Alert, channels: tuple[str, ...] = ("w",), at: int = 0, now_ms: int = 1000) -> int:
    arrivals = [(Arrival(one, 0, at + index), channels) for index, one in enumerate(alerts)]
    return box.store(TOPIC, arrivals, {0: at + len(alerts)}, now_ms)


def test_a_repeated_transition_is_stored_once_and_the_offset_moves_on(outbox: Outbox, alert: Make) -> None:
    assert put(outbox, alert(), alert(state="resolved", sequence=2)) == 2
    assert put(outbox, alert(), at=2) == 0
    assert outbox.offsets(TOPIC) == {0: 3}
    assert outbox.backlog("w") == (2, 1000)


def test_an_incident_s_transitions_keep_their_order_and_hold_up_no_other(outbox: Outbox, alert: Make) -> None:
    put(outbox, alert(), alert(state="resolved", sequence=2), alert(alert_id="b"))
    first = outbox.due("w", 1000)
    assert first is not None
    assert first.alert.transition_id == "a1-1"
    outbox.put_off(first, 9_000)
    other = outbox.due("w", 1000)
    assert other is not None
    assert other.alert.alert_id == "b"
    outbox.settle(other)
    assert outbox.due("w", 1000) is None
    assert outbox.next_due_ms("w") == 9_000, "the successor that waits behind it must not count as due"
    retried = outbox.due("w", 9_000)
    assert retried is not None
    assert (retried.alert.transition_id, retried.attempts) == ("a1-1", 1)
    outbox.settle(retried)
    last = outbox.due("w", 9_000)
    assert last is not None
    assert last.alert.state == "resolved"


def test_a_settled_delivery_lets_the_incident_go_on(outbox: Outbox, alert: Make) -> None:
    put(outbox, alert(), alert(state="resolved", sequence=2))
    first = outbox.due("w", 1000)
    assert first is not None
    outbox.settle(first)
    second = outbox.due("w", 1000)
    assert second is not None
    assert second.alert.sequence == 2


def test_what_comes_later_of_a_waiting_incident_waits_with_it(outbox: Outbox, alert: Make) -> None:
    put(outbox, alert())
    first = outbox.due("w", 1000)
    assert first is not None
    outbox.put_off(first, 9_000)
    put(outbox, alert(state="resolved", sequence=2), at=1, now_ms=2_000)
    assert outbox.due("w", 8_999) is None
    again = outbox.due("w", 9_000)
    assert again is not None
    assert again.alert.sequence == 1


def test_channels_are_apart(outbox: Outbox, alert: Make) -> None:
    put(outbox, alert(), channels=("v", "w"))
    mine = outbox.due("v", 1000)
    assert mine is not None
    outbox.settle(mine)
    assert (outbox.backlog("v"), outbox.backlog("w")) == ((0, None), (1, 1000))


def test_the_group_s_offset_waits_for_the_slowest_sink(outbox: Outbox, alert: Make) -> None:
    put(outbox, alert(alert_id="x"), alert(alert_id="y"), alert(alert_id="z"))
    first = outbox.due("w", 1000)
    assert first is not None
    outbox.settle(first)
    assert outbox.delivered_below(TOPIC) == {0: 1}
    while (rest := outbox.due("w", 1000)) is not None:
        outbox.settle(rest)
    assert outbox.delivered_below(TOPIC) == {0: 3}


def test_what_stands_is_the_last_state_of_incidents_without_mail(outbox: Outbox, alert: Make) -> None:
    put(outbox, alert(), alert(state="recovering", sequence=2), alert(alert_id="done", state="resolved"))
    assert list(outbox.standing("w", 0)) == []
    while (delivery := outbox.due("w", 1000)) is not None:
        outbox.settle(delivery)
    assert {(one.alert_id, one.state) for one in outbox.standing("w", 0)} == {
        ("a1", "recovering"),
        ("done", "resolved"),
    }
    assert {one.alert_id for one in outbox.standing("w", 1001)} == {"a1"}


def test_everything_survives_a_new_process(tmp_path: Path, alert: Make) -> None:
    path = tmp_path / "o.sqlite"
    box = Outbox(path)
    put(box, alert())
    box.close()
    again = Outbox(path)
    assert again.offsets(TOPIC) == {0: 1}
    assert again.due("w", 1000) is not None
    again.close()


def test_a_failed_batch_leaves_neither_alerts_nor_offsets(outbox: Outbox, alert: Make) -> None:
    with pytest.raises(sqlite3.Error):
        outbox.store(TOPIC, [(Arrival(alert(), 0, 0), ("w", "w"))], {0: 1}, 1000)
    assert outbox.offsets(TOPIC) == {}
    assert outbox.backlog("w") == (0, None)


def test_a_second_notifier_is_refused(outbox: Outbox, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="another notifier"):
        Outbox(tmp_path / "deep" / "outbox.sqlite")


def test_a_file_that_is_no_outbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / "o").write_text("dear diary, " * 1000)
    with pytest.raises(SettingsError, match="name a file"):
        Outbox(tmp_path / "o")


def test_another_cluster_s_offsets_are_dropped_and_transitions_kept(outbox: Outbox, alert: Make) -> None:
    assert outbox.belongs_to("one")
    put(outbox, alert())
    assert not outbox.belongs_to("two")
    assert outbox.offsets(TOPIC) == {}
    assert put(outbox, alert()) == 0
    assert not outbox.belongs_to("three", forget_all=True)
    assert put(outbox, alert()) == 1


def test_sinks_that_are_gone_are_forgotten(outbox: Outbox, alert: Make) -> None:
    put(outbox, alert(), channels=("old", "w"))
    assert outbox.keep_only(["w"]) == 1
    assert outbox.backlog("old") == (0, None)
    assert outbox.delivered_below(TOPIC) == {0: 0}


def test_old_transitions_are_pruned_but_never_one_that_is_owed(outbox: Outbox, alert: Make) -> None:
    put(outbox, alert(alert_id="owed"), alert(alert_id="paid"))
    owed = outbox.due("w", 1000)
    assert owed is not None
    outbox.put_off(owed, 0)
    paid = [d for d in (outbox.due("w", 1000),) if d is not None]
    assert paid[0].alert.alert_id == "owed"
    outbox.prune(1000 + KEPT_MS + 1)
    assert outbox.backlog("w")[0] == 2
    outbox.settle(paid[0])
    outbox.prune(1000 + KEPT_MS + 1)
    assert outbox.backlog("w")[0] == 1
    assert put(outbox, alert(alert_id="owed"), at=5) == 1, "forgotten after its time"
