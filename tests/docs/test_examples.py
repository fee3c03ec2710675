"""The example files load, and what their comments say is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from models.release import Manifest
from streams.intake.watchlist import WatchList
from streams.settings import load

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOCSIN_BROKERS", raising=False)
    monkeypatch.delenv("TOCSIN_PREFIX", raising=False)


def test_the_example_settings_load_with_every_table_they_show() -> None:
    settings = load(DOCS / "tocsin.example.toml")
    assert settings.kafka.security_protocol == "SASL_SSL"
    assert [rule.name for rule in settings.rules] == ["companies", "everything-else"]
    assert settings.notify.webhooks[0].url.get_secret_value().startswith("https://")
    assert "set-me" not in repr(settings)


def test_the_example_watchlist_loads_and_knows_its_parents() -> None:
    watchlist = WatchList.load(DOCS / "watchlist.example.toml")
    assert watchlist.parents("northwind-tea") == ("northwind", "umbrella")
    assert watchlist.by_ticker("NWT") is watchlist.entities["northwind"]


def test_the_manifest_for_another_encoder_is_one() -> None:
    [shown] = re.findall(r"```json\n(.*?)```", (DOCS / "own-model.md").read_text(encoding="utf-8"), re.DOTALL)
    draft = msgspec.json.decode(shown, type=Manifest)
    assert set(draft.temperatures.topics) == set(draft.labels.topics)
    assert draft.files == {}
