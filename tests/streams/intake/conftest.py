from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from streams.intake import Alias, Entity, Intake, WatchList
from streams.records import Document, Origin, Rejection
from streams.settings import IntakeSettings

BROKER_MS = 1_700_000_000_000

Read = Callable[..., Document | Rejection]


@pytest.fixture(scope="session")
def watchlist() -> WatchList:
    """Invented companies with every kind of rule."""
    return WatchList(
        [
            Entity(id="umbrella", name="Umbrella Holdings"),
            Entity(
                id="northwind",
                name="Northwind Traders",
                aliases=(Alias(text="Northwind"),),
                tickers=("NWT",),
                parent="umbrella",
            ),
            Entity(
                id="bullseye",
                name="Bullseye Corporation",
                aliases=(
                    Alias(text="Bullseye", exact=True, context=("shares", "stores"), not_followed_by=("game",)),
                    Alias(text="The Eye", not_preceded_by=("in",)),
                ),
                tickers=("BLS",),
            ),
            Entity(id="kite", name="Kite", tickers=("K", "KT.B")),
            Entity(id="kite-foods", name="Kite Foods", tickers=("KTF",), bare_tickers=True),
            Entity(id="gx", name="GX", tickers=("GX",)),
            Entity(id="suzuran", name="鈴蘭電機"),
        ]
    )


@pytest.fixture
def read(watchlist: WatchList) -> Read:
    """Read a record (a dict, or bytes as they are) of the stream "news"."""

    def _read(
        record: dict[str, Any] | bytes | None,
        broker_ms: int | None = BROKER_MS,
        needs_time: bool = True,
        **settings: Any,
    ) -> Document | Rejection:
        value = json.dumps(record).encode() if isinstance(record, dict) else record
        intake = Intake(IntakeSettings(**settings), watchlist, needs_time=needs_time)
        return intake.read(value, Origin("news", 0, 7), broker_ms, "news")

    return _read


@pytest.fixture
def accepted(read: Read) -> Callable[..., Document]:
    """Like ``read``, for records that must become documents."""

    def _accepted(record: dict[str, Any] | bytes, *args: Any, **kwargs: Any) -> Document:
        document = read(record, *args, **kwargs)
        assert isinstance(document, Document), document
        return document

    return _accepted


@pytest.fixture
def rejected(read: Read) -> Callable[..., Rejection]:
    """Like ``read``, for records that must be refused."""

    def _rejected(record: dict[str, Any] | bytes | None, *args: Any, **kwargs: Any) -> Rejection:
        rejection = read(record, *args, **kwargs)
        assert isinstance(rejection, Rejection), rejection
        return rejection

    return _rejected
