"""What can be looked up: the settings as a page, the messages as JSON Schemas, both read from the code.

``python -m streams.reference docs`` writes ``docs/settings.md`` and ``docs/schemas/``; a test holds them fresh.
"""

from __future__ import annotations

import enum
import inspect
import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from streams.lessons import DocumentFeedback, DriftSample, DriftSignal
from streams.records import Alert, AlertFeedback, Observations, ReleaseHint, ScoredDocument
from streams.settings import Settings

MESSAGES = {
    "scored.v1": ScoredDocument,
    "observations.v1": Observations,
    "alerts.v1": Alert,
    "feedback.v1": AlertFeedback | DocumentFeedback,
    "drift.v1": DriftSignal,
    "drift-samples.v1": DriftSample,
    "releases.v1": ReleaseHint,
}
"""Strict messages by the part of their topic's name after the prefix."""

INTRODUCTION = """\
# Settings

<!-- Written by `python -m streams.reference docs` from streams/settings.py; do not edit by hand. -->

A process reads one `tocsin.toml` at its start: the file named with `--config`, else `tocsin.toml` in the working
directory, else nothing. What comes earlier here wins: command line, environment, file, defaults.
Every setting can be given in the environment: `TOCSIN_`, the table, two underscores, the name (both in upper case), as
in `TOCSIN_SCORING__PROVIDER=cpu`; lists and tables of tables are written as JSON there. A name that does not
exist, or a value out of range, ends the start with exit status 2 and a line that names the setting.
Passwords and tokens are best kept in files; they are masked wherever settings are shown.
[tocsin.example.toml](tocsin.example.toml) is a file to start from.
"""


def settings_table() -> str:
    """The page ``docs/settings.md``: a section and a table for each table of the settings file."""
    return INTRODUCTION + "".join(_tables(Settings, ""))


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (2020-12) of each strict message, by file name."""
    found = {}
    for name, message in MESSAGES.items():
        schema = _clean(msgspec.json.schema(message))
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"<prefix>.{name}"}
        found[f"{name}.json"] = head | schema
    return found


def write(folder: Path) -> None:
    """Write both into ``folder``."""
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    (folder / "settings.md").write_text(settings_table(), encoding="utf-8")
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (folder / "schemas" / name).write_text(text, encoding="utf-8")


def _clean(schema: Any) -> Any:
    """Docstrings as plain paragraphs: without indentation and without the marks of reStructuredText."""
    if isinstance(schema, list | tuple):
        return [_clean(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    clean = {key: _clean(value) for key, value in schema.items()}
    if isinstance(text := schema.get("description"), str):
        clean["description"] = inspect.cleandoc(text).replace("``", "`")
    return clean


def _tables(model: type[BaseModel], name: str) -> Iterator[str]:
    fields = model.model_fields
    inner = {key: section for key, field in fields.items() if (section := _section(field.annotation)) is not None}
    plain = {key: field for key, field in fields.items() if key not in inner}
    yield f"\n## {_heading(name)}\n\n"
    if about := inspect.cleandoc(model.__doc__ or "").split(" Build it")[0]:
        yield about + "\n\n"
    if plain:
        yield "| setting | type | default | meaning |\n|-|-|-|-|\n"
        for key, field in plain.items():
            yield f"| `{key}` | {_kind(field)} | {_default(field)} | {_cell(field.description or '')} |\n"
    for key, section in inner.items():
        yield from _tables(section, f"{name}.{key}".lstrip(".") + _repeat(fields[key].annotation))


def _heading(name: str) -> str:
    if not name:
        return "At the top of the file"
    return f"`[[{name.removesuffix('[]')}]]`, once or more" if name.endswith("[]") else f"`[{name}]`"


def _section(annotation: Any) -> type[BaseModel] | None:
    """The table a field holds, directly, in a tuple or as the values of a dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = [found for part in typing.get_args(annotation) if (found := _section(part)) is not None]
    return inside[0] if inside else None


def _repeat(annotation: Any) -> str:
    return {tuple: "[]", dict: ".NAME"}.get(typing.get_origin(annotation), "")


def _kind(field: FieldInfo) -> str:
    limits = []
    for rule in field.metadata:
        for sign, attribute in (("≥", "ge"), (">", "gt"), ("≤", "le"), ("<", "lt")):
            if (limit := getattr(rule, attribute, None)) is not None:
                limits.append(f"{sign} {limit}")
    return ", ".join([_spell(field.annotation), *limits])


def _spell(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return " \\| ".join(f"`{value}`" for value in typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return ", ".join(_spell(part) for part in typing.get_args(annotation) if part is not type(None))
    if origin in (tuple, list, frozenset, set):
        return f"list of {_spell(typing.get_args(annotation)[0])}"
    if origin is dict:
        return "table of text"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " \\| ".join(f"`{member.value}`" for member in annotation)
    names = {str: "text", int: "integer", float: "number", bool: "true/false", Path: "path", SecretStr: "secret"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    match value:
        case None | "" | () | {}:
            return ""
        case SecretStr():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case tuple() | list():
            return _cell(f"`{json.dumps([str(part) for part in value])}`")
        case Path():
            return f"`{value.as_posix()}`"
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
