"""Who hears of a transition."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from streams.notify.routing import Route, channels_for
from streams.records import Alert

EVERYWHERE = (Route("console"), Route("webhook-1"))


@pytest.mark.parametrize("state", ["firing", "recovering", "resolved"])
def test_every_sink_that_asks_for_nothing_hears_of_an_incident(alert: Callable[..., Alert], state: str) -> None:
    assert channels_for(msgspec.structs.replace(alert(), state=state), EVERYWHERE, "t") == ["console", "webhook-1"]


def test_nobody_is_woken_by_what_is_pending(alert: Callable[..., Alert]) -> None:
    assert channels_for(msgspec.structs.replace(alert(), state="pending"), EVERYWHERE, "t") == []


def test_nobody_hears_the_end_of_what_nobody_heard_of(alert: Callable[..., Alert]) -> None:
    lapsed = msgspec.structs.replace(alert(), state="resolved", reason="lapsed")
    assert channels_for(lapsed, EVERYWHERE, "t") == []


@pytest.mark.parametrize(
    ("only", "heard"),
    [
        ({"team": ("risk",)}, True),
        ({"team": ("brand", "ri*")}, True),
        ({"team": ("risk",), "severity": ("critical",)}, True),
        ({"team": ("risk",), "severity": ("info",)}, False),
        ({"entity": ("acme",)}, True),
        ({"stream": ("*",)}, False),
    ],
)
def test_a_sink_hears_what_has_all_the_labels_it_asks_for(
    alert: Callable[..., Alert], only: dict[str, tuple[str, ...]], heard: bool
) -> None:
    routes = (Route("all"), Route("some", only))
    assert channels_for(alert(), routes, "t") == (["all", "some"] if heard else ["all"])
