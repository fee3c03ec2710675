"""What the pages say can be done, can be done: links lead somewhere, verbs, options and settings exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from streams import errors
from streams.settings import Settings
from streams.topics import Topics
from tocsin import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "deploy" / "RUNBOOK.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app)


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_shown_is_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r"^(?:.*\| )?tocsin ((?:[a-z]+ ?)+)(.*)$", text, re.MULTILINE)
    shown += re.findall(r"`tocsin ((?:[a-z]+ ?)+)([^`]*)`", text)
    for words, rest in shown:
        command: Any = COMMANDS
        for word in words.split():
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, f"tocsin {words}"
            command = command.commands[word]
        if words.split()[0] == "bench":  # its options are the benchmark's own
            assert all((ROOT / "tests" / "bench" / f"{name}.py").is_file() for name in words.split()[1:]), words
            continue
        options = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
        assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest.split("#")[0])) <= options, f"tocsin {words}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_setting_named_is_one(page: Path) -> None:
    sections = {name for name, field in Settings.model_fields.items() if hasattr(field.annotation, "model_fields")}
    for section, name in re.findall(r"`([a-z_]+)\.([a-z_]+)(?: = [^`]*)?`", page.read_text(encoding="utf-8")):
        if section in sections:
            assert name in Settings.model_fields[section].annotation.model_fields, f"{section}.{name}"  # type: ignore[union-attr]


def test_every_topic_is_on_the_page() -> None:
    page = (ROOT / "docs" / "topics.md").read_text(encoding="utf-8")
    for topic in Topics("<p>", ["<topic>"]).all():
        if topic.name != "<topic>":
            assert f"`{topic.name}`" in page, topic.name


def test_the_exit_statuses_are_told() -> None:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    for status in (0, 1, errors.EXIT_USAGE, errors.EXIT_RESTART):
        assert f"\n| {status} |" in page


def test_the_rooms_of_the_house_are_there() -> None:
    tree = re.search(r"## The house\n\n```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert tree is not None
    for line in tree[1].splitlines():
        named = line[:28].split() if line.startswith("  ") else line.split()[:1]
        for name in named:
            place = (ROOT / "streams" / name.rstrip("/")) if line.startswith("  ") else ROOT / name.rstrip("/")
            assert place.exists() or place.with_suffix(".py").exists(), name


def test_the_changelog_speaks_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "[Unreleased]" in text or f"[{version}]" in text
