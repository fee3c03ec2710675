"""The pages that are written from the code are fresh, and no setting is left unexplained."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from streams import reference
from streams.records import Alert, Observations, Origin, Window, encode

DOCS = Path(__file__).parents[2] / "docs"
REFRESH = "run: python -m streams.reference docs"


def test_the_page_of_settings_is_fresh() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == reference.settings_table(), REFRESH


def test_the_schemas_are_fresh() -> None:
    written = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (DOCS / "schemas").glob("*.json")}
    assert written == reference.schemas(), REFRESH


def test_every_setting_is_explained() -> None:
    rows = [line for line in reference.settings_table().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if not row.replace("\\|", "").rstrip("| ").split("|")[4:]] == []


def test_every_table_of_the_file_has_its_section() -> None:
    page = reference.settings_table()
    for heading in ("[kafka]", "[streams.NAME]", "[[rules]]", "[[notify.webhooks]]", "[cost]"):
        assert f"## `{heading}`" in page


def test_a_secret_is_never_shown_as_a_default() -> None:
    row = next(line for line in reference.settings_table().splitlines() if line.startswith("| `sasl_password` "))
    assert row.split("|")[3].strip() == ""


@pytest.mark.parametrize(
    "message",
    [
        Observations("news", 0, 5, 4, None, "r1"),
        Alert(
            "a", "t", 1, "r", "1", "entity:x", "firing", "warning", "2026-01-01T00:00:00Z", None,
            Window("2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z", 900), 5, 0.1, 6, 0.8, 0.2, 7.0, 4.0, (),
        ),
    ],
    ids=lambda message: type(message).__name__,
)  # fmt: skip
def test_a_schema_names_exactly_the_fields_that_travel(message: msgspec.Struct) -> None:
    name = next(key for key, kind in reference.MESSAGES.items() if isinstance(message, kind))
    schema = reference.schemas()[f"{name}.json"]
    definition = schema["$defs"][type(message).__name__]
    assert set(json.loads(encode(message))) == set(definition["properties"])


def test_an_origin_is_described_where_it_travels() -> None:
    schema = reference.schemas()["scored.v1.json"]
    assert set(schema["$defs"]["Origin"]["properties"]) == set(Origin.__struct_fields__)
