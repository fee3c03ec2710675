"""Who hears of a transition."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from streams.notify.routing import channels_for
from streams.records import Alert

CHANNELS = ("console", "webhook-1")


@pytest.mark.parametrize("state", ["firing", "recovering", "resolved"])
def test_every_sink_hears_of_an_incident(alert: Callable[..., Alert], state: str) -> None:
    assert channels_for(msgspec.structs.replace(alert(), state=state), CHANNELS) == CHANNELS


def test_nobody_is_woken_by_what_is_pending(alert: Callable[..., Alert]) -> None:
    assert channels_for(msgspec.structs.replace(alert(), state="pending"), CHANNELS) == ()


def test_nobody_hears_the_end_of_what_nobody_heard_of(alert: Callable[..., Alert]) -> None:
    lapsed = msgspec.structs.replace(alert(), state="resolved", reason="lapsed")
    assert channels_for(lapsed, CHANNELS) == ()
